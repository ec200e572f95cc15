"""How much is worked on at once, so that a limit on memory is kept. The video is the same, to rounding."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass

import torch

from dawn.config import Config
from dawn.errors import InputError
from dawn.models.frame_chunks import fitting
from dawn.models.unet3d import UNet3D

UNITS = {"MiB": 2**20, "GiB": 2**30, "MB": 10**6, "GB": 10**9}
FLOAT = 4  # bytes
SPARE = 1.1  # of the maps held, for what each frame needs besides: conditions, rotations, the sampler's data
LIBRARIES = 2**27  # bytes that they take for themselves when first used
AT_ONCE = 8  # numbers alive for each that a run is said to make: lower levels make more of a pixel, libraries copy


@dataclass(frozen=True)
class Plan:
    """What keeps to a limit."""

    working: int  # numbers that the denoiser makes at once
    batch: int  # frames decoded at once
    peak: int  # bytes of the process (or of the GPU) at most, estimated


def plan(config: Config, unet: UNet3D, frames: int, device: torch.device) -> Plan:
    """The largest work that is of use within ``generate.max_memory``.

    Raises InputError, naming the least that would do, when the maps of `frames` frames and the work on one do not fit.
    """
    side, image = config.latent_side, config.corpus.resolution
    base = _occupied(device) + LIBRARIES
    maps = int(base + FLOAT * SPARE * unet.held(frames, side))
    motion = int(base + FLOAT * SPARE * 3 * side**2 * frames)
    smallest = unet.smallest_run(frames, side)
    decoded = FLOAT * 6 * config.lfg.model.expansion * image**2
    limit = None if config.generate.max_memory is None else size(config.generate.max_memory)
    working, batch = max(fitting(device), smallest), config.generate.batch_frames
    if limit is not None:
        least = max(maps + AT_ONCE * FLOAT * smallest, motion + 2 * decoded)
        if limit < least:
            raise InputError(
                f"--max-memory {config.generate.max_memory}: {frames} frames need at least {-(-least // 2**20)} MiB; "
                "allow that, or give shorter speech"
            )
        working = min(working, (limit - maps) // (AT_ONCE * FLOAT))
        batch = min(batch, (limit - motion) // decoded - 1)  # the encoded source takes the place of a frame
    return Plan(working, batch, max(maps + AT_ONCE * FLOAT * working, motion + (batch + 1) * decoded))


def size(text: str) -> int:
    """Bytes of a size such as ``4GiB`` or ``512 MiB``, as ``generate.max_memory`` is written."""
    unit = text.lstrip("0123456789. ")
    return int(float(text.removesuffix(unit)) * UNITS[unit])


def _occupied(device: torch.device) -> int:
    """Bytes taken before the work begins: the process' peak so far, or what is held on the GPU."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
