"""One process's shard of a training batch: its sample indices and their random-number generators."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dawn.seeds import step_seed, torch_generator


@dataclass(frozen=True)
class BatchShard:
    """Samples `samples` of step `step`'s batch of `batch` samples.

    Each sample has its own generator, seeded by (seed, stage, step, sample). A step therefore draws the same data for
    any number of processes and accumulation passes, and after any interruption.
    """

    seed: int
    stage: str
    step: int
    batch: int
    samples: range
    device: torch.device | str = "cpu"

    def batch_generator(self) -> torch.Generator:
        """A new CPU generator for quantities common to the whole batch, such as the clip length."""
        return torch_generator(step_seed(self.seed, self.stage, self.step))

    def generator(self, sample: int) -> torch.Generator:
        """A new CPU generator of one sample of the batch; `sample` may belong to another process's shard."""
        return torch_generator(step_seed(self.seed, self.stage, self.step, sample))

    def generators(self) -> list[torch.Generator]:
        """New CPU generators of this shard's samples, in their order."""
        return [self.generator(sample) for sample in self.samples]


def randn_per_sample(shape: tuple[int, ...], generators: list[torch.Generator]) -> torch.Tensor:
    """Standard normal numbers (b, *shape) on the CPU; row i is drawn from generator i."""
    return torch.stack([torch.randn(shape, generator=generator) for generator in generators])
