"""The three ways in which suites bring frames to the size of Inception; FID moves with the choice.

All take float (N, 3, H, W) in [0, 255] and a size (height, width) and give float32 (N, 3, height, width), unrounded.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor


def bilinear(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """pytorch-fid: pixel centres at halves, not antialiased, so that a reduction samples."""
    return F.interpolate(frames.float(), size=size, mode="bilinear", align_corners=False)


def tf1_bilinear(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """torch-fidelity, after TensorFlow 1: pixel k of the result lies at k times the ratio, the last ones repeat."""
    x = frames.float()
    for axis, count in ((2, size[0]), (3, size[1])):
        at = torch.arange(count, dtype=torch.float32) * (x.shape[axis] / count)
        low = at.floor().long().clamp(max=x.shape[axis] - 1)
        high = (low + 1).clamp(max=x.shape[axis] - 1)
        part = (at - low).unsqueeze(1) if axis == 2 else at - low
        a, b = x.index_select(axis, low), x.index_select(axis, high)
        x = a + (b - a) * part
    return x


def pillow_bicubic(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """clean-fid: each channel as floats through Pillow's antialiased bicubic, cut to [0, 255] and not rounded."""
    planes = frames.float().flatten(0, 1).numpy()
    shape = (size[1], size[0])
    made = [np.asarray(Image.fromarray(plane).resize(shape, Image.Resampling.BICUBIC)) for plane in planes]
    return torch.from_numpy(np.stack(made)).clamp(0, 255).unflatten(0, frames.shape[:2])
