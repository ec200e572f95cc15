"""Mean of gradients over processes, computed while the backward pass still goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn

BUCKET_BYTES = 25 * 2**20  # of gradients that are sent together, as in PyTorch's DistributedDataParallel


class GradientSync:
    """Means of the gradients of `parameters` over `processes` processes.

    Gradients are sent in buckets, each as soon as it is complete, in the same order in all processes. Between
    :meth:`begin` and :meth:`end` lies the last backward pass that adds to the gradients.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], processes: int) -> None:
        self._processes = processes
        self._buckets = _buckets(parameters) if processes > 1 else []
        self._bucket_of = {id(p): number for number, bucket in enumerate(self._buckets) for p in bucket}
        self._missing: list[int] = []  # gradients of each bucket that the pass has not yet computed
        self._sent: list[tuple[Tensor, list[nn.Parameter], Any]] = []
        self._active = False
        for parameter in parameters if processes > 1 else ():
            listen(parameter, self._computed)

    @property
    def sending(self) -> bool:
        """Whether gradients of this pass were sent: it cannot be computed again."""
        return bool(self._sent)

    def begin(self) -> None:
        """Begin to send gradients as the pass computes them."""
        self._missing = [len(bucket) for bucket in self._buckets]
        self._active = bool(self._buckets)

    def cancel(self) -> None:
        """Forget the pass, none of whose gradients were sent: it is computed again."""
        self._active = False

    def end(self) -> None:
        """Send what is left, such as buckets with weights that have no gradient, and wait for all means."""
        if not self._active:
            return
        self._active = False
        self._send(len(self._buckets))
        for flat, parameters, work in self._sent:
            work.wait()
            flat /= self._processes
            sizes = [parameter.numel() for parameter in parameters]
            for parameter, part in zip(parameters, flat[: sum(sizes)].split(sizes), strict=True):
                assert parameter.grad is not None
                parameter.grad.copy_(part.view_as(parameter))
        self._sent = []

    def _computed(self, parameter: nn.Parameter) -> None:
        if self._active:
            self._missing[self._bucket_of[id(parameter)]] -= 1
            complete = next((n for n, missing in enumerate(self._missing) if missing > 0), len(self._missing))
            self._send(complete)

    def _send(self, until: int) -> None:
        """Send the buckets up to number `until`; weights without a gradient have none in any process."""
        for bucket in self._buckets[len(self._sent) : until]:
            parameters = [parameter for parameter in bucket if parameter.grad is not None]
            gradients = [parameter.grad.flatten() for parameter in parameters if parameter.grad is not None]
            flat = torch.cat(gradients) if gradients else torch.zeros(1, device=bucket[0].device)
            self._sent.append((flat, parameters, torch.distributed.all_reduce(flat, async_op=True)))


def listen(parameter: nn.Parameter, listener: Callable[[nn.Parameter], None]) -> None:
    """Call `listener` after each backward pass that has added to the gradient of `parameter`."""
    parameter.register_post_accumulate_grad_hook(listener)
    parameter.gradient_listener = listener  # type: ignore[attr-defined]


def announce(parameter: nn.Parameter) -> None:
    """Call the listener of a parameter whose gradient was computed for a copy of it."""
    listener = getattr(parameter, "gradient_listener", None)
    if listener is not None:
        listener(parameter)


def _buckets(parameters: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Divide parameters into buckets, the last first: backward passes compute gradients in about this order."""
    buckets: list[list[nn.Parameter]] = []
    size = BUCKET_BYTES
    for parameter in reversed(parameters):
        if size >= BUCKET_BYTES:
            buckets.append([])
            size = 0
        buckets[-1].append(parameter)
        size += parameter.numel() * parameter.element_size()
    return buckets
