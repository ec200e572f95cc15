"""Loading of batches, by worker processes that are some steps ahead of the training.

A batch is a function of (seed, stage, step, samples) alone: the number of workers, their order and a resumed training
change nothing.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dawn.errors import InputError
from dawn.media.files import free_space, size_text
from dawn.processes import end_with_parent
from dawn.training.batch_shard import BatchShard, moved

Sampler = Callable[[BatchShard], Any]  # draws the batch of a shard, a NamedTuple of CPU tensors; must pickle

MOST = 8  # workers of a training process that are started unasked
AHEAD = 4  # steps, at least, that all workers together are ahead
_SHARED_MEMORY = Path("/dev/shm")  # through which workers pass batches


class BatchLoader:
    """Batches of the steps `start` to `total`, on `device`.

    `shard` gives all but the step of a shard. `workers` is the number of processes that load (:func:`usable_workers`);
    with 0, each batch is loaded when it is needed. `processes` trainings share the memory of this machine. ``waited``
    counts the seconds that iteration waited for batches. Raises InputError as `sampler` does, and when a worker is
    killed.
    """

    def __init__(
        self,
        sampler: Sampler,
        shard: BatchShard,
        start: int,
        total: int,
        workers: int,
        device: torch.device,
        processes: int = 1,
    ) -> None:
        self.waited = 0.0
        self._device = device
        self._steps = _Steps(sampler, shard)
        self._range = range(start, total)
        self._workers = workers
        self._processes = processes

    def __iter__(self) -> Iterator[Any]:
        workers = self._fitting()
        several: dict[str, Any] = {}
        if workers:
            context = multiprocessing.get_context("forkserver")  # a fork of a process with threads may deadlock
            context.set_forkserver_preload([__name__])
            several = {
                "multiprocessing_context": context,
                "prefetch_factor": _ahead(workers),
                "worker_init_fn": _follow_parent,
            }
        batches = iter(
            DataLoader(
                self._steps,
                sampler=self._range,
                batch_size=None,
                num_workers=workers,
                collate_fn=_unchanged,
                pin_memory=self._device.type == "cuda",
                **several,
            )
        )
        for _ in self._range:
            began = time.monotonic()
            try:
                batch = next(batches)
            except RuntimeError as error:
                if "DataLoader worker" not in str(error):
                    raise
                raise InputError(
                    f"a process that loads batches ended ({' '.join(str(error).split())}), as when memory runs out; "
                    "lower data.workers"
                ) from None
            if isinstance(batch, InputError):
                raise batch
            self.waited += time.monotonic() - began
            yield moved(batch, self._device)

    def _fitting(self) -> int:
        """Return the number of workers whose batches fit the shared memory, which containers limit."""
        if not self._workers or not _SHARED_MEMORY.is_dir() or not self._range:
            return self._workers
        batch = self._steps[self._range.start]
        if isinstance(batch, InputError):
            raise batch
        size = sum(field.nbytes for field in batch if isinstance(field, Tensor))
        free = free_space(_SHARED_MEMORY)
        most = free / size / self._processes - 2  # batches ahead; two more are in use
        fitting = next((count for count in range(self._workers, 0, -1) if count * _ahead(count) <= most), 0)
        if fitting < self._workers:
            print(
                f"loading in {fitting} of {self._workers} processes: a batch has {size_text(size)}, and "
                f"{_SHARED_MEMORY} {size_text(free)}; give the container more",
                file=sys.stderr,
            )
        return fitting


def usable_workers(requested: int | None, device: torch.device, processes: int) -> int:
    """Return the number of workers of a training process: `requested`, or as many as suit its device.

    A GPU gets up to :data:`MOST`, by the cores that the `processes` trainings of this machine share; a CPU, whose cores
    the training itself uses, none.
    """
    if requested is not None:
        return requested
    if device.type == "cpu":
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MOST, cores // processes - 1))


class _Steps(Dataset[Any]):
    """Batches by step."""

    def __init__(self, sampler: Sampler, shard: BatchShard) -> None:
        self.sampler = sampler
        self.shard = shard

    def __getitem__(self, step: int) -> Any:
        """Return the batch of a step, or the InputError that prevents it: DataLoader would add tracebacks to it."""
        try:
            return self.sampler(replace(self.shard, step=step))
        except InputError as error:
            return error


def _ahead(workers: int) -> int:
    """Return the number of batches that each of `workers` processes is ahead."""
    return math.ceil(AHEAD / workers)


def _follow_parent(_: int) -> None:
    """End this process, a worker, when the training is killed; the server that started it would keep it."""
    end_with_parent()


def _unchanged(batch: Any) -> Any:
    return batch
