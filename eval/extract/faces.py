"""Face mesh of every frame of a video: landmarks, head pose and number of faces."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawn.features.interpolation import interpolate_rows
from dawn.features.landmarks import FaceMesh
from dawn.features.pose import head_pose


class _CountingMesh:
    """MediaPipe's face mesh, which also records the number of faces in the last frame."""

    def __init__(self, mesh: Any) -> None:
        self._mesh, self.faces, self.close = mesh, 0, mesh.close

    def process(self, frame: NDArray[np.uint8]) -> Any:
        result = self._mesh.process(frame)
        self.faces = len(result.multi_face_landmarks or [])
        return result


class _Mesh(FaceMesh):
    """A face mesh detector that reports the number of detected faces."""

    def __init__(self, side: int) -> None:
        super().__init__(side)
        self._mesh = _CountingMesh(self._mesh)

    @property
    def faces(self) -> int:
        return int(self._mesh.faces)


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
    mesh = _Mesh(detect_side)
    with mesh:
        for k, frame in enumerate(frames):
            face = mesh.detect(np.ascontiguousarray(frame))
            faces[k] = mesh.faces
            if face is not None:
                found[k], points[k], pose[k] = True, face.landmarks, head_pose(face.mesh, width, height)
    if found.any():
        known, frame_indices = np.flatnonzero(found), np.arange(count)
        points = interpolate_rows(points[known], known, frame_indices).astype(np.float32)
        pose = interpolate_rows(pose[known], known, frame_indices).astype(np.float32)
    return {"landmarks": points, "pose": pose, "found": found, "faces": faces}
