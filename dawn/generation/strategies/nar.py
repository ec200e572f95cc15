"""Non-autoregressive generation, DAWN's strategy: the motion of all frames in one sampling pass (paper 3.6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dawn.methods import Method

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from dawn.generation.driving import Driving, Source
    from dawn.generation.networks import Networks

METHOD = Method("dawn", "DAWN")


def generate(
    nets: Networks, source: Source, driving: Driving, generator: torch.Generator
) -> Iterator[NDArray[np.uint8]]:
    """Sample all motion, then decode frame by frame."""
    from dawn.generation.motion import decode, sample_motion

    yield from decode(nets, source, sample_motion(nets, source, driving, generator))
