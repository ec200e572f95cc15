"""Group normalisation followed by SiLU, over the frames and pixels of a sample: in chunks, or with gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from dawn.precision import widened


class GroupStatistics:
    """Mean and variance of each channel group over frames and pixels of a sample, accumulated over chunks of frames."""

    def __init__(self, groups: int, frame_weights: Tensor | None = None) -> None:
        self.groups = groups
        self._weights = frame_weights
        self._chunks: list[tuple[int, Tensor, Tensor]] = []  # elements of a sample, mean and variance (b, groups)

    def update(self, x: Tensor) -> None:
        """Add a chunk (b, f, h, w, c)."""
        if self._weights is None:
            mean, variance = _moments(x, self.groups)
        else:
            mean, variance = _weighted_moments(x, self.groups, self._weights)
        self._chunks.append((x[0].numel(), mean, variance))

    def mean_and_variance(self) -> tuple[Tensor, Tensor]:
        """Compute mean and variance (b, groups) over all chunks, at least float32.

        They are equal for any chunks, up to rounding.
        """
        if len(self._chunks) == 1:
            return self._chunks[0][1:]
        counts, chunk_means, chunk_variances = zip(*self._chunks, strict=True)
        fractions = [count / sum(counts) for count in counts]
        # Law of total variance: mean of the chunks' variances plus variance of their means.
        mean = _weighted_sum(chunk_means, fractions)
        spreads = [variance + (m - mean).square() for variance, m in zip(chunk_variances, chunk_means, strict=True)]
        return mean, _weighted_sum(spreads, fractions)


def _weighted_moments(x: Tensor, groups: int, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Compute mean and variance (b, groups) of x (b, f, h, w, c) with the weights (f,) of its frames."""
    by_group = widened(x).unflatten(-1, (groups, -1))
    variances, means = torch.var_mean(by_group, dim=(2, 3, 5), correction=0)  # (b, f, groups)
    mean = (means * weights[:, None]).sum(1)
    return mean, ((variances + (means - mean[:, None]).square()) * weights[:, None]).sum(1)


def _weighted_sum(values: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    total = torch.zeros_like(values[0])
    for value, weight in zip(values, weights, strict=True):
        total = torch.add(total, value, alpha=weight)
    return total


def _moments(x: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Compute mean and variance (b, groups) of x (b, f, h, w, c), at least float32."""
    work = widened(x)
    tokens = tuple(range(1, x.dim() - 1))
    if x.device.type != "cpu":  # on which one reduction takes five times as long as these three
        variance, mean = torch.var_mean(work.unflatten(-1, (groups, -1)), dim=(*tokens, x.dim()), correction=0)
        return mean, variance

    def group_mean(channels: Tensor) -> Tensor:
        return channels.unflatten(-1, (groups, -1)).mean(-1)

    mean = group_mean(work.mean(tokens))
    centred = work - _broadcast(mean.repeat_interleave(x.shape[-1] // groups, dim=1))
    # Gradients need the centred numbers as they are.
    squares = centred.square() if torch.is_grad_enabled() else centred.square_()
    return mean, group_mean(squares.mean(tokens))


def scale_and_shift(mean: Tensor, inverse: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Compute scale and shift of a normalisation from mean and inverse deviation (b, groups).

    `weight` and `bias` are (c,) or (b, c). Both results are (b, c), broadcastable over frames and pixels.
    """
    weight, bias = (value.unflatten(-1, (mean.shape[1], -1)) for value in (weight, bias))
    scale = inverse[..., None] * weight
    shift = torch.addcmul(bias, mean[..., None], scale, value=-1)
    return _broadcast(scale.flatten(1)), _broadcast(shift.flatten(1))


def silu_of_affine(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Compute silu(x * scale + shift), with results of :func:`scale_and_shift`; the sum has the precision of x."""
    if torch.compiler.is_compiling():
        return F.silu(torch.addcmul(shift, x, scale).to(x.dtype))
    return F.silu(_affine(x, scale, shift))


class NormalisedSilu(torch.autograd.Function):
    """SiLU of the group normalisation of x (b, f, h, w, c), for training: few operations, which keep x alone.

    `weight` and `bias` are (c,), or (b, c) for each sample. Statistics and sums are at least float32.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        """Normalise, and save what the backward pass computes the normalised numbers from."""
        mean, variance = _moments(x, groups)
        inverse = (variance + eps).rsqrt()
        scale, shift = scale_and_shift(mean, inverse, weight, bias)
        by_group = weight.unflatten(-1, (groups, -1))
        ctx.save_for_backward(x, mean[..., None], inverse[..., None], by_group, scale, shift)
        return F.silu(_affine(x, scale, shift))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        """Compute the gradients of x, weight and bias; the normalised numbers are recomputed."""
        x, mean, inverse, weight, scale, shift = ctx.saved_tensors
        grad = torch.ops.aten.silu_backward(grad, _affine(x, scale, shift))
        # Through weight and bias: sums of the gradient, and of its product with the numbers (x - mean) / deviation.
        frames_and_pixels = tuple(range(1, x.dim() - 1))
        products = torch.mul(x, grad, out=torch.empty_like(x, dtype=scale.dtype)).sum(frames_and_pixels)
        shape = (weight.shape[-2], weight.shape[-1])
        grad_bias = grad.sum(frames_and_pixels, dtype=scale.dtype).unflatten(-1, shape)
        grad_weight = torch.addcmul(products.unflatten(-1, shape), mean, grad_bias, value=-1) * inverse
        # Through the statistics: what x adds to the mean and to the deviation of its group.
        by_x = inverse / (x[0].numel() // -shape[0])
        slope = (weight * grad_weight).sum(-1, keepdim=True) * inverse * by_x
        offset = torch.addcmul((weight * grad_bias).sum(-1, keepdim=True) * by_x, mean, slope, value=-1)
        offset, slope = (_broadcast(value.expand(-1, -1, shape[1]).flatten(1)) for value in (offset, slope))
        grad_x = _affine(x, slope, offset, dtype=scale.dtype)
        grad_x = torch.addcmul(grad_x, grad, scale, out=torch.empty_like(x))
        return grad_x, _reduced(grad_weight, weight), _reduced(grad_bias, weight), None, None


def _affine(x: Tensor, scale: Tensor, shift: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Compute x * scale + shift in the precision of scale and shift, rounded to `dtype` (None: that of x)."""
    return torch.addcmul(shift, x, scale, out=torch.empty_like(x, dtype=dtype))  # rounded in the same operation


def _reduced(gradient: Tensor, parameter: Tensor) -> Tensor:
    """Sum the gradient (b, groups, channels) to the shape of a parameter, flattened over groups."""
    return gradient.sum_to_size(parameter.shape).flatten(-2)


def _broadcast(channels: Tensor) -> Tensor:
    """Reshape (b, c) to be broadcastable over frames and pixels."""
    return channels[:, None, None, None]
