"""Strategies: orders in which the frames of a video are generated, one module each (docs/explanation/strategies.md).

All share networks, sampler and decoder. A module defines ``METHOD``, its entry in :mod:`dawn.methods`, and
``generate``, a :class:`Generate`. It imports torch inside functions only: tables read the labels without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol, cast

from dawn.plugins import load_plugin

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from dawn.generation.driving import Driving, Source
    from dawn.generation.networks import Networks

READS = ("*.py",)


class Generate(Protocol):
    """Generator function of a strategy: frames (S, S, 3) uint8 RGB of `source`, one for each frame of `driving`.

    Frames are computed when the iterator is advanced; all noise comes from `generator`.
    """

    def __call__(
        self, nets: Networks, source: Source, driving: Driving, generator: torch.Generator
    ) -> Iterator[NDArray[np.uint8]]: ...


def load_strategy(name: str) -> Generate:
    """Load the function ``generate`` of the strategy `name`."""
    return cast(Generate, load_plugin(__name__, name, "generate"))
