"""Face landmarks from MediaPipe's Face Landmarker: 478 points with irises, 52 blendshapes and the head's transform.

Coordinates are pixels of the given frame, (0, 0) its top left corner; pixel centres are at half integers.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.weights import verified

# Set before the import that reads them: the log of mediapipe's C++ code would hide a progress bar.
os.environ.setdefault("GLOG_minloglevel", "3")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

READS = ("weights/face_landmarker_v2_with_blendshapes.task",)  # face-landmarker of dawn/weights.yaml

# Milliseconds from frame to frame, in place of the true ones: with one face, MediaPipe smooths landmarks over time,
# which shortens the movements of the lips. After a time as long as this, its filter keeps nothing of the frame before.
_FRAME_TIME = 10**6

# Names of the blendshapes in their order: how far the face is deformed in each of 52 ways, 0 to 1, as in ARKit. Left
# and right are the person's.
BLENDSHAPES = (
    "neutral",
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight",
    "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight",
    "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip

# Vertex of the mesh at each of the 68 points (iBUG 300-W numbering from 0; right is the person's, at image left). Lids,
# lips, brows and nose are the mesh vertices at the named places; the jaw line follows the mesh's face oval from ear to
# ear. Left and right are mirror vertices of each other. The median distance from dlib's 68-point predictor, on 80
# frames of real clips, is 0.02 eye distances for eyes, lips and nose, 0.05 for the jaw, 0.06 for brows, 0.1 at most.
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
    """One face in one frame."""

    mesh: NDArray[np.float32]  # (478, 3) x, y in pixels of the frame; z in the same unit, smaller is nearer the camera
    blendshapes: NDArray[np.float32]  # (52,) 0 to 1, in the order of BLENDSHAPES
    transform: NDArray[np.float32]  # (4, 4) from the canonical head to the camera's space, see dawn.features.pose

    @property
    def landmarks(self) -> NDArray[np.float32]:
        """68 iBUG landmarks (68, 2): x, y in pixels of the frame."""
        return self.mesh[MESH_68, :2]

    @property
    def area(self) -> float:
        """Area of the box around the 68 points, square pixels."""
        low, high = self.landmarks.min(0), self.landmarks.max(0)
        return float(np.prod(high - low))


class FaceLandmarker:
    """Face landmark detector, as a context manager, one instance per clip.

    By default it tracks: `detect` expects the frames of one clip in order, and a new instance gives the same result for
    the same frames. With `static`, frames are independent of each other. Frames whose longer side is below `side`
    pixels are enlarged to it first. At most `most` faces are detected in a frame; while a tracker has fewer, it
    searches each frame for others, which takes a fifth of its time.
    """

    def __init__(self, side: int = 256, static: bool = False, most: int = 4) -> None:
        self.side, self.static, self.most = side, static, most
        self.faces = 0  # in the last frame
        with _quiet():
            import mediapipe
            from mediapipe.tasks.python import BaseOptions, vision

            mode = vision.RunningMode.IMAGE if static else vision.RunningMode.VIDEO
            options = vision.FaceLandmarkerOptions(
                base_options=BaseOptions(model_asset_path=_model()),
                running_mode=mode,
                num_faces=most,
                output_face_blendshapes=True,
                output_facial_transformation_matrixes=True,
            )
            self._landmarker: Any = vision.FaceLandmarker.create_from_options(options)
            self._image: Any = lambda frame: mediapipe.Image(mediapipe.ImageFormat.SRGB, frame)
            self._time = 0  # of the last frame
            # The networks print warnings at the first frame; an empty one leaves nothing to track.
            self._run(np.zeros((side, side, 3), np.uint8))

    def detect(self, frame: NDArray[np.uint8]) -> Face | None:
        """Detect the largest face of an RGB frame uint8 (H, W, 3); returns None without a face."""
        size = np.array([frame.shape[1], frame.shape[0], frame.shape[1]], np.float32)
        scale = max(1.0, self.side / max(frame.shape[:2]))
        if scale > 1:
            enlarged = (round(frame.shape[1] * scale), round(frame.shape[0] * scale))
            frame = cv2.resize(frame, enlarged, interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)
        result = self._run(np.ascontiguousarray(frame))
        self.faces = len(result.face_landmarks)
        meshes = [_points(points) * size for points in result.face_landmarks]
        faces = [
            Face(mesh, np.array([shape.score for shape in shapes], np.float32), np.asarray(transform, np.float32))
            for mesh, shapes, transform in zip(
                meshes, result.face_blendshapes, result.facial_transformation_matrixes, strict=True
            )
        ]
        return max(faces, key=lambda face: face.area, default=None)

    def _run(self, frame: NDArray[np.uint8]) -> Any:
        if self.static:
            return self._landmarker.detect(self._image(frame))
        self._time += _FRAME_TIME
        return self._landmarker.detect_for_video(self._image(frame), self._time)

    def close(self) -> None:
        """Free the networks."""
        self._landmarker.close()

    def __enter__(self) -> FaceLandmarker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _points(landmarks: Any) -> NDArray[np.float32]:
    return np.array([(point.x, point.y, point.z) for point in landmarks], np.float32)


@functools.cache  # a clip takes two instances, and the hash of the file as long as a frame
def _model() -> str:
    return str(verified("face-landmarker").path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Discard output of C++ code on standard error, where the process has one."""
    try:
        saved = os.dup(2)
    except OSError:  # closed, as in a Windows program without a console
        yield
        return
    sys.stderr.flush()
    with open(os.devnull, "wb") as discard:
        os.dup2(discard.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
