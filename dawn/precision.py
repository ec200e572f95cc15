"""Precision of the networks' products: float32, TensorFloat-32 (10 bits of mantissa) or bfloat16 (7 bits).

Only products of matrices and convolutions take the lower precision. Statistics, softmax sums, positions and the
sampler's state are float32 in every precision.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Literal

import torch

from dawn.choices import Precision

Products = Literal["exact", "tf32", "bfloat16"]


def resolve(precision: Precision, device: torch.device, auto: Products) -> Products:
    """Return the precision of products on `device`, with `auto` as the meaning of ``auto`` on a GPU.

    A device that computes a precision slowly or not at all takes the next more exact one: TensorFloat-32 and bfloat16
    need a GPU of NVIDIA's compute capability 8 (Ampere); bfloat16 on a CPU needs AVX-512. Elsewhere ``auto`` is exact.
    """
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device) >= (8, 0)
        return (auto if precision == "auto" else precision) if fast else "exact"
    if precision != "bfloat16":
        return "exact"
    if device.type == "cpu" and not _fast_bfloat16():
        print(
            "precision bfloat16 is several times slower than float32 on this processor, which lacks AVX-512: "
            "computing in float32",
            file=sys.stderr,
        )
        return "exact"
    return "bfloat16"


def dtype_of(products: Products) -> torch.dtype:
    """Return the dtype of the operands of products."""
    return torch.bfloat16 if products == "bfloat16" else torch.float32


@contextlib.contextmanager
def precise_products(products: Products) -> Iterator[None]:
    """Compute float32 products on GPUs in `products`, for the duration of the context, in this process."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    try:
        matmul.allow_tf32 = cudnn.allow_tf32 = products != "exact"
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def widened(x: torch.Tensor) -> torch.Tensor:
    """Return x as float32, or unchanged if it is float64: for statistics, softmax sums and positions."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def unlowered(device: torch.device | str) -> contextlib.AbstractContextManager[object]:
    """Return a context inside :func:`lowered` in which products take the operands as they are."""
    return lowered(device, torch.float32)


def lowered(device: torch.device | str, dtype: torch.dtype) -> contextlib.AbstractContextManager[object]:
    """Return a context in which products of float32 tensors take operands of `dtype`."""
    kind = torch.device(device).type
    if not torch.amp.is_autocast_available(kind):  # as on the meta device
        return contextlib.nullcontext()
    return torch.autocast(kind, torch.bfloat16, enabled=dtype == torch.bfloat16)


def _fast_bfloat16() -> bool:
    return torch.backends.cpu.get_cpu_capability() == "AVX512"
