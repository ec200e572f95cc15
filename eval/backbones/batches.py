"""Batched embedding of frames by an image network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from dawn.errors import InputError


def embed_frames(
    frames: NDArray[np.uint8], network: Callable[[Tensor], Tensor], dimension: int, batch: int
) -> NDArray[np.float32]:
    """Embed frames (N, H, W, 3) uint8 RGB in batches; returns (N, D) float32.

    network: (B, 3, H, W) float32 in [0, 255] -> (B, D). dimension: the expected D. Raises InputError for other frames,
    or where the network's D is not `dimension`.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise InputError(f"image networks take uint8 (N, H, W, 3), got {frames.dtype} {frames.shape}")
    embeddings = np.empty((len(frames), dimension), np.float32)
    for start in range(0, len(frames), batch):
        x = rearrange(torch.from_numpy(frames[start : start + batch]), "b h w c -> b c h w").float()
        output = network(x)
        if output.shape[1:] != (dimension,):
            raise InputError(f"the network's embeddings are {tuple(output.shape[1:])}, expected ({dimension},)")
        embeddings[start : start + len(x)] = output.numpy()
    return embeddings
