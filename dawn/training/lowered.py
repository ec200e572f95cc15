"""Copy of a network whose operands have a lower precision, for a forward and backward pass of a training step."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from dawn.training.gradient_sync import announce

Network = TypeVar("Network", bound=nn.Module)


class LoweredCopy(Generic[Network]):
    """Copy of `network` with the parameters `operands` in `dtype`; it shares all other parameters.

    Gradients of the copy's operands are added to those of the network's, in float32, when a backward pass has computed
    them.
    """

    def __init__(self, network: Network, operands: Iterable[nn.Parameter], dtype: torch.dtype) -> None:
        self._originals = list(operands)
        lowered = {id(parameter) for parameter in self._originals}
        shared = {id(value): value for value in network.parameters() if id(value) not in lowered}
        copies: dict[int, object] = {
            id(value): nn.Parameter(value.detach().to(dtype), requires_grad=value.requires_grad)
            for value in self._originals
        }
        self._copies: list[Tensor] = [value for value in copies.values() if isinstance(value, nn.Parameter)]
        self._network = copy.deepcopy(network, shared | copies)
        for original, lower in zip(self._originals, self._copies, strict=True):
            if lower.requires_grad:
                lower.register_post_accumulate_grad_hook(_Add(original))

    def network(self) -> Network:
        """Return the copy with the present weights of the network."""
        with torch.no_grad():
            torch._foreach_copy_(self._copies, [*self._originals])
        return self._network


class _Add:
    """Hook that moves the gradient of a copy to that of its original."""

    def __init__(self, original: nn.Parameter) -> None:
        self.original = original

    def __call__(self, lower: Tensor) -> None:
        assert lower.grad is not None
        gradient = lower.grad.to(self.original.dtype)
        lower.grad = None
        self.original.grad = gradient if self.original.grad is None else self.original.grad.add_(gradient)
        announce(self.original)
