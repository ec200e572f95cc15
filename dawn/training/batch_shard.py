"""A process's share of a training step: which samples of the batch, and the random numbers that go with them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch

# Random numbers that all samples of a batch have in common are drawn as if by this sample.
_COMMON = -1


def step_seed(seed: int, stage: str, step: int, sample: int = _COMMON) -> int:
    """63-bit seed of one sample of one step of one stage, or of what all samples of the step share."""
    name = f"{seed}/{stage}/{step}/{sample}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True)
class Share:
    """Samples `samples` of a batch of `batch`.

    Every sample draws from a generator of its own, so a step sees the same data however its batch is divided among
    processes and passes, and whenever it was interrupted.
    """

    seed: int
    stage: str
    step: int
    batch: int
    samples: range
    device: torch.device | str = "cpu"

    def common(self) -> torch.Generator:
        """A fresh generator for what the whole batch shares, such as a length."""
        return torch.Generator().manual_seed(step_seed(self.seed, self.stage, self.step))

    def generator(self, sample: int) -> torch.Generator:
        """A fresh generator of one sample of the batch, also of one that another process computes."""
        return torch.Generator().manual_seed(step_seed(self.seed, self.stage, self.step, sample))

    def generators(self) -> list[torch.Generator]:
        """Fresh generators of this share's samples."""
        return [self.generator(sample) for sample in self.samples]


def each_randn(shape: tuple[int, ...], generators: list[torch.Generator]) -> torch.Tensor:
    """Standard normal numbers (b, *shape) on the CPU, row i from generator i."""
    return torch.stack([torch.randn(shape, generator=generator) for generator in generators])
