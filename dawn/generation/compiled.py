"""Compilation of a whole pass of the denoiser, for videos of similar lengths at once.

A compiled pass has one length. Videos are padded to the next of few lengths; frames of padding change no other frame
(:meth:`dawn.models.unet3d.UNet3D.prepare`).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

import torch
from torch import Tensor

from dawn.media.files import user_cache
from dawn.models.unet3d import UNet3D

LENGTHS = 64  # compiled lengths of one network, more than there are below the longest video


@functools.lru_cache(maxsize=1)
def compiled(unet: UNet3D) -> Callable[..., Tensor]:
    """Return the pass of a denoiser, compiled for each new length when it is first called.

    Compiled code is kept on disk, in a folder ``dawn/compiled`` of the user's cache, for later processes.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(user_cache() / "dawn/compiled"))
    torch._dynamo.config.recompile_limit = max(LENGTHS, torch._dynamo.config.recompile_limit)
    return torch.compile(unet.forward, fullgraph=True, dynamic=False)


def padded_frames(frames: int) -> int:
    """Return the length to which a video is padded: at most an eighth longer, but for the shortest."""
    step = max(8, 2 ** (frames.bit_length() - 4))
    return -(-frames // step) * step
