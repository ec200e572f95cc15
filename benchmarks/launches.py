"""Operations of a denoiser pass as a GPU runs it, counted without one: about the number of kernels that it launches.

The pass is traced on the meta device, whose tensors have shapes and no numbers. Views and allocations are not counted;
attention over frames, which a GPU computes in one kernel, counts as one operation.
"""

from __future__ import annotations

from collections import Counter
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.measurement import LATENT, MASK, QUARTER, SPEECH, WINDOW
from dawn.config import UnetModel
from dawn.models.unet3d import UNet3D

_FREE = {"_unsafe_view", "empty", "empty_like", "new_empty", "promote_types", "alias", "detach"}


def launches(frames: int, dtype: torch.dtype = torch.float32) -> Counter[str]:
    """Count the operations of a pass of the published network, by name, with operands of `dtype`."""
    with torch.device("meta"), torch.no_grad():
        net = UNet3D(UnetModel(), SPEECH, LATENT).lower(dtype)
        cache = net.prepare(
            torch.empty(1, LATENT + MASK, QUARTER, QUARTER),
            speech=torch.empty(1, frames, SPEECH),
            pose=torch.empty(1, frames, 6),
            eye=torch.empty(1, frames, 2),
            window=WINDOW,
        )
        counted = _Operations()
        with patch("torch.nn.functional.scaled_dot_product_attention", counted.attention), counted:
            net(torch.empty(1, 3, frames, QUARTER, QUARTER), torch.empty(1), cache)
    return counted.counts


class _Operations(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def attention(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """Count one operation; the output (b, heads, n, d) has the layout of the GPU's kernel."""
        self.counts["scaled_dot_product_attention"] += 1
        b, heads, n, d = q.shape
        return q.new_empty(b, n, heads, d).transpose(1, 2)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        is_view = any(alias.alias_info is not None and not alias.alias_info.is_write for alias in func._schema.returns)
        if not is_view and name not in _FREE:
            self.counts[name] += 1
        return out
