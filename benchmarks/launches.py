"""Operations of a denoiser's pass and training step as a GPU runs them, counted without one: about its kernels.

They are traced on the meta device, whose tensors have shapes and no numbers. Views and allocations are not counted;
attention over frames, which a GPU computes in one kernel, counts as one operation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.measurement import LATENT, MASK, QUARTER, SPEECH, WINDOW
from dawn.config import UnetModel
from dawn.models.unet3d import UNet3D
from dawn.training.lowered import LoweredCopy

_FREE = {"_unsafe_view", "empty", "empty_like", "new_empty", "promote_types", "alias", "detach"}


def launches(frames: int, dtype: torch.dtype = torch.float32) -> Counter[str]:
    """Count the operations of a pass of the published network, by name, with operands of `dtype`."""
    with torch.device("meta"), torch.no_grad():
        net = UNet3D(UnetModel(), SPEECH, LATENT).lower(dtype)
        cache = net.prepare(**_conditions(1, frames), window=WINDOW)
        counted = Operators()
        with patch("torch.nn.functional.scaled_dot_product_attention", counted.attention), counted:
            net(torch.empty(1, 3, frames, QUARTER, QUARTER), torch.empty(1), cache)
    return counted.counts


def training_step(clips: int, frames: int, dtype: torch.dtype) -> tuple[Counter[str], int]:
    """Count the operations of a step of the published network, and the bytes that it keeps for its backward pass.

    Step: conditions, forward and backward pass on `clips` of `frames`, with operands of `dtype`; without the targets
    and without the optimiser. Weights are not part of the bytes.
    """
    kept: dict[int, UntypedStorage] = {}

    def keep(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        kept[storage._cdata] = storage
        return value

    with torch.device("meta"):
        trained = UNet3D(UnetModel(), SPEECH, LATENT)
        net = LoweredCopy(trained, trained.operands(), dtype).network()
        counted = Operators()
        with patch("torch.nn.functional.scaled_dot_product_attention", counted.attention), counted:
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
                cache = net.prepare(**_conditions(clips, frames))
                output = net(torch.empty(clips, 3, frames, QUARTER, QUARTER), torch.empty(clips), cache)
            output.sum().backward()
    weights = {value.untyped_storage()._cdata for value in net.parameters()}
    return counted.counts, sum(storage.nbytes() for key, storage in kept.items() if key not in weights)


def kept_recomputing(clips: int, frames: int, dtype: torch.dtype) -> int:
    """Count the bytes that a step of the published network keeps with ``recompute``.

    They are the maps between layers, and the largest layer's activations, which are computed again in the backward
    pass. Otherwise as :func:`training_step`.
    """
    kept: dict[int, int] = {}
    largest = 0

    def keep(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        kept[storage._cdata] = 0 if storage._cdata in weights else storage.nbytes()
        storages.append(storage)
        return value

    def run(layer: Callable[..., Tensor], *arguments: object, **_: object) -> Tensor:
        nonlocal largest
        for argument in arguments:
            if isinstance(argument, Tensor):
                keep(argument)
        before, kept_before = sum(kept.values()), dict(kept)
        output = layer(*arguments)
        largest = max(largest, sum(kept.values()) - before)
        kept.clear()
        kept.update(kept_before)
        return output

    storages: list[UntypedStorage] = []  # alive until the end, so that none has the address of another
    with torch.device("meta"):
        trained = UNet3D(UnetModel(), SPEECH, LATENT)
        net = LoweredCopy(trained, trained.operands(), dtype).network()
        weights = {value.untyped_storage()._cdata for value in net.parameters()}
        attention = patch("torch.nn.functional.scaled_dot_product_attention", Operators().attention)
        saving = torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value)
        with attention, patch("dawn.models.unet3d.checkpoint", run), saving:
            cache = net.prepare(**_conditions(clips, frames), recompute=True)
            net(torch.empty(clips, 3, frames, QUARTER, QUARTER), torch.empty(clips), cache)
    return sum(kept.values()) + largest


def _conditions(clips: int, frames: int) -> dict[str, Any]:
    """Return tensors of the shapes of a batch's conditions, without numbers on the meta device."""
    return {
        "static": torch.empty(clips, LATENT + MASK, QUARTER, QUARTER),
        "speech": torch.empty(clips, frames, SPEECH),
        "pose": torch.empty(clips, frames, 6),
        "eye": torch.empty(clips, frames, 2),
    }


class Operators(TorchDispatchMode):
    """Counter of the operators that run in its context, by name, without views and allocations."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def attention(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """Count one operation, and one for its gradients."""
        output: Tensor = _Attention.apply(self.counts, q, k, v, mask)
        return output

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        is_view = any(alias.alias_info is not None and not alias.alias_info.is_write for alias in func._schema.returns)
        if not is_view and name not in _FREE:
            self.counts[name] += 1
        return out


class _Attention(torch.autograd.Function):
    """Attention as one operation without numbers; the output (b, heads, n, d) has the layout of the GPU's kernel."""

    @staticmethod
    def forward(ctx: Any, counts: Counter[str], q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """Count the operation."""
        counts["scaled_dot_product_attention"] += 1
        ctx.counts = counts
        ctx.save_for_backward(q, k, v, mask)
        b, heads, n, d = q.shape
        return q.new_empty(b, n, heads, d).transpose(1, 2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Count the operation of the gradients."""
        ctx.counts["scaled_dot_product_attention_backward"] += 1
        return None, *(None if value is None else torch.empty_like(value) for value in ctx.saved_tensors)
