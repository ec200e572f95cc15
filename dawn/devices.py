"""Devices of networks: selection, compiler check, peak memory."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from dawn.choices import Device, MeasuringDevice
from dawn.errors import InputError


def pick(name: Device) -> torch.device:
    """Return the device `name`, with ``auto`` the fastest available one.

    Raises InputError when this machine lacks it.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
    elif not available[name]:
        usable = ", ".join(kind for kind, present in available.items() if present)
        raise InputError(f"device {name}: this machine (or its PyTorch) has none; available: {usable}")
    return torch.device(name)


def pick_measuring(name: MeasuringDevice) -> torch.device:
    """Return the device `name` of networks that measure, with ``auto`` a GPU of CUDA, else the CPU.

    Raises InputError when this machine lacks it.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return pick(name)


def device_name(device: torch.device) -> str:
    """Return the name of a device as provenance states it: the model of a GPU, else its type."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def peak_memory(device: torch.device) -> int:
    """Return the peak memory so far in bytes: allocations on a CUDA device, else resident memory of this process.

    Linux reports the peak of this process only; macOS includes that of the parent process at the fork. Raises
    InputError on a system that reports neither (Windows).
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ModuleNotFoundError:
        raise InputError(f"the peak memory of a process cannot be measured on {sys.platform}; use Linux") from None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
