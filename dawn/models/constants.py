"""Constant buffers of networks, which weights files need not hold."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class ConstantBuffers(nn.Module):
    """Module whose own buffers follow from its arguments.

    State dicts hold them, as the published ones do. A state dict without them leaves the computed values, and so does
    one of a module with other arguments, whose buffers have another shape: a training may start from a network that
    reduces its pictures by another factor.
    """

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        for name, value in self.named_buffers(recurse=False):
            if (stored := state_dict.get(prefix + name)) is None or stored.shape != value.shape:
                state_dict[prefix + name] = value
        super()._load_from_state_dict(state_dict, prefix, *rest)


def constant_keys(network: nn.Module) -> set[str]:
    """Return the keys of the state dict of `network` that its :class:`ConstantBuffers` compute."""
    return {
        f"{place}.{name}" if place else name
        for place, module in network.named_modules()
        if isinstance(module, ConstantBuffers)
        for name, _ in module.named_buffers(recurse=False)
    }
