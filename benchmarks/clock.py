"""Seconds of a function, with the work that it gives a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch


def timed(run: Callable[[], Any], device: torch.device) -> tuple[float, float, Any]:
    """Return the seconds, the CPU's seconds and the result of a function, with the work that it gives a GPU."""
    _wait(device)
    clock, cpu = time.perf_counter(), time.process_time()
    result = run()
    _wait(device)
    return time.perf_counter() - clock, time.process_time() - cpu, result


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
