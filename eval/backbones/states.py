"""Other people's networks: state dicts, read without running anything in them, and TorchScript, once it is trusted."""

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


def read_state(path: Path, what: str) -> dict[str, Tensor]:
    """Tensors of a file that torch saved, by name. Raises MissingWeights when `path` is no state dict of `what`."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise MissingWeights(f"{path}: not the weights of {what} ({reason})") from None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise MissingWeights(f"{path}: not the weights of {what} (no state dict)")
    return dict(state)


def fill(net: nn.Module, state: Mapping[str, Tensor], path: Path, what: str) -> None:
    """Every tensor of `net` from `state`; counters of batches, which old files lack, may be absent."""
    try:
        missing, unexpected = net.load_state_dict(dict(state), strict=False)
    except RuntimeError as error:
        raise MissingWeights(f"{path}: not the weights of {what} ({' '.join(str(error).split())[:200]})") from None
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        odd = ", ".join([*missing, *unexpected][:3])
        raise MissingWeights(f"{path}: not the weights of {what} ({len(missing) + len(unexpected)} odd, as {odd})")


def read_script(path: Path, sha256: str, what: str) -> Any:
    """A TorchScript file, which can hold code. Raises MissingWeights, before any of it runs, unless it has `sha256`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MissingWeights(f"{path}: cannot be read ({error.strerror})") from None
    got = hashlib.sha256(content).hexdigest()
    if got != sha256:
        raise MissingWeights(f"{path} has sha256 {got}, expected {sha256}; refused, since it can hold code")
    try:
        return torch.jit.load(io.BytesIO(content), map_location="cpu").eval()
    except RuntimeError as error:
        raise MissingWeights(f"{path}: not {what} ({str(error).partition(chr(10))[0]})") from None
