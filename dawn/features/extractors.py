"""Extraction of landmarks and head pose from a frame, by either of two tools behind one interface.

``mediapipe``: Face Landmarker, whose network is part of this package; pose from its head transform
(:mod:`dawn.features.pose`). ``3ddfa``: the paper's tool (:mod:`dawn.features.tddfa`), with weights from ``dawn
weights``. Face Landmarker detects the face for it, in place of the published FaceBoxes. ``features.landmarks`` and
``features.pose`` select the tool independently; blendshapes are always those of Face Landmarker.

Angles agree in unit and sign between the tools; units of scale and position differ.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from dawn import config
from dawn.features.landmarks import Face, FaceLandmarker
from dawn.features.pose import head_pose
from dawn.features.versions import extractor_version

BATCH = 64  # frames that a network takes at once, and that are in memory


@dataclass(frozen=True)
class FaceObservation:
    """Landmarks, pose and blendshapes of the largest face of a frame."""

    landmarks: NDArray[np.float32]  # (68, 2) pixels of the frame
    pose: NDArray[np.float32]  # (6,) yaw, pitch, roll in degrees, scale, tx, ty
    blendshapes: NDArray[np.float32]  # (52,) 0 to 1


class Extractor:
    """Face extractor with the tools that ``features.pose`` and ``features.landmarks`` name.

    A context manager, one instance per clip. Frames of one clip are expected in order, or, with `static`, any frames.
    Raises MissingWeights.

    In a clip, the largest face of each frame counts until a frame shows one face alone, which is then followed for as
    long as it is visible: a search for others in every frame would take a fifth of the time.
    """

    def __init__(self, cfg: config.Features, static: bool = False) -> None:
        self._pose, self._landmarks = cfg.pose, cfg.landmarks
        self._tddfa = None
        if "3ddfa" in (cfg.pose, cfg.landmarks):
            from dawn.features import tddfa  # torch: without it, preparation starts faster

            self._tddfa = tddfa.load()
        self.landmarker = FaceLandmarker(cfg.detect_side, static)
        self.version = extractor_version(cfg)

    def detect(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[FaceObservation | None]:
        """Detect the largest face of each RGB frame uint8 (H, W, 3); yields None for one without a face.

        3DDFA takes :data:`BATCH` frames at once.
        """
        remaining = iter(frames)
        while batch := list(itertools.islice(remaining, 1 if self._tddfa is None else BATCH)):
            faces = [self._landmarked(frame) for frame in batch]
            found = [(frame, face) for frame, face in zip(batch, faces, strict=True) if face is not None]
            measured = iter(self._measured(*zip(*found, strict=True)) if found else ())
            yield from (None if face is None else next(measured) for face in faces)

    def _measured(self, frames: Sequence[NDArray[np.uint8]], faces: Sequence[Face]) -> list[FaceObservation]:
        """Measure landmarks and pose of the face that Face Landmarker found in each frame."""
        points = [face.landmarks for face in faces]
        poses: list[NDArray[np.float32]] = []
        if self._tddfa is not None:
            landmarks, cameras = self._tddfa.measure(frames, points)
            poses = list(cameras)
            points = points if self._landmarks == "mediapipe" else list(landmarks)
        if self._pose == "mediapipe":
            poses = [head_pose(face.transform, *frame.shape[1::-1]) for frame, face in zip(frames, faces, strict=True)]
        return [FaceObservation(*one) for one in zip(points, poses, [f.blendshapes for f in faces], strict=True)]

    def _landmarked(self, frame: NDArray[np.uint8]) -> Face | None:
        """Return the face that Face Landmarker finds in the next frame."""
        face = self.landmarker.detect(frame)
        if not self.landmarker.static and self.landmarker.most > 1 and self.landmarker.faces == 1:
            self.landmarker.close()
            self.landmarker = FaceLandmarker(self.landmarker.side, most=1)
        return face

    def __enter__(self) -> Extractor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.landmarker.close()
