"""Data-parallel training: processes that train one stage together, each on its shard of every batch.

The process group is described by the usual variables (WORLD_SIZE, RANK, MASTER_ADDR...), set by `accelerate launch`,
`torchrun` or a cluster's launcher; without them :func:`launch` starts the other processes on this machine. Collectives
run through accelerate: NCCL between GPUs, gloo between CPUs.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor

Value = TypeVar("Value")

# Set in the environment of the processes that `launch` starts.
_LAUNCHED = "DAWN_LAUNCHED_WORKER"
POLL = 0.5  # seconds between looks at the other processes


class Distributed:
    """Device, rank and collectives of this process within the process group."""

    def __init__(self) -> None:
        self._accelerator = Accelerator(cpu=not torch.cuda.is_available())
        self.device: torch.device = self._accelerator.device
        self.rank: int = self._accelerator.process_index
        self.world_size: int = self._accelerator.num_processes
        self.local_processes = int(os.environ.get("LOCAL_WORLD_SIZE", self.world_size))  # on this machine

    @property
    def is_main_process(self) -> bool:
        """Whether this is rank 0, which writes logs, checkpoints and weights."""
        return self.rank == 0

    def all_reduce_mean(self, tensors: Sequence[Tensor]) -> None:
        """Replace float tensors in place by their mean over all processes, in one collective for all of them."""
        if self.world_size == 1 or not tensors:
            return
        flat = torch.cat([tensor.detach().flatten() for tensor in tensors])
        mean = self._accelerator.reduce(flat, reduction="mean")
        for tensor, part in zip(tensors, mean.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def from_main_process(self, value: Value) -> Value:
        """Return the `value` of the main process in all processes; those of the others are ignored."""
        if self.world_size == 1:
            return value
        values = [value if self.is_main_process else None]
        broadcast_object_list(values)
        received: Any = values[0]
        return received

    def barrier(self) -> None:
        """Block until all processes have reached this call."""
        self._accelerator.wait_for_everyone()


@contextlib.contextmanager
def launch(processes: int | Literal["auto"], most: int | None = None) -> Iterator[Distributed]:
    """Join a process group of `processes`, and start its other processes unless an external launcher did.

    With "auto", there is one for each GPU, `most` at most. A machine with GPUs gets at most one process for each of
    them, as two cannot share one. Started processes run this process's command line. They end when this process ends,
    also when it is killed; and when one of them fails, all end at once, with its exit code.
    """
    if os.environ.get(_LAUNCHED):
        threading.Thread(target=_exit_with_parent, daemon=True).start()
    count = 1 if "WORLD_SIZE" in os.environ else usable(processes, most)
    workers = [] if count == 1 else _start_workers(count)
    if workers:
        threading.Thread(target=_exit_with_first_failure, args=(workers,), daemon=True).start()
    try:
        yield Distributed()
        if any([worker.wait() for worker in workers]):
            threading.Event().wait()  # the thread that looks at them ends this process
    finally:
        _end(workers)


def usable(processes: int | Literal["auto"], most: int | None = None) -> int:
    """Return how many of `processes` this machine can run: all on CPUs, at most one on each GPU.

    With "auto", one for each GPU, `most` at most. GPUs are those that this process may use (CUDA_VISIBLE_DEVICES).
    """
    if processes == "auto":
        gpus = max(1, torch.cuda.device_count())
        return gpus if most is None else min(gpus, most)
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else processes
    if gpus < processes:
        print(f"training in {gpus} of {processes} processes, one for each GPU: the same steps", file=sys.stderr)
    return min(processes, gpus)


def _start_workers(processes: int) -> list[subprocess.Popen[bytes]]:
    """Start ranks 1 to `processes` - 1 on this machine; sets the process-group variables of this process, rank 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    group = {
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    os.environ.update(group | {"RANK": "0", "LOCAL_RANK": "0"})
    return [
        subprocess.Popen(
            [sys.executable, *sys.argv],
            stdin=subprocess.PIPE,
            env=os.environ | {"RANK": str(rank), "LOCAL_RANK": str(rank), _LAUNCHED: "1"},
        )
        for rank in range(1, processes)
    ]


def _exit_with_first_failure(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    """Exit when a worker has failed: this process would wait for it in a collective, up to the timeout of minutes."""
    while True:
        codes = [worker.poll() for worker in workers]
        failed = next((code for code in codes if code), None)
        if failed is not None:
            print(f"a training process ended with code {failed}: the others end too", file=sys.stderr)
            _end(workers)
            os._exit(max(1, failed))
        if None not in codes:
            return
        time.sleep(POLL)


def _end(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    for worker in workers:
        worker.kill()
        worker.wait()


def _exit_with_parent() -> None:
    """Exit when standard input closes: the parent holds its other end, and a SIGKILL of the parent closes it."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)
