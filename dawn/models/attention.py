"""Attention over frames: rotary positions, learned relative bias, and a local window of linear cost (paper 3.3, 3.6).

Shared by the 3-D U-Net and the decoder of PBNet. Attributes are named after the published state-dict keys.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from dawn.errors import InputError
from dawn.models.constants import ConstantBuffers
from dawn.precision import widened

CPU_BLOCK, GPU_BLOCK = 32, 256  # queries that share one slice of keys under a window; changes speed only


def rotary_frequencies(dim: int, base: float = 10000.0) -> Tensor:
    """Compute the angles per frame (dim / 2,), radians, of the channel pairs of RoPE (Su et al. 2023; paper 3.3)."""
    return base ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim).float()


def rotary_table(freqs: Tensor, positions: Tensor) -> Tensor:
    """Compute the rotations by p theta of frame indices p = `positions` (n,), for m angles theta = `freqs` a frame.

    On a CPU exp(i p theta) (n, m), complex; elsewhere, where compilers have no complex arithmetic, the factors (2, n,
    2 m) of each channel and of the other one of its pair: the cosine, and the sine with its sign.
    """
    angles = positions.to(freqs.dtype)[:, None] * freqs
    if freqs.device.type == "cpu":
        return torch.polar(torch.ones_like(angles), angles)
    cos, sin = angles.cos(), angles.sin()
    return torch.stack((torch.stack((cos, cos), -1), torch.stack((-sin, sin), -1))).flatten(-2)


def apply_rotary_emb(x: Tensor, table: Tensor) -> Tensor:
    """Rotate pair (2i, 2i + 1) of the last axis of x (..., n, 2 m) by a `table` of :func:`rotary_table`."""
    if not table.is_complex():
        own, other = table.to(x.dtype)
        swapped = x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
        return torch.addcmul(x * own, swapped, other)
    pairs = torch.view_as_complex(widened(x).unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * table).flatten(-2).to(x.dtype)


def rotate(x: Tensor, freqs: Tensor, positions: Tensor | None = None) -> Tensor:
    """Rotate pair (2i, 2i + 1) of the last axis by ``position * freqs[i]``; later channels stay unchanged.

    `x` is (..., n, d) with d >= 2 * len(freqs); `positions` (n,) are frame indices, 0 to n - 1 by default.
    """
    if positions is None:
        positions = torch.arange(x.shape[-2], device=x.device)
    rotated = 2 * freqs.numel()
    table = rotary_table(freqs.double() if x.dtype == torch.float64 else freqs, positions)
    out = apply_rotary_emb(x[..., :rotated], table)
    return out if rotated == x.shape[-1] else torch.cat((out, x[..., rotated:]), dim=-1)


class Rotary(ConstantBuffers):
    """Rotary position embedding with fixed frequencies (``freqs``, (dim / 2,)): saved with the weights, never trained.

    Raises InputError for an odd `dim`.
    """

    freqs: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim < 2 or dim % 2:
            raise InputError(f"rotary positions need an even number of channels, got {dim}")
        self.register_buffer("freqs", rotary_frequencies(dim))

    def forward(self, x: Tensor, positions: Tensor | None = None) -> Tensor:
        """Rotate x (..., n, d); see :func:`rotate`."""
        return rotate(x, self.freqs, positions)


def relative_bucket(distance: Tensor, buckets: int, max_distance: int) -> Tensor:
    """Compute the bucket of each signed distance (key frame minus query frame), int64 in [0, buckets) (T5).

    Each sign has half of the buckets. The nearer half of those hold one distance each; the others widen logarithmically
    up to `max_distance`, and all larger distances share the last one.
    """
    half = buckets // 2
    exact = half // 2
    size = distance.abs()
    scale = (half - exact) / math.log(max_distance / exact)
    far = exact + ((size.clamp(min=exact).float() / exact).log() * scale).long()
    return (distance > 0).long() * half + torch.where(size < exact, size, far.clamp(max=half - 1))


class RelativePositionBias(nn.Module):
    """Learned bias for each head and distance, added to attention logits (published code; not in the paper)."""

    def __init__(self, heads: int, buckets: int = 32, max_distance: int = 32) -> None:
        super().__init__()
        if buckets % 4 or max_distance <= buckets // 4:
            raise InputError(f"relative bias: {buckets} buckets do not reach distance {max_distance}")
        self.buckets = buckets
        self.max_distance = max_distance
        self.relative_attention_bias = nn.Embedding(buckets, heads)

    def forward(self, distance: Tensor) -> Tensor:
        """Look up the bias (heads, ...) of signed distances (...), in frames, key minus query."""
        table = self.relative_attention_bias.weight.t()
        bucket = relative_bucket(distance, self.buckets, self.max_distance)
        return table[:, bucket.flatten()].unflatten(1, distance.shape)


class LocalAttentionMask:
    """Addend of the attention logits of `frames` frames: relative bias, minus infinity outside the window (paper 3.6).

    It depends only on the distance between frames, so one mask serves every layer that shares the bias table. `window`
    is in frames: each frame attends to window // 2 frames on either side (the paper's 80 is 40 on either side, as
    published); None attends to all. Time and memory of :func:`attend` grow with frames times window.
    """

    def __init__(
        self,
        frames: int,
        window: int | None = None,
        bias: RelativePositionBias | None = None,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        padding: int | Tensor = 0,
    ) -> None:
        if window is not None and window < 0:
            raise InputError(f"the attention window must not be negative, got {window}")
        self.frames = frames
        reach = frames - 1 if window is None else min(window // 2, frames - 1)
        # One block of all frames is cheaper than several that each attend to nearly all keys.
        block = CPU_BLOCK if torch.device(device or "cpu").type == "cpu" else GPU_BLOCK
        self.block = block if block + 2 * reach < frames else frames
        self.reach = reach if self.block < frames else 0
        # Distance of every key that a block can attend to from every query of the block, the same for all blocks.
        query = torch.arange(self.block, device=device)
        key = torch.arange(-self.reach, self.block + self.reach, device=device)
        distance = key - query[:, None]
        logits = None if bias is None else bias(distance)
        if self.block - 1 + self.reach > reach:  # the largest distance in the block
            unbiased = torch.zeros(1, *distance.shape, device=device) if logits is None else logits
            logits = unbiased.masked_fill(distance.abs() > reach, -math.inf)
        self.dtype = dtype
        self.logits = logits if logits is None else logits.to(dtype)
        self.padding: Tensor | None = None
        if isinstance(padding, Tensor) or padding:
            self.padding = torch.arange(frames, device=device) >= frames - padding
        self._rotary_tables: dict[Rotary, Tensor] = {}
        self.blocks = self._blocks()

    def rotary_table(self, rotary: Rotary, heads: int, head_dim: int) -> Tensor:
        """Compute the rotations (:func:`rotary_table`) of the channels of all heads.

        Unrotated pairs have angle 0. The table is repeated for every head, because a product over long rows is several
        times faster, and cached for each layer.
        """
        if rotary not in self._rotary_tables:
            freqs = F.pad(rotary.freqs, (0, head_dim // 2 - rotary.freqs.numel()))
            frame = torch.arange(self.frames, device=freqs.device)
            table = rotary_table(freqs, frame)
            table = table.repeat(*[1] * (table.dim() - 1), heads)
            self._rotary_tables[rotary] = table if table.is_complex() else table.to(self.dtype)
        return self._rotary_tables[rotary]

    def _blocks(self) -> list[tuple[slice, slice, Tensor | None]]:
        """List the query frames, key frames and addend of the logits (heads or 1, queries, keys) of each block."""
        blocks: list[tuple[slice, slice, Tensor | None]] = []
        for start in range(0, self.frames, self.block):
            stop = min(start + self.block, self.frames)
            low, high = max(0, start - self.reach), min(self.frames, stop + self.reach)
            first_key = start - self.reach
            logits = self.logits
            if logits is not None:
                # A slice in its own memory: kernels of GPUs read a mask from aligned addresses.
                logits = logits[:, : stop - start, low - first_key : high - first_key].contiguous()
            if self.padding is not None:
                # Frames of padding are no keys of others; they attend to themselves, so that their numbers are finite.
                hidden = self.padding[low:high] & ~self.padding[start:stop, None]
                unbiased = torch.zeros(1, *hidden.shape, dtype=self.dtype, device=hidden.device)
                logits = (unbiased if logits is None else logits).masked_fill(hidden, -math.inf)
            blocks.append((slice(start, stop), slice(low, high), logits))
        return blocks


def attend(q: Tensor, k: Tensor, v: Tensor, mask: LocalAttentionMask, valid: Tensor | None = None) -> Tensor:
    """Apply softmax attention over frames, softmax(q k^T / sqrt(d) + mask) v; all tensors are (b, heads, n, d).

    `valid` (b, n) is true for frames that may be attended to; each window must contain at least one. The result is
    exact for any window: a block of queries is multiplied only with the keys inside the window of some query of the
    block.
    """
    outputs = []
    for queries, keys, logits in mask.blocks:
        addend = logits if logits is None else logits[None].to(q.dtype)
        if valid is not None:
            padding = torch.zeros(valid[:, keys].shape, dtype=q.dtype, device=q.device)
            padding = padding.masked_fill(~valid[:, keys], -math.inf)[:, None, None, :]
            addend = padding if addend is None else addend + padding
        outputs.append(F.scaled_dot_product_attention(q[:, :, queries], k[:, :, keys], v[:, :, keys], addend))
    if len(outputs) == 1:
        return outputs[0]
    # Concatenated with the heads of a frame adjacent, the layout of the kernel's output and of the next projection.
    return torch.cat([output.transpose(1, 2) for output in outputs], dim=1).transpose(1, 2)


class ChannelNorm(nn.Module):
    """Layer normalisation over the last axis with a gain ``gamma`` and no offset; eps 1e-5.

    The gain is stored as (1, dim, 1, ...) of `axes` axes, or (1, ..., dim) with `last`, as published.
    """

    def __init__(self, dim: int, axes: int = 5, last: bool = False) -> None:
        super().__init__()
        shape = [1] * axes
        shape[-1 if last else 1] = dim
        self.gamma = nn.Parameter(torch.ones(shape))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (..., dim) over its last axis."""
        return F.layer_norm(x, x.shape[-1:], self.gamma.flatten(), None, 1e-5)


class FrameAttention(nn.Module):
    """Self-attention over frames, ``to_qkv``, ``rotary_emb`` and ``to_out`` without offsets (paper 3.3).

    The first `rotary_dim` channels of each head are rotated.
    """

    def __init__(self, dim: int, heads: int, head_dim: int, rotary_dim: int) -> None:
        super().__init__()
        if rotary_dim > head_dim:
            raise InputError(f"rotary channels ({rotary_dim}) exceed the channels of a head ({head_dim})")
        self.heads = heads
        self.rotary_emb = Rotary(rotary_dim)
        self.to_qkv = nn.Linear(dim, 3 * heads * head_dim, bias=False)
        self.to_out = nn.Linear(heads * head_dim, dim, bias=False)

    def prepare(self, mask: LocalAttentionMask) -> Tensor:
        """Return the rotations of queries and keys of all heads, which `mask` caches."""
        return mask.rotary_table(self.rotary_emb, 2 * self.heads, self.to_out.in_features // self.heads)

    def forward(self, x: Tensor, mask: LocalAttentionMask, valid: Tensor | None = None) -> Tensor:
        """Attend among the frames of sequences (b, n, dim), to the same shape.

        See :func:`attend` for `mask` and `valid`.
        """
        split = (2 * self.to_out.in_features,)
        if torch.is_grad_enabled():
            # A backward pass needs the values, but not the queries and keys before their rotation: two tensors.
            qk, v = (F.linear(x, weight) for weight in self.to_qkv.weight.tensor_split(split))
        else:
            qk, v = self.to_qkv(x).tensor_split(split, dim=-1)
        # RoPE on queries and keys of all heads at once; the values carry no position.
        qk = apply_rotary_emb(qk, self.prepare(mask))
        q, k = rearrange(qk, "b n (two heads d) -> two b heads n d", two=2, heads=self.heads)
        v = rearrange(v, "b n (heads d) -> b heads n d", heads=self.heads)
        out = attend(q, k, v, mask, valid)
        return self.to_out(rearrange(out, "b heads n d -> b n (heads d)"))


class PreNorm(nn.Module):
    """Module ``fn`` applied to the normalised input."""

    def __init__(self, norm: nn.Module, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn
        self.norm = norm

    def forward(self, x: Tensor, *arguments: object) -> Tensor:
        """Compute fn(norm(x), *arguments)."""
        return self.fn(self.norm(x), *arguments)


class Residual(nn.Module):
    """Residual connection around ``fn``."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor, *arguments: object) -> Tensor:
        """Compute x + fn(x, *arguments)."""
        return x + self.fn(x, *arguments)
