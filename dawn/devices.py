"""Where networks run."""

from __future__ import annotations

import os
import shutil

import torch

from dawn.choices import Device
from dawn.errors import InputError


def pick(name: Device) -> torch.device:
    """The device named, or with ``auto`` the fastest there is. Raises InputError when this machine lacks it."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    elif not there[name]:
        able = ", ".join(kind for kind, here in there.items() if here)
        raise InputError(f"device {name}: this machine (or its PyTorch) has none; available: {able}")
    return torch.device(name)


def check_compiler(device: torch.device) -> None:
    """Raise InputError when networks cannot be compiled for `device`: a CPU needs a C++ compiler."""
    name = os.environ.get("CXX", "g++")
    if device.type == "cpu" and shutil.which(name) is None:
        raise InputError(f"compile: no C++ compiler ({name} is not installed; CXX names another); leave it off")
