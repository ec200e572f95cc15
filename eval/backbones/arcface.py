"""ArcFace (Deng et al. 2019), insightface's ONNX networks: a face turned upright by five points, to 512 numbers.

A detector of the same publisher finds face and points, its input pinned to 640 pixels; without one the points come from
landmarks that were found before. Every frame is looked at alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from dawn.errors import InputError
from dawn.weights import MissingWeights
from eval.backbones.cards import Card

SIDE = 112
DETECT_SIDE = 640
DETECT_SCORE, DETECT_OVERLAP = 0.5, 0.4  # insightface's defaults
# Where eyes, tip of the nose and corners of the mouth lie in the picture the networks learned from (x, y in pixels).
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
_RIGHT_EYE, _LEFT_EYE = slice(36, 42), slice(42, 48)  # 68-point numbering; the person's right eye is at image left
_NOSE, _MOUTH_CORNERS = 30, (48, 54)
_BATCH = 16


class ArcFace:
    """(N, H, W, 3) uint8 RGB frames and (N, 68, 2) landmarks -> (N, D) float32; NaN rows for landmarks not finite."""

    def __init__(self, path: Path) -> None:
        self._session = session(path, "an ArcFace network")
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1 or inputs[0].shape[1:] != [3, SIDE, SIDE]:
            shapes = [entry.shape for entry in inputs]
            raise MissingWeights(f"{path}: not an ArcFace network (it takes {shapes}, not (N, 3, {SIDE}, {SIDE}))")
        self._input, self.dimension = inputs[0], int(outputs[0].shape[-1])

    def __call__(self, frames: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
        if landmarks.shape != (len(frames), 68, 2):
            raise InputError(f"faces need (N, 68, 2) landmarks for {len(frames)} frames, got {landmarks.shape}")
        return self.embed(frames, five_points(landmarks))

    def embed(self, frames: NDArray[np.uint8], points: NDArray[np.floating]) -> NDArray[np.float32]:
        """(N, H, W, 3) frames and (N, 5, 2) points, a pixel's centre at whole numbers -> (N, D)."""
        if frames.ndim != 4 or frames.dtype != np.uint8 or points.shape != (len(frames), 5, 2):
            raise InputError(
                f"faces need uint8 (N, H, W, 3) frames and (N, 5, 2) points, got {frames.shape}, {points.shape}"
            )
        out = np.full((len(frames), self.dimension), np.nan, np.float32)
        found = np.flatnonzero(np.isfinite(points).all(axis=(1, 2)))
        step = _BATCH if not isinstance(self._input.shape[0], int) else self._input.shape[0]
        for start in range(0, len(found), step):
            rows = found[start : start + step]
            faces = np.stack([aligned(frames[k], points[k]) for k in rows])
            x = ((faces.astype(np.float32) - 127.5) / 127.5).transpose(0, 3, 1, 2)
            if len(x) < step and isinstance(self._input.shape[0], int):  # a network of one batch size only
                x = np.concatenate([x, np.zeros((step - len(x), *x.shape[1:]), np.float32)])
            (rows_out,) = self._session.run(None, {self._input.name: np.ascontiguousarray(x)})
            out[rows] = rows_out[: len(rows)]
        return out


class DetectedArcFace:
    """(N, H, W, 3) uint8 RGB frames -> (N, D) float32 of the largest face, a row of NaN where there is none."""

    def __init__(self, network: ArcFace, detector: Detector) -> None:
        self._network, self._detector = network, detector

    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        if not len(frames):
            return np.empty((0, self._network.dimension), np.float32)
        return self._network.embed(frames, np.stack([self._detector(frame) for frame in frames]))


class Detector:
    """SCRFD: an RGB frame uint8 (H, W, 3) -> (5, 2) points of the largest face, NaN for none."""

    def __init__(self, path: Path) -> None:
        from insightface.model_zoo.scrfd import SCRFD

        self._net: Any = SCRFD(str(path), session=session(path, "an SCRFD detector"), static_shape_sessions=False)
        if not self._net.use_kps:
            raise MissingWeights(f"{path}: not an SCRFD detector with five points")
        self._net.det_thresh, self._net.nms_thresh = DETECT_SCORE, DETECT_OVERLAP

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float64]:
        bgr = np.ascontiguousarray(frame[..., ::-1])
        boxes, points = self._net.detect(bgr, input_size=(DETECT_SIDE, DETECT_SIDE))
        if not len(boxes):
            return np.full((5, 2), np.nan)
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        return np.asarray(points[int(area.argmax())], np.float64)


def make(card: Card) -> ArcFace | DetectedArcFace:
    """The network of `card`, with its detector if it names one. Raises MissingWeights."""
    files = card.files()
    network = ArcFace(files["arcface-w600k-r50"].path)
    return DetectedArcFace(network, Detector(files["scrfd-10g"].path)) if "scrfd-10g" in files else network


def five_points(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """(..., 68, 2) landmarks of :mod:`dawn.features.landmarks` -> (..., 5, 2): eyes, nose, mouth corners.

    The eyes are the middles of their six points. Half a pixel is taken off: there a pixel's centre lies at halves.
    """
    points = [
        landmarks[..., _RIGHT_EYE, :].mean(axis=-2),
        landmarks[..., _LEFT_EYE, :].mean(axis=-2),
        landmarks[..., _NOSE, :],
        landmarks[..., _MOUTH_CORNERS[0], :],
        landmarks[..., _MOUTH_CORNERS[1], :],
    ]
    return np.stack(points, axis=-2).astype(np.float64) - 0.5


def similarity(points: NDArray[np.floating], target: NDArray[np.floating] = TEMPLATE) -> NDArray[np.float64]:
    """The turn, scale and shift (2, 3) that bring `points` nearest to `target`, both (n, 2) (Umeyama 1991).

    Raises InputError where the points are all one.
    """
    source, goal = np.asarray(points, np.float64), np.asarray(target, np.float64)
    middle, aim = source.mean(axis=0), goal.mean(axis=0)
    spread = ((source - middle) ** 2).sum() / len(source)
    if not spread > 0:
        raise InputError("the five points of a face are all one; nothing can be aligned by them")
    left, values, right = np.linalg.svd((goal - aim).T @ (source - middle) / len(source))
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])  # a face is never mirrored
    turn = (values * signs).sum() / spread * (left * signs) @ right
    return np.concatenate([turn, (aim - turn @ middle)[:, None]], axis=1)


def aligned(frame: NDArray[np.uint8], points: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The face of an RGB frame (H, W, 3) by its five points, (112, 112, 3); black outside the frame."""
    face = cv2.warpAffine(frame, similarity(points), (SIDE, SIDE))  # linear; black is its default
    return np.asarray(face, np.uint8)


def session(path: Path, what: str) -> Any:
    """An ONNX file on the CPU, with torch's number of threads. Raises MissingWeights when it is none."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no class but this one
        raise MissingWeights(f"{path}: not {what} ({' '.join(str(error).split())[:200]})") from None
