"""Image resizing as three published suites apply it before Inception; the value of FID depends on the choice.

Input: frames (N, 3, H, W) in [0, 255] and a size (height, width); output: (N, 3, height, width) float32, not rounded.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor


def bilinear(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize as pytorch-fid: bilinear, pixel centres at half-integers, no antialiasing."""
    return F.interpolate(frames.float(), size=size, mode="bilinear", align_corners=False)


def tf1_bilinear(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize as torch-fidelity, after TensorFlow 1: bilinear, output pixel k at input position k * ratio, edges
    replicated."""
    x = frames.float()
    for axis, count in ((2, size[0]), (3, size[1])):
        position = torch.arange(count, dtype=torch.float32, device=x.device) * (x.shape[axis] / count)
        low = position.floor().long().clamp(max=x.shape[axis] - 1)
        high = (low + 1).clamp(max=x.shape[axis] - 1)
        weight = (position - low).unsqueeze(1) if axis == 2 else position - low
        a, b = x.index_select(axis, low), x.index_select(axis, high)
        x = a + (b - a) * weight
    return x


def pillow_bicubic(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize as clean-fid: Pillow's antialiased bicubic on each channel in float, clipped to [0, 255], not rounded."""
    planes = frames.float().flatten(0, 1).numpy(force=True)
    shape = (size[1], size[0])
    resized = [np.asarray(Image.fromarray(plane).resize(shape, Image.Resampling.BICUBIC)) for plane in planes]
    return torch.from_numpy(np.stack(resized)).to(frames.device).clamp(0, 255).unflatten(0, frames.shape[:2])
