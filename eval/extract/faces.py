"""Face mesh of every frame of a video: landmarks, head pose and number of faces."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawn.features.interpolation import interpolate_rows
from dawn.features.landmarks import FaceLandmarker
from dawn.features.pose import head_pose


def detect_faces(frames: NDArray[np.uint8], detect_side: int) -> dict[str, NDArray[Any]]:
    """Detect the largest face in each of the frames (N, H, W, 3) RGB, in order.

    Returns landmarks (N, 68, 2) in pixels and pose (N, 6), yaw, pitch and roll in degrees first, both interpolated
    linearly over frames without a face, zero when no frame has one; found (N,) bool; faces (N,) number of detected
    faces. detect_side: frames with a shorter side, in pixels, are enlarged to it for detection.
    """
    count, height, width = frames.shape[:3]
    points = np.zeros((count, 68, 2), np.float32)
    pose = np.zeros((count, 6), np.float32)
    faces = np.zeros(count, np.int64)
    found = np.zeros(count, np.bool_)
    with FaceLandmarker(detect_side) as landmarker:
        for k, frame in enumerate(frames):
            face = landmarker.detect(frame)
            faces[k] = landmarker.faces
            if face is not None:
                found[k], points[k], pose[k] = True, face.landmarks, head_pose(face.transform, width, height)
    if found.any():
        known, frame_indices = np.flatnonzero(found), np.arange(count)
        points = interpolate_rows(points[known], known, frame_indices).astype(np.float32)
        pose = interpolate_rows(pose[known], known, frame_indices).astype(np.float32)
    return {"landmarks": points, "pose": pose, "found": found, "faces": faces}
