"""Split of the computation within a memory limit. The video stays the same up to rounding."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dawn.config import Config
from dawn.devices import peak_memory
from dawn.errors import InputError
from dawn.models.build import latent_side
from dawn.models.frame_chunks import default_activations
from dawn.models.unet3d import UNet3D

UNITS = {"MiB": 2**20, "GiB": 2**30, "MB": 10**6, "GB": 10**9}
FLOAT = 4  # bytes
SPARE = 1.1  # factor on the feature maps, for conditions, rotary tables and the sampler's data of each frame
LIBRARIES = 2**27  # bytes that libraries allocate for themselves when first used
CPU_BATCH, GPU_BATCH = 4, 64  # frames decoded at once
AT_ONCE = 8  # elements allocated for each that a chunk computes: lower levels have more channels, libraries copy


@dataclass(frozen=True)
class MemoryPlan:
    """Sizes of the parts that are computed at once, and the estimated peak."""

    activations: int  # elements of activations that the denoiser computes at once
    batch: int  # frames decoded at once
    peak: int | None  # bytes of the process (or of the GPU) at most, estimated; None without a limit


def plan(config: Config, unet: UNet3D, frames: int, device: torch.device) -> MemoryPlan:
    """Compute the fastest split of the work on `frames` frames within ``generate.max_memory``.

    Raises InputError with the smallest sufficient limit when the feature maps of all frames and the work on one frame
    exceed it.
    """
    side, image = latent_side(config), config.corpus.resolution
    smallest = unet.smallest_chunk(frames, side)
    activations = max(default_activations(device), smallest)
    decoded = FLOAT * 6 * config.lfg.model.expansion * image**2
    batch = config.generate.batch_frames or _default_batch(device, decoded)
    if config.generate.max_memory is None:
        return MemoryPlan(activations, batch, None)
    limit = size(config.generate.max_memory)
    base = memory_in_use(device) + LIBRARIES
    maps = int(base + FLOAT * SPARE * unet.resident_elements(frames, side))
    motion = int(base + FLOAT * SPARE * 3 * side**2 * frames)
    least = max(maps + AT_ONCE * FLOAT * smallest, motion + 2 * decoded)
    if limit < least:
        raise InputError(
            f"--max-memory {config.generate.max_memory}: {frames} frames need at least {-(-least // 2**20)} MiB; "
            "allow that, or give shorter speech"
        )
    activations = min(activations, (limit - maps) // (AT_ONCE * FLOAT))
    batch = min(batch, (limit - motion) // decoded - 1)  # the encoded source needs as much as a frame
    return MemoryPlan(activations, batch, max(maps + AT_ONCE * FLOAT * activations, motion + (batch + 1) * decoded))


def _default_batch(device: torch.device, decoded: int) -> int:
    """Return the frames decoded at once that suit a device, of `decoded` bytes each."""
    if device.type != "cuda":
        return CPU_BATCH
    return max(1, min(GPU_BATCH, torch.cuda.get_device_properties(device).total_memory // 8 // decoded))


def size(text: str) -> int:
    """Convert a size such as ``4GiB`` or ``512 MiB``, the format of ``generate.max_memory``, to bytes."""
    unit = text.lstrip("0123456789. ")
    return int(float(text.removesuffix(unit)) * UNITS[unit])


def memory_in_use(device: torch.device) -> int:
    """Return the bytes in use before generation: the peak of the process so far, or the allocations on the GPU."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return peak_memory(torch.device("cpu"))
