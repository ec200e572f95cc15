"""Interface of a training stage: what the training loop needs to know of its networks, batches and losses."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor, nn

from dawn.training.batch_shard import BatchShard
from dawn.training.loader import Sampler


class Task(Protocol):
    """Networks and losses of a stage. The loop minimises the sum of the losses.

    `networks` are trained and saved; `frozen` networks are only moved to the device. `groups` names the networks of
    each optimiser. Each step calls `loss` for each group in order, with zeroed gradients, and updates the group before
    the next: a discriminator group trains on the samples that the generator group of the same step computed.
    """

    networks: dict[str, nn.Module]
    frozen: dict[str, nn.Module]
    groups: tuple[tuple[str, ...], ...]
    adversarial: frozenset[str]  # losses that a discriminator of the task computes

    @property
    def sampler(self) -> Sampler:
        """Sampler of the batches, without the networks: worker processes have copies of it."""
        ...

    def loss(self, batch: Any, shard: BatchShard, group: int) -> dict[str, Tensor]:
        """Compute the weighted scalar losses by name, each a mean over the samples of `shard`, whose batch is given.

        All random numbers but those of dropout are part of the batch.
        """
        ...
