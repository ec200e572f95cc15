"""Shard of a training batch for one process: its sample indices and their random-number generators."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dawn.seeds import step_seed, torch_generator


@dataclass(frozen=True)
class BatchShard:
    """Samples `samples` of step `step`'s batch of `batch` samples.

    Each sample has a separate generator, seeded by (seed, stage, step, sample). A step therefore draws the same data
    for any number of processes and accumulation passes, and after any interruption.
    """

    seed: int
    stage: str
    step: int
    batch: int
    samples: range
    device: torch.device | str = "cpu"
    dtype: torch.dtype = torch.float32  # of the operands of the trained networks' products

    def batch_generator(self) -> torch.Generator:
        """Create a CPU generator for quantities common to the whole batch, such as the clip length."""
        return torch_generator(step_seed(self.seed, self.stage, self.step))

    def generator(self, sample: int) -> torch.Generator:
        """Create a CPU generator of one sample of the batch; `sample` may belong to another process's shard."""
        return torch_generator(step_seed(self.seed, self.stage, self.step, sample))

    def generators(self) -> list[torch.Generator]:
        """Create CPU generators of this shard's samples, in their order."""
        return [self.generator(sample) for sample in self.samples]


def to_device(tensor: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """Copy a CPU tensor to `device`; to a GPU from page-locked memory, without waiting for the GPU's work."""
    if torch.device(device).type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def randn_per_sample(shape: tuple[int, ...], generators: list[torch.Generator]) -> torch.Tensor:
    """Draw standard normal numbers (b, *shape) on the CPU, row i from generator i."""
    return torch.stack([torch.randn(shape, generator=generator) for generator in generators])
