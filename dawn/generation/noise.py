"""Random numbers of the sampler, drawn on the CPU by another thread while a GPU computes."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

AHEAD = 2  # noises that are drawn before they are needed


def draw(generators: Sequence[torch.Generator], shape: Sequence[int]) -> Tensor:
    """Draw a standard normal tensor of `shape` (b, ...), each of its b videos from a generator of its own, on the CPU.

    A video has the same numbers whatever other videos are drawn with it.
    """
    return torch.cat([torch.randn((1, *shape[1:]), generator=generator) for generator in generators])


@contextlib.contextmanager
def drawn_ahead(
    generators: Sequence[torch.Generator], shape: tuple[int, ...], count: int
) -> Iterator[Iterator[Tensor]]:
    """Draw `count` standard normal tensors of `shape` (b, ...): the numbers that :func:`draw` gives one by one.

    In the context the generators belong to the other thread. Tensors are page-locked, for copies to a GPU.
    """

    def drawn() -> Tensor:
        noise = draw(generators, shape)
        return noise.pin_memory() if torch.cuda.is_available() else noise

    def noises() -> Iterator[Tensor]:
        pending = deque(pool.submit(drawn) for _ in range(min(AHEAD, count)))
        for index in range(count):
            noise = pending.popleft().result()
            if index + AHEAD < count:
                pending.append(pool.submit(drawn))
            yield noise

    with ThreadPoolExecutor(1) as pool:
        yield noises()
