"""Pose and landmarks by 3DDFA_V2 (Guo et al. 2020), the tool of the paper (3.3).

A MobileNet of half width maps a crop of the head, 120 x 120 pixels, to 62 parameters of a face model, of which the
first 12 are the camera, and, by a second output layer, to 68 landmarks.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dawn.devices import pick_measuring
from dawn.errors import InputError
from dawn.features.boxes import face_box
from dawn.media import array_pickles
from dawn.precision import precise_products
from dawn.weights import verified

WEIGHTS, STATISTICS = "3ddfa_v2/mb05_120x120", "3ddfa_v2/param_mean_std"  # entries of dawn/weights.yaml
SIDE = 120  # pixels
# Name, channels in and out, stride of the depthwise separable blocks: MobileNet (Howard et al. 2017) at width 0.5.
_BLOCKS = (
    ("dw2_1", 16, 32, 1),
    ("dw2_2", 32, 64, 2),
    ("dw3_1", 64, 64, 1),
    ("dw3_2", 64, 128, 2),
    ("dw4_1", 128, 128, 1),
    ("dw4_2", 128, 256, 2),
    *((f"dw5_{k}", 256, 256, 1) for k in range(1, 6)),
    ("dw5_6", 256, 512, 2),
    ("dw6", 512, 512, 1),
)
_MAX_SINE = 0.998  # of yaw: beyond it, roll and pitch rotate about the same axis (published)


class Separable(nn.Module):
    """Depthwise convolution followed by a pointwise one; names are those of the published weights."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
        self.bn_dw = nn.BatchNorm2d(channels)
        self.conv_sep = nn.Conv2d(channels, out, 1, bias=False)
        self.bn_sep = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, channels, h, w) to (n, out, h / stride, w / stride), rounded up, non-negative."""
        x = torch.relu(self.bn_dw(self.conv_dw(x)))
        return torch.relu(self.bn_sep(self.conv_sep(x)))


class Regressor(nn.Module):
    """Regressor from BGR crops (n, 3, 120, 120) to parameters (n, 62) and landmarks (n, 2, 68).

    Pixels are (value - 127.5) / 128. Parameters are standardised: 12 of the camera, 40 of shape, 10 of expression.
    Landmarks are in half crop sides from the centre of the crop, x to the right, y down.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        for name, channels, out, stride in _BLOCKS:
            self.add_module(name, Separable(channels, out, stride))
        self.fc_param = nn.Linear(512, 62)
        self.fc_lm = nn.Linear(512, 136)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Regress parameters (n, 62) and landmarks (n, 2, 68) from crops (n, 3, 120, 120)."""
        x = torch.relu(self.bn1(self.conv1(x)))
        for name, *_ in _BLOCKS:
            x = self.get_submodule(name)(x)
        x = x.mean((2, 3))
        return self.fc_param(x), self.fc_lm(x).unflatten(1, (2, 68))


class Tddfa:
    """Published network, on `device`, with the statistics of its parameters.

    Raises MissingWeights when a file is absent or has another hash.
    """

    def __init__(self, device: torch.device) -> None:
        network = verified(WEIGHTS, pinned=True).path
        statistics = read_statistics(verified(STATISTICS, pinned=True).path)
        self._mean, self._std = statistics["mean"], statistics["std"]
        state = torch.load(network, map_location="cpu", weights_only=True)["state_dict"]
        self._device = device
        self._net = Regressor().eval()
        self._net.load_state_dict({key.removeprefix("module."): value for key, value in state.items()})
        self._net.to(device)

    def measure(
        self, frames: Sequence[NDArray[np.uint8]], landmarks: Sequence[NDArray[np.float32]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Compute landmarks (n, 68, 2), pixels, and :func:`camera_pose` (n, 6) of a face in each of n RGB frames.

        Frames are (H, W, 3); `landmarks` (68, 2) of each, which may be approximate, locate the face. All frames are one
        batch.
        """
        squares = [head_square(points) for points in landmarks]
        crops = np.stack([head_crop(frame, *square) for frame, square in zip(frames, squares, strict=True)])
        pixels = (torch.from_numpy(crops).to(self._device).flip(-1).permute(0, 3, 1, 2).float() - 127.5) / 128
        with torch.inference_mode(), precise_products("exact"):
            parameters, points = self._net(pixels)
        cameras = (parameters.numpy(force=True) * self._std + self._mean)[:, :12].reshape(-1, 3, 4)
        left_top_side = np.asarray(squares, np.float32)[:, None]
        found = left_top_side[..., :2] + (points.mT.numpy(force=True) + 1) * (left_top_side[..., 2:] / 2)
        return found, np.stack([camera_pose(camera) for camera in cameras])


@functools.lru_cache(maxsize=1)
def load() -> Tddfa:
    """Load the network, once per process, on a GPU of CUDA if there is one."""
    return Tddfa(pick_measuring("auto"))


def head_square(landmarks: NDArray[np.float32]) -> tuple[int, int, int]:
    """Compute left, top and side, pixels, of 3DDFA_V2's crop around landmarks (68, 2) of the previous frame.

    Its half side is the half diagonal of the square around them; it may extend beyond the frame.
    """
    x0, y0, x1, y1 = face_box(landmarks).tolist()
    half = max(x1 - x0, y1 - y0) / 2 * 2**0.5
    return round((x0 + x1) / 2 - half), round((y0 + y1) / 2 - half), max(1, round(2 * half))


def camera_pose(camera: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert a camera (3, 4), which maps the face model to pixels of the crop with y up, to the paper's pose (6,).

    Yaw, pitch, roll in degrees, scale (crop pixels per unit of the face model, about 5e-4), tx, ty in pixels of the
    crop from its bottom left corner, as published; the signs are those of :mod:`dawn.features.pose`.
    """
    first, second = camera[0, :3].astype(np.float64), camera[1, :3].astype(np.float64)
    lengths = np.linalg.norm(first), np.linalg.norm(second)
    first, second = first / lengths[0], second / lengths[1]
    third = np.cross(first, second)
    sine = float(np.clip(third[0], -1, 1))
    yaw = np.arcsin(sine)
    if abs(sine) <= _MAX_SINE:
        pitch, roll = np.arctan2(third[1], third[2]), np.arctan2(second[0], first[0])
    else:
        sign = np.sign(sine)
        yaw, pitch, roll = sign * np.pi / 2, np.arctan2(-sign * first[1], -sign * first[2]), 0.0
    angles = np.degrees([yaw, pitch, roll])
    return np.array([*angles, sum(lengths) / 2, camera[0, 3], camera[1, 3]], np.float32)


def head_crop(frame: NDArray[np.uint8], left: int, top: int, side: int) -> NDArray[np.uint8]:
    """Crop a square of a frame (H, W, 3), black outside the frame, and resize it to (120, 120, 3)."""
    height, width = frame.shape[:2]
    square = np.zeros((side, side, 3), np.uint8)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
    if x0 < x1 and y0 < y1:
        square[y0 - top : y1 - top, x0 - left : x1 - left] = frame[y0:y1, x0:x1]
    return cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def read_statistics(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read "mean" and "std" (62,) of the parameters. Raises InputError for a file with other contents."""
    try:
        with open(path, "rb") as stream:
            content = array_pickles.load(stream)
        statistics = {name: np.asarray(content[name], np.float32) for name in ("mean", "std")}
    except (OSError, pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no statistics of 3DDFA_V2 ({error}); use an intact copy") from None
    if any(value.shape != (62,) for value in statistics.values()):
        raise InputError(f"{path}: no statistics of 3DDFA_V2 (not 62 numbers each); use an intact copy")
    return statistics
