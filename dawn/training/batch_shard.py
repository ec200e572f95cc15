"""Shard of a training batch for one process: its sample indices and their random-number generators."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.data import default_collate

from dawn.seeds import step_seed, torch_generator

Batch = TypeVar("Batch", bound=tuple[Any, ...])  # a NamedTuple


@dataclass(frozen=True)
class BatchShard:
    """Samples `samples` of step `step`'s batch of `batch` samples.

    Each sample has a separate generator, seeded by (seed, stage, step, sample). A step therefore draws the same data
    for any number of processes, loader workers and accumulation passes, and after any interruption.
    """

    seed: int
    stage: str
    step: int
    batch: int
    samples: range
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


def collate(samples: Iterable[Batch]) -> Batch:
    """Stack the tensors of samples, each without its first dimension, to those of a batch; tuples are concatenated.

    In a process that loads batches, tensors are stacked in the memory that it shares with the training.
    """
    drawn = list(samples)
    fields: Any = zip(*drawn, strict=True)
    named: Any = type(drawn[0])
    result: Batch = named(*(default_collate(f) if isinstance(f[0], Tensor) else sum(f, ()) for f in fields))
    return result


def part_of(batch: Batch, samples: slice) -> Batch:
    """Return some of a batch's samples."""
    fields: Any = batch
    named: Any = type(batch)
    result: Batch = named(*(field[samples] for field in fields))
    return result


def moved(batch: Batch, device: torch.device) -> Batch:
    """Copy the tensors of a batch to `device`: from page-locked memory, without waiting for a GPU's work."""
    fields: Any = batch
    named: Any = type(batch)
    result: Batch = named(*(f.to(device, non_blocking=True) if isinstance(f, Tensor) else f for f in fields))
    return result
