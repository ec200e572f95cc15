"""What the landmark detector sees in a measured video; frames without a face are kept and counted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dawn.features.blink import eye_aspect_ratios
from dawn.features.boxes import face_box, mouth_box
from dawn.features.landmarks import VERSION, FaceMesh
from dawn.features.pose import head_pose
from dawn.features.store import Features


def see(frames: NDArray[np.uint8], detect_side: int, fps: float) -> Features:
    """(N, H, W, 3) frames in order -> features without speech.

    Frames without a face are interpolated; where no frame has one, everything is zero and `found` is False throughout.
    """
    count, height, width = frames.shape[:3]
    points = np.zeros((count, 68, 2), np.float32)
    pose = np.zeros((count, 6), np.float32)
    found = np.zeros(count, np.bool_)
    with FaceMesh(detect_side) as mesh:
        for k, frame in enumerate(frames):
            face = mesh.detect(frame)
            if face is not None:
                found[k], points[k], pose[k] = True, face.landmarks, head_pose(face.mesh, width, height)
    if found.any():
        points, pose = _filled(points, found), _filled(pose, found)
    return Features(
        landmarks=points,
        pose=pose,
        blink=eye_aspect_ratios(points),
        speech=np.zeros((count, 0), np.float32),
        face_box=face_box(points),
        mouth_box=mouth_box(points),
        found=found,
        extractor=VERSION,
        encoder="none",
        fps=fps,
    )


def _filled(rows: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    index = np.arange(len(rows))
    flat = rows.reshape(len(rows), -1)
    columns = [np.interp(index, index[known], column[known]) for column in flat.T]
    return np.stack(columns, axis=1).reshape(rows.shape).astype(np.float32)
