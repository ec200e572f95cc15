"""Weights and inputs of the golden vectors in ``tests/golden``, rebuilt from their published description.

Every floating tensor of a network is drawn from a generator seeded by the CRC-32 of its key, so a network is filled
without any file. Inputs come from NumPy's default generator with seed 0, drawn in the order written below.
"""

from __future__ import annotations

import contextlib
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float32]
Module = TypeVar("Module", bound=nn.Module)

FOLDER = Path(__file__).resolve().parents[1] / "golden"
SPEECH, POSE, EYE = 1024, 6, 2
CONSTRUCTED = ("freqs", "pe")  # tables that a network computes itself
AROUND_ONE = ("gamma", "g", "q_scale", "k_scale")


# ------------------------------------------------------------------------------------------------------------- weights
def weight(key: str, shape: Iterable[int]) -> Array | None:
    """Values of one state-dict entry; None for those that keep what the network constructed."""
    shape, name = tuple(shape), key.rpartition(".")[2]
    if is_constructed(key):
        return None
    draw = np.random.default_rng(zlib.crc32(key.encode("utf-8"))).standard_normal(shape)
    match name:
        case "running_var":
            values = 1 + np.abs(draw) / 10
        case _ if name in AROUND_ONE or (name == "weight" and len(shape) < 2):
            values = 1 + draw / 10
        case _ if len(shape) > 1:
            values = draw / math.sqrt(math.prod(shape[1:]))
        case _:
            values = draw / 10
    if key.endswith("regions.weight"):
        values = 3 * values  # heat maps of smaller weights are flat, and the axes of flat ones undefined
    return np.asarray(values, np.float32)


def is_constructed(key: str) -> bool:
    """Whether a state-dict entry keeps what the network constructed."""
    return key.rpartition(".")[2] in CONSTRUCTED or key.endswith("down.weight")


def fill(network: Module) -> Module:
    """Set every floating tensor of `network` and return it in evaluation mode, without gradients."""
    state = network.state_dict()
    drawn = {key: weight(key, value.shape) for key, value in state.items() if value.is_floating_point()}
    filled = {key: torch.from_numpy(values) for key, values in drawn.items() if values is not None}
    network.load_state_dict({**state, **filled})
    return network.eval().requires_grad_(False)


def fill_from(network: Module, filled: nn.Module) -> Module:
    """:func:`fill` without drawing: from a network of the same keys, of any precision, that is filled already."""
    drawn = {key: v for key, v in filled.state_dict().items() if v.is_floating_point() and not is_constructed(key)}
    network.load_state_dict({**network.state_dict(), **drawn})
    return network.eval().requires_grad_(False)


# -------------------------------------------------------------------------------------------------------------- inputs
def lfg_inputs(side: int = 128, n: int = 2) -> dict[str, Array]:
    """Source and driving (n, 3, side, side) in [0, 1], a flow (n, q, q, 2) and an occlusion (n, 1, q, q)."""
    rng = np.random.default_rng(0)

    def blocks(per_side: int) -> NDArray[np.float64]:
        values = rng.random((n, 3, per_side, per_side))
        return values.repeat(side // per_side, axis=2).repeat(side // per_side, axis=3)

    def image() -> Array:
        coarse, fine = blocks(4), blocks(side // 8)
        return (0.6 * coarse + 0.3 * fine + 0.1 * rng.random((n, 3, side, side))).astype(np.float32)

    source, driving = image(), image()
    q = side // 4
    line = np.linspace(-1, 1, q)
    still = np.stack(np.meshgrid(line, line), axis=-1)
    flow = still + 0.2 * rng.standard_normal((n, q, q, 2))
    occlusion = rng.random((n, 1, q, q))
    return {
        "source": source,
        "driving": driving,
        "flow": flow.astype(np.float32),
        "occlusion": occlusion.astype(np.float32),
    }


def unet_inputs(frames: int) -> dict[str, Array]:
    """Noisy x (1, 3, frames, 32, 32), fea (1, 256, 32, 32), mask (1, 16, 32, 32) and cond (1, frames, 1032)."""
    rng = np.random.default_rng(0)

    def normal(scale: float, *shape: int) -> NDArray[np.float64]:
        return scale * rng.standard_normal((1, *shape))

    x, fea, mask = normal(1, 3, frames, 32, 32), np.abs(normal(0.5, 256, 32, 32)), np.abs(normal(0.3, 16, 32, 32))
    cond = np.concatenate([normal(s, frames, width) for s, width in ((0.3, SPEECH), (2, POSE), (0.1, EYE))], axis=-1)
    return {name: v.astype(np.float32) for name, v in (("x", x), ("fea", fea), ("mask", mask), ("cond", cond))}


def ddim_noise(frames: int, steps: int) -> tuple[Array, list[Array]]:
    """Noise that sampling starts from (1, 3, frames, 32, 32), and what each step but the last adds."""
    rng = np.random.default_rng(1)
    drawn = [rng.standard_normal((1, 3, frames, 32, 32)).astype(np.float32) for _ in range(steps)]
    return drawn[0], drawn[1:]


def pbnet_inputs(frames: int, width: int) -> dict[str, Array]:
    """Motion x (1, frames, width), audio (1, frames, 1024) and latent code z (frames, 1, 256)."""
    rng = np.random.default_rng(0)
    x = 0.5 + 0.05 * rng.standard_normal((1, frames, width))
    audio = 0.3 * rng.standard_normal((1, frames, SPEECH))
    z = rng.standard_normal((frames, 1, 256))
    return {name: value.astype(np.float32) for name, value in (("x", x), ("audio", audio), ("z", z))}


# The face of the mask's golden vectors: x from 100 to 300 of 400, y from 80 to 330 of 420.
FACE_BOX = (100 / 400, 80 / 420, 300 / 400, 330 / 420)


# ------------------------------------------------------------------------------------------------------------ key maps
def shapes(network: str) -> dict[str, tuple[int, ...]]:
    """Published state-dict keys of `network`, in their order, with shapes."""
    maps = json.loads((FOLDER / "keys.json").read_text(encoding="utf-8"))
    return {key: tuple(shape) for key, shape in maps[network].items()}


# ---------------------------------------------------------------------------------------------------------- comparison
class Bound(NamedTuple):
    """Allowed differences from recorded numbers, relative to their spread."""

    rounding: float  # root mean square in float64: rounding of the recorded float32 numbers, equal on any processor
    kernels: float  # maximum in float32: three times what the recording processor needs, for kernels of others


# About twice the rounding of the recorded numbers. A normalisation with eps 1e-6 for 1e-5 or GELU by tanh exceeds it.
UNET = Bound(1.5e-6, 4.5e-5)
TIME = Bound(1e-5, 4.5e-5)  # angles up to 904 radians, recorded with a rounding of 3e-5 radians
FACE_MASK = Bound(1.5e-7, 6e-6)
SAMPLES = Bound(1.5e-6, 1.8e-4)
PBNET = Bound(1e-6, 3e-5)
REDUCTION = Bound(4e-7, 3e-6)
REGIONS = Bound(3e-6, 6e-4)
FLOW = Bound(2.5e-7, 9e-5)
GENERATOR = Bound(1e-6, 1.5e-4)
END_TO_END = Bound(8e-6, 1.5e-3)


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Networks, tables and inputs constructed inside have the floating type `dtype`."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def tensors(arrays: Mapping[str, Array]) -> dict[str, Tensor]:
    """Arrays as tensors of the default floating type."""
    return {name: torch.from_numpy(value).to(torch.get_default_dtype()) for name, value in arrays.items()}


def check(computed: Tensor, recorded: NDArray[Any], bound: Bound) -> None:
    """Compare with recorded float32 numbers: by root mean square in float64, by the largest difference in float32."""
    assert tuple(computed.shape) == recorded.shape
    difference = np.abs(computed.detach().numpy().astype(np.float64) - recorded)
    spread = max(1e-3, recorded.std() + abs(recorded.mean()))
    if computed.dtype == torch.float64:
        assert np.sqrt(np.square(difference).mean()) / spread <= bound.rounding
    else:
        assert difference.max() / spread <= bound.kernels
