"""Face landmarks from MediaPipe Face Mesh (478 points with irises), also as the 68 points of the iBUG scheme.

Coordinates are pixels of the given frame, (0, 0) its top left corner; pixel centres are at half integers.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# Set before the import that reads them: the log of mediapipe's C++ code would hide a progress bar.
os.environ.setdefault("GLOG_minloglevel", "3")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

VERSION = "mediapipe-facemesh-0.10.21"

# Vertex of the mesh at each of the 68 points (iBUG 300-W numbering from 0; right is the person's, at image left). Lids,
# lips, brows and nose are the mesh vertices at the named places; the jaw line follows the mesh's face oval from ear to
# ear. Left and right are mirror vertices of each other. The median distance from dlib's 68-point predictor, on 35 real
# frames, is 0.02 eye distances for eyes and lips, 0.05 for brows, nose and jaw, at most 0.1 (2, 3, 13, 14).
# fmt: off
MESH_68 = np.array([
    127, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 356,  # 0-16 jaw, right to left
    70, 63, 105, 66, 107,  # 17-21 right brow, outer to inner
    336, 296, 334, 293, 300,  # 22-26 left brow, inner to outer
    168, 197, 195, 4,  # 27-30 bridge and tip of the nose
    75, 97, 2, 326, 305,  # 31-35 nostrils
    33, 160, 158, 133, 153, 144,  # 36-41 right eye: outer corner, upper lid, inner corner, lower lid
    362, 385, 387, 263, 373, 380,  # 42-47 left eye: inner corner, upper lid, outer corner, lower lid
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,  # 48-59 outer lips, clockwise from the right corner
    78, 82, 13, 312, 308, 317, 14, 87,  # 60-67 inner lips
], dtype=np.intp)
# fmt: on


@dataclass(frozen=True)
class Face:
    """Landmarks of one face in one frame."""

    mesh: NDArray[np.float32]  # (478, 3) x, y in pixels of the frame; z in the same unit, smaller is nearer the camera

    @property
    def landmarks(self) -> NDArray[np.float32]:
        """68 iBUG landmarks (68, 2): x, y in pixels of the frame."""
        return self.mesh[MESH_68, :2]

    @property
    def area(self) -> float:
        """Area of the box around the 68 points, square pixels."""
        low, high = self.landmarks.min(0), self.landmarks.max(0)
        return float(np.prod(high - low))


class FaceMesh:
    """Face landmark detector, as a context manager, one instance per clip.

    By default it tracks: `detect` expects the frames of one clip in order, and a new FaceMesh gives the same result for
    the same frames. With `static`, frames are independent of each other. Frames whose longer side is below `side`
    pixels are enlarged to it first; all are padded to squares. At most `faces` faces are detected in a frame.
    """

    def __init__(self, side: int = 256, static: bool = False, faces: int = 4) -> None:
        self.side = side
        with _quiet():
            from mediapipe.python.solutions import face_mesh

            self._mesh: Any = face_mesh.FaceMesh(
                static_image_mode=static,
                max_num_faces=faces,
                refine_landmarks=True,
                min_detection_confidence=0.5,
                min_tracking_confidence=0.5,
            )
            # The networks load, and print warnings, at the first frame; an empty one leaves nothing to track.
            self._mesh.process(np.zeros((side, side, 3), np.uint8))
        self._warned = False

    def detect(self, frame: NDArray[np.uint8]) -> Face | None:
        """Detect the largest face of an RGB frame uint8 (H, W, 3); returns None without a face."""
        height, width = frame.shape[:2]
        longer = max(height, width)
        scale = max(1.0, self.side / longer)
        if scale > 1:
            size = (round(width * scale), round(height * scale))
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)
        square = np.zeros((max(frame.shape[:2]),) * 2 + (3,), np.uint8)
        square[: frame.shape[0], : frame.shape[1]] = frame
        # The first face causes one more warning, about inputs that are not square; these are.
        with contextlib.nullcontext() if self._warned else _quiet():
            detections = self._mesh.process(square).multi_face_landmarks or []
        self._warned = self._warned or bool(detections)
        faces = [Face(_points(detection) * np.float32(longer)) for detection in detections]
        return max(faces, key=lambda face: face.area, default=None)

    def close(self) -> None:
        """Free the networks."""
        self._mesh.close()

    def __enter__(self) -> FaceMesh:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _points(detection: Any) -> NDArray[np.float32]:
    return np.array([(point.x, point.y, point.z) for point in detection.landmark], np.float32)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Discard output of C++ code on standard error."""
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "wb") as discard:
        os.dup2(discard.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def confirm_face(crop: NDArray[np.uint8]) -> bool:
    """Return whether MediaPipe's full-range detector, which Face Mesh does not use, detects a face in its square crop.

    Its score is 0.78 to 0.95 for people framed as in the clips, also painted, drawn and carved ones; it detects nothing
    in a dog in which Face Mesh finds all landmarks.
    """
    margin = crop.shape[0] // 2  # it misses faces that fill the image
    square = np.pad(crop, ((margin, margin), (margin, margin), (0, 0)))
    with _quiet():
        from mediapipe.python.solutions import face_detection

        with face_detection.FaceDetection(model_selection=1, min_detection_confidence=0.5) as detector:
            return bool(detector.process(square).detections)
