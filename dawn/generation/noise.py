"""Random numbers of the sampler, drawn on the CPU by another thread while a GPU computes."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

AHEAD = 2  # noises that are drawn before they are needed


@contextlib.contextmanager
def drawn_ahead(generator: torch.Generator, shape: tuple[int, ...], count: int) -> Iterator[Iterator[Tensor]]:
    """Draw `count` standard normal tensors of `shape`: the numbers that drawing them one by one gives.

    In the context the generator belongs to the other thread. Tensors are page-locked, for copies to a GPU.
    """

    def draw() -> Tensor:
        noise = torch.randn(shape, generator=generator, device=generator.device)
        return noise.pin_memory() if torch.cuda.is_available() else noise

    def noises() -> Iterator[Tensor]:
        pending = deque(pool.submit(draw) for _ in range(min(AHEAD, count)))
        for index in range(count):
            noise = pending.popleft().result()
            if index + AHEAD < count:
                pending.append(pool.submit(draw))
            yield noise

    with ThreadPoolExecutor(1) as pool:
        yield noises()
