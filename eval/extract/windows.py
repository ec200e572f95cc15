"""Features of windows of consecutive frames, by a video network such as I3D."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from dawn.errors import InputError
from eval.backbones.batches import CPU
from eval.backbones.i3d import MIN_FRAMES

_DIMENSION = 400
CPU_WINDOWS, GPU_WINDOWS = 1, 8  # in one forward pass, which bounds memory


def window_features(
    frames: NDArray[np.uint8],
    net: Callable[[torch.Tensor], torch.Tensor],
    starts: Sequence[int],
    window: int,
    device: torch.device = CPU,
) -> NDArray[np.float32]:
    """Compute features (len(starts), 400) of the windows of frames (N, H, W, 3) RGB that begin at `starts`.

    net: (B, window, H, W, 3) uint8 -> (B, 400), computed on `device`, which sets B. Raises InputError for windows of
    fewer than 9 frames, the least that I3D takes, or that reach beyond the video.
    """
    if window < MIN_FRAMES:
        raise InputError(f"windows of {window} frames are too short; I3D needs {MIN_FRAMES}")
    if not len(starts):
        return np.empty((0, _DIMENSION), np.float32)
    if min(starts) < 0 or max(starts) + window > len(frames):
        raise InputError(f"windows of {window} frames from {min(starts)} to {max(starts)} are not in {len(frames)}")
    batch = CPU_WINDOWS if device.type == "cpu" else GPU_WINDOWS
    rows = []
    for first in range(0, len(starts), batch):
        clips = [frames[start : start + window] for start in starts[first : first + batch]]
        rows.append(net(torch.from_numpy(np.stack(clips))).numpy())
    return np.concatenate(rows)
