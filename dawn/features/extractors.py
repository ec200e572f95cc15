"""Extraction of landmarks and head pose from a frame, by either of two tools behind one interface.

``mediapipe``: Face Landmarker, whose network is part of this package; pose from its head transform
(:mod:`dawn.features.pose`). ``3ddfa``: the paper's tool (:mod:`dawn.features.tddfa`), with weights from ``dawn
weights``. Face Landmarker detects the face for it, in place of the published FaceBoxes. ``features.landmarks`` and
``features.pose`` select the tool independently; blendshapes are always those of Face Landmarker.

Angles agree in unit and sign between the tools; units of scale and position differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from dawn import config
from dawn.features.landmarks import FaceLandmarker
from dawn.features.pose import head_pose
from dawn.features.versions import extractor_version


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

    def detect(self, frame: NDArray[np.uint8]) -> FaceObservation | None:
        """Detect the largest face of an RGB frame uint8 (H, W, 3); returns None without a face."""
        face = self.landmarker.detect(frame)
        if face is None:
            return None
        if not self.landmarker.static and self.landmarker.most > 1 and self.landmarker.faces == 1:
            self.landmarker.close()
            self.landmarker = FaceLandmarker(self.landmarker.side, most=1)
        points, pose = (None, None) if self._tddfa is None else self._tddfa.measure(frame, face.landmarks)
        if points is None or self._landmarks == "mediapipe":
            points = face.landmarks
        if pose is None or self._pose == "mediapipe":
            pose = head_pose(face.transform, frame.shape[1], frame.shape[0])
        return FaceObservation(points, pose, face.blendshapes)

    def __enter__(self) -> Extractor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.landmarker.close()
