"""Batched embedding of frames by an image network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from dawn.errors import InputError

CPU = torch.device("cpu")
CPU_IMAGES, GPU_IMAGES = 16, 128  # in one forward pass, which bounds memory


def images_of(device: torch.device) -> int:
    """Return the number of images that a network takes in one forward pass on `device`."""
    return CPU_IMAGES if device.type == "cpu" else GPU_IMAGES


def embed_frames(
    frames: NDArray[np.uint8], network: Callable[[Tensor], Tensor], dimension: int, device: torch.device
) -> NDArray[np.float32]:
    """Embed frames (N, H, W, 3) uint8 RGB in batches; returns (N, D) float32.

    network: (B, 3, H, W) float32 in [0, 255] on `device` -> (B, D). dimension: the expected D. Raises InputError for
    other frames, or where the network's D is not `dimension`.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise InputError(f"image networks take uint8 (N, H, W, 3), got {frames.dtype} {frames.shape}")
    embeddings = np.empty((len(frames), dimension), np.float32)
    batch = images_of(device)
    for start in range(0, len(frames), batch):
        x = torch.from_numpy(np.array(frames[start : start + batch])).to(device)  # frames of a file that is mapped
        x = rearrange(x, "b h w c -> b c h w").float()
        output = network(x)
        if output.shape[1:] != (dimension,):
            raise InputError(f"the network's embeddings are {tuple(output.shape[1:])}, expected ({dimension},)")
        embeddings[start : start + len(x)] = output.numpy(force=True)
    return embeddings
