"""Division of a training batch among processes, and of a process's part into passes that fit the memory."""

from __future__ import annotations

import itertools

from dawn.config import Schedule
from dawn.errors import InputError
from dawn.training.distributed import Distributed


class Division:
    """Samples of this process, and their division into passes, both as even as possible.

    `accumulate` of the schedule is the number of passes; without it, one pass, and more of them when a GPU's memory
    does not suffice. Raises InputError when the batch has fewer samples than there are passes of all processes.
    """

    def __init__(self, schedule: Schedule, distributed: Distributed) -> None:
        self.batch = schedule.batch
        self.processes = distributed.world_size
        self.adapts = schedule.accumulate is None
        self.passes = schedule.accumulate or 1
        self.samples = parts(range(schedule.batch), self.processes)[distributed.rank]
        if schedule.batch < self.processes * self.passes:
            raise InputError(
                f"a batch of {schedule.batch} has no sample for each of {self.passes} passes of {self.processes} "
                "processes; choose batch, processes and accumulate so that it has"
            )

    def shards(self) -> list[range]:
        """Return the samples of each pass."""
        return parts(self.samples, self.passes)

    def weight(self, samples: range) -> float:
        """Compute the weight of a pass in the sum of this process, whose mean over processes is that of the batch."""
        return len(samples) * self.processes / self.batch

    def refine(self) -> bool:
        """Double the number of passes, up to one sample each; returns whether there are more now."""
        before = self.passes
        if self.adapts:
            self.passes = min(2 * self.passes, len(self.samples))
        return self.passes > before


def parts(samples: range, count: int) -> list[range]:
    """Divide `samples` into `count` ranges whose sizes differ by at most one."""
    bounds = [samples.start + len(samples) * k // count for k in range(count + 1)]
    return [range(low, high) for low, high in itertools.pairwise(bounds)]
