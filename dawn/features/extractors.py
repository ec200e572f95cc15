"""Extraction of landmarks and head pose from a frame, by either of two tools behind one interface.

``mediapipe``: Face Mesh, part of its package; pose by a fit to a rigid head (:mod:`dawn.features.pose`).
``3ddfa``: the paper's tool (:mod:`dawn.features.tddfa`), with weights from ``dawn weights``. Face Mesh detects the face
for it, in place of the published FaceBoxes. ``features.landmarks`` and ``features.pose`` select the tool independently.

Angles agree in unit and sign between the tools; units of scale and position differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from dawn import config
from dawn.features import landmarks
from dawn.features.landmarks import FaceMesh
from dawn.features.pose import head_pose


@dataclass(frozen=True)
class FaceObservation:
    """Landmarks and pose of the largest face of a frame."""

    landmarks: NDArray[np.float32]  # (68, 2) pixels of the frame
    pose: NDArray[np.float32]  # (6,) yaw, pitch, roll in degrees, scale, tx, ty


class Extractor:
    """Face extractor with the tools that ``features.pose`` and ``features.landmarks`` name.

    A context manager, one instance per clip. Frames of one clip are expected in order, or, with `static`, any frames.
    Raises MissingWeights.
    """

    def __init__(self, cfg: config.Features, static: bool = False) -> None:
        self._pose, self._landmarks = cfg.pose, cfg.landmarks
        self._tddfa = None
        names = {"mediapipe": landmarks.VERSION}
        if "3ddfa" in (cfg.pose, cfg.landmarks):
            from dawn.features import tddfa  # torch: without it, preparation starts faster

            self._tddfa, names["3ddfa"] = tddfa.load(), tddfa.VERSION
        self.mesh = FaceMesh(cfg.detect_side, static)
        self.version = names[cfg.landmarks]
        if cfg.pose != cfg.landmarks:
            self.version += f", pose {names[cfg.pose]}"

    def detect(self, frame: NDArray[np.uint8]) -> FaceObservation | None:
        """Detect the largest face of an RGB frame uint8 (H, W, 3); returns None without a face."""
        face = self.mesh.detect(frame)
        if face is None:
            return None
        points, pose = (None, None) if self._tddfa is None else self._tddfa.measure(frame, face.landmarks)
        if points is None or self._landmarks == "mediapipe":
            points = face.landmarks
        if pose is None or self._pose == "mediapipe":
            pose = head_pose(face.mesh, frame.shape[1], frame.shape[0])
        return FaceObservation(points, pose)

    def __enter__(self) -> Extractor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.mesh.close()
