"""Losses of a training task without the training loop."""

from __future__ import annotations

from torch import Tensor

from dawn.training.batch_shard import BatchShard
from dawn.training.task import Task


def losses_of(task: Task, shard: BatchShard, group: int = 0) -> dict[str, Tensor]:
    """Losses of a group of networks for the batch of a shard."""
    return task.loss(task.sampler(shard), shard, group)
