"""ArcFace (Deng et al. 2019): identity embeddings of faces, 512-dimensional, for CSIM.

Networks and weights: insightface's ``buffalo_l`` in ONNX (``arcface-w600k-r50`` and the detector ``scrfd-10g``), for
non-commercial research only. A face is aligned to 112 x 112 pixels by five points, which come either from SCRFD with
its input fixed at 640 pixels, or from 68-point landmarks. Frames are processed independently.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import torch
from einops import rearrange
from numpy.typing import NDArray

from dawn.errors import InputError
from dawn.weights import MissingWeights
from eval.backbones.batches import CPU, images_of
from eval.backbones.cards import BackboneCard

SIDE = 112
DETECT_SIDE = 640
DETECT_SCORE, DETECT_OVERLAP = 0.5, 0.4  # insightface's defaults
# Eyes, tip of the nose and mouth corners in the aligned 112 x 112 training images (x, y in pixels).
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
_RIGHT_EYE, _LEFT_EYE = slice(36, 42), slice(42, 48)  # 68-point numbering; the person's right eye is at image left
_NOSE, _MOUTH_CORNERS = 30, (48, 54)


class ArcFace:
    """Face recognition network that embeds faces at given landmarks.

    Called with frames (N, H, W, 3) uint8 RGB and landmarks (N, 68, 2) in pixels; returns (N, 512) float32, not
    normalised, NaN where landmarks are not finite. Raises MissingWeights for a model with another interface, InputError
    for other shapes.
    """

    def __init__(self, path: Path, device: torch.device = CPU) -> None:
        self._batch = images_of(device)
        self._session = session(path, "an ArcFace network", device)
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
        """Embed the face at five points in each frame.

        frames: (N, H, W, 3) uint8 RGB. points: (N, 5, 2) in pixels, pixel centres at integers. Returns (N, D) float32,
        not normalised, NaN where points are not finite. Raises InputError for other shapes.
        """
        if frames.ndim != 4 or frames.dtype != np.uint8 or points.shape != (len(frames), 5, 2):
            raise InputError(
                f"faces need uint8 (N, H, W, 3) frames and (N, 5, 2) points, got {frames.shape}, {points.shape}"
            )
        embeddings = np.full((len(frames), self.dimension), np.nan, np.float32)
        finite = np.flatnonzero(np.isfinite(points).all(axis=(1, 2)))
        fixed = isinstance(self._input.shape[0], int)  # networks exported with a fixed batch size
        batch = self._input.shape[0] if fixed else self._batch
        for start in range(0, len(finite), batch):
            rows = finite[start : start + batch]
            faces = np.stack([align(frames[k], points[k]) for k in rows])
            x = rearrange((faces.astype(np.float32) - 127.5) / 127.5, "n h w c -> n c h w")
            if fixed and len(x) < batch:
                x = np.concatenate([x, np.zeros((batch - len(x), *x.shape[1:]), np.float32)])
            (output,) = self._session.run(None, {self._input.name: np.ascontiguousarray(x)})
            embeddings[rows] = output[: len(rows)]
        return embeddings


class DetectedArcFace:
    """Face recognition network with a face detector.

    Called with frames (N, H, W, 3) uint8 RGB; returns (N, 512) float32 embeddings of the largest face in each frame,
    NaN for frames without a face.
    """

    def __init__(self, network: ArcFace, detector: Detector) -> None:
        self._network, self._detector = network, detector

    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        if not len(frames):
            return np.empty((0, self._network.dimension), np.float32)
        return self._network.embed(frames, np.stack([self._detector(frame) for frame in frames]))


class Detector:
    """SCRFD face detector (Guo et al. 2021).

    Called with a frame (H, W, 3) uint8 RGB; returns the five points (5, 2) of the largest face in pixels, NaN without a
    face. Raises MissingWeights for a model with another interface.
    """

    def __init__(self, path: Path, device: torch.device = CPU) -> None:
        from insightface.model_zoo.scrfd import SCRFD

        self._net: Any = SCRFD(
            str(path), session=session(path, "an SCRFD detector", device), static_shape_sessions=False
        )
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


def build(card: BackboneCard, device: torch.device) -> ArcFace | DetectedArcFace:
    """Load the network of `card` on `device`, with a face detector if the card has one. Raises MissingWeights."""
    files = card.files()
    network = ArcFace(files["arcface-w600k-r50"].path, device)
    return DetectedArcFace(network, Detector(files["scrfd-10g"].path, device)) if "scrfd-10g" in files else network


def five_points(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """Compute the alignment points (..., 5, 2), eyes, nose and mouth corners, from landmarks (..., 68, 2) in pixels.

    An eye is the mean of its six landmarks. Landmarks (:mod:`dawn.features.landmarks`) have pixel centres at
    half-integers, ArcFace at integers: hence the shift by half a pixel.
    """
    points = [
        landmarks[..., _RIGHT_EYE, :].mean(axis=-2),
        landmarks[..., _LEFT_EYE, :].mean(axis=-2),
        landmarks[..., _NOSE, :],
        landmarks[..., _MOUTH_CORNERS[0], :],
        landmarks[..., _MOUTH_CORNERS[1], :],
    ]
    return np.stack(points, axis=-2).astype(np.float64) - 0.5


def similarity_matrix(points: NDArray[np.floating], target: NDArray[np.floating] = TEMPLATE) -> NDArray[np.float64]:
    """Estimate the least-squares similarity transform (2, 3) of `points` onto `target`, both (n, 2).

    The transform consists of rotation, scale and translation, without reflection. Raises InputError where all points
    coincide.
    """
    from skimage.transform import SimilarityTransform

    transform = SimilarityTransform.from_estimate(np.asarray(points, np.float64), np.asarray(target, np.float64))
    if not transform:
        raise InputError("the five points of a face coincide; the face cannot be aligned")
    matrix: NDArray[np.float64] = transform.params[:2]
    return matrix


def align(frame: NDArray[np.uint8], points: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Warp a frame (H, W, 3) to an aligned face (112, 112, 3) by its five points (5, 2).

    Bilinear; black outside the frame. Raises InputError where all points coincide.
    """
    return np.asarray(cv2.warpAffine(frame, similarity_matrix(points), (SIDE, SIDE)), np.uint8)


def session(path: Path, expected: str, device: torch.device) -> Any:
    """Open the ONNX model at `path` on `device`, or on the CPU, with torch's number of threads.

    A GPU needs onnxruntime's CUDA provider (the package onnxruntime-gpu); products are float32 there, too.

    Raises MissingWeights naming `expected` for a file that is not an ONNX model.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.type == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": device.index or 0, "use_tf32": 0}))
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime's errors have no other common base class
        raise MissingWeights(f"{path}: not {expected} ({' '.join(str(error).split())[:200]})") from None
