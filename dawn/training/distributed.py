"""The processes that train one stage together, each on its share of every batch (data parallel).

A crew is set up by whoever sets the usual variables (WORLD_SIZE, RANK, MASTER_ADDR...: `accelerate launch`, `torchrun`
or a cluster's launcher), else by :func:`crew` itself, which starts the missing processes on this machine. Processes
talk through accelerate: NCCL between GPUs, gloo between CPUs.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence

import torch
from accelerate import Accelerator
from torch import Tensor

_STARTED = "DAWN_CREW_MEMBER"


class Crew:
    """This process among those that train together."""

    def __init__(self, precision: str = "float32") -> None:
        mixed = {"float32": "no", "bfloat16": "bf16"}[precision]
        self._accelerator = Accelerator(cpu=not torch.cuda.is_available(), mixed_precision=mixed)
        self.device: torch.device = self._accelerator.device
        self.rank: int = self._accelerator.process_index
        self.size: int = self._accelerator.num_processes

    @property
    def leads(self) -> bool:
        """Whether this process writes logs, checkpoints and weights."""
        return self.rank == 0

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """The context of the forward pass: what may be computed in the lower precision is."""
        return self._accelerator.autocast()

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace float tensors by their mean over the crew: one message for all."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.detach().flatten() for tensor in tensors])
        mean = self._accelerator.reduce(flat, reduction="mean")
        for tensor, part in zip(tensors, mean.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def wait(self) -> None:
        """Go on when everyone is here."""
        self._accelerator.wait_for_everyone()


@contextlib.contextmanager
def crew(processes: int, precision: str = "float32") -> Iterator[Crew]:
    """This process as a member of a crew of `processes`; it starts the others unless a launcher did.

    The others run the same command line, and end with the process that started them, however it ends.
    """
    if os.environ.get(_STARTED):
        threading.Thread(target=_end_with_parent, daemon=True).start()
    others = [] if "WORLD_SIZE" in os.environ or processes == 1 else _start_others(processes)
    try:
        yield Crew(precision)
        for other in others:
            if other.wait() != 0:
                raise RuntimeError(f"a training process ended with code {other.returncode}; its message is above")
    finally:
        for other in others:
            other.kill()
            other.wait()


def _start_others(processes: int) -> list[subprocess.Popen[bytes]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ.update(shared | {"RANK": "0", "LOCAL_RANK": "0"})
    return [
        subprocess.Popen(
            [sys.executable, *sys.argv],
            stdin=subprocess.PIPE,
            env=os.environ | {"RANK": str(rank), "LOCAL_RANK": str(rank), _STARTED: "1"},
        )
        for rank in range(1, processes)
    ]


def _end_with_parent() -> None:
    """The parent holds the other end of standard input: it closes when the parent is gone, even by SIGKILL."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)
