"""Readers of published weights: state dicts, read without executing code, and TorchScript files with a known hash."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dawn.weights import MissingWeights


def read_state(path: Path, expected: str) -> dict[str, Tensor]:
    """Read the state dict of a file written by ``torch.save``.

    Raises MissingWeights naming `expected` for any other file.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise MissingWeights(f"{path}: not the weights of {expected} ({reason})") from None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise MissingWeights(f"{path}: not the weights of {expected} (no state dict)")
    return dict(state)


def load_state(net: nn.Module, state: Mapping[str, Tensor], path: Path, expected: str) -> None:
    """Load `state`, read from `path`, into `net`; ``num_batches_tracked``, which old files lack, may be absent.

    Raises MissingWeights naming `expected` for missing or unexpected keys and for other shapes.
    """
    try:
        missing, unexpected = net.load_state_dict(dict(state), strict=False)
    except RuntimeError as error:
        raise MissingWeights(f"{path}: not the weights of {expected} ({' '.join(str(error).split())[:200]})") from None
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        keys = ", ".join([*missing, *unexpected][:3])
        raise MissingWeights(
            f"{path}: not the weights of {expected} ({len(missing)} keys missing, {len(unexpected)} unexpected: {keys})"
        )


def read_script(path: Path, sha256: str, expected: str, device: torch.device) -> Any:
    """Load a TorchScript module on `device`, in evaluation mode.

    Such a file can contain code: MissingWeights is raised before any of it is executed unless the file's hash is
    `sha256`. Raises MissingWeights naming `expected` for another file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MissingWeights(f"{path}: cannot be read ({error.strerror})") from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise MissingWeights(f"{path} has sha256 {digest}, expected {sha256}; refused, since it can contain code")
    try:
        return torch.jit.load(io.BytesIO(content), map_location=device).eval()
    except RuntimeError as error:
        raise MissingWeights(f"{path}: not {expected} ({str(error).partition(chr(10))[0]})") from None
