"""Weights and inputs of the golden vectors in ``tests/golden``, rebuilt from their published description.

Every floating tensor of a network is drawn from a generator seeded by the CRC-32 of its key, so a network is filled
without any file. Inputs come from NumPy's default generator with seed 0, drawn in the order written below.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Array = NDArray[np.float32]
Module = TypeVar("Module", bound=nn.Module)

FOLDER = Path(__file__).resolve().parents[1] / "golden"
SPEECH, POSE, EYE = 1024, 6, 2
CONSTRUCTED = ("freqs", "pe")  # tables that a network makes itself
AROUND_ONE = ("gamma", "g", "q_scale", "k_scale")


# ------------------------------------------------------------------------------------------------------------- weights
def weight(key: str, shape: Iterable[int]) -> Array | None:
    """Values of one state-dict entry; None for those that keep what the network constructed."""
    shape, name = tuple(shape), key.rpartition(".")[2]
    if name in CONSTRUCTED or key.endswith("down.weight"):
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


def fill(network: Module) -> Module:
    """Set every floating tensor of `network` and return it, ready to evaluate."""
    state = network.state_dict()
    drawn = {key: weight(key, value.shape) for key, value in state.items() if value.is_floating_point()}
    made = {key: torch.from_numpy(values) for key, values in drawn.items() if values is not None}
    network.load_state_dict({**state, **made})
    return network.eval()


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


def error(got: Tensor, want: NDArray[Any]) -> float:
    """Largest difference relative to the spread of the golden numbers, as their tolerances are stated."""
    assert tuple(got.shape) == want.shape
    difference = np.abs(got.detach().numpy().astype(np.float64) - want).max()
    return float(difference / max(1e-3, want.std() + abs(want.mean())))
