"""Attention over frames: rotary positions, learned relative bias, and a local window of linear cost (paper 3.3, 3.6).

Shared by the 3-D U-Net and the decoder of PBNet. Attributes are named after the published state-dict keys.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.errors import InputError

BLOCK = 32  # queries that share one slice of keys under a window; changes speed only


def rotary_frequencies(dim: int, base: float = 10000.0) -> Tensor:
    """Angles per frame (dim / 2,) of the rotated pairs (Su et al. 2023, as named in paper 3.3)."""
    return base ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim).float()


def turns(freqs: Tensor, positions: Tensor) -> Tensor:
    """Rotations (n, len(freqs)), complex, of frames `positions` (n,)."""
    angles = positions.to(freqs.dtype)[:, None] * freqs
    return torch.polar(torch.ones_like(angles), angles)


def turn(x: Tensor, by: Tensor) -> Tensor:
    """Pair (2i, 2i + 1) of the last axis of x (..., 2 m) turned by the rotations `by`, broadcast to (..., m)."""
    # A product of halves loses the angle.
    work = x if x.dtype in (torch.float32, torch.float64) else x.float()
    pairs = torch.view_as_complex(work.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * by).flatten(-2).to(x.dtype)


def rotate(x: Tensor, freqs: Tensor, positions: Tensor | None = None) -> Tensor:
    """Turn pair (2i, 2i + 1) of the last axis by ``position * freqs[i]``; later channels stay as they are.

    `x` is (..., n, d) with d >= 2 * len(freqs); `positions` (n,) are frame indices, 0 to n - 1 when absent.
    """
    if positions is None:
        positions = torch.arange(x.shape[-2], device=x.device)
    turned = 2 * freqs.numel()
    out = turn(x[..., :turned], turns(freqs.double() if x.dtype == torch.float64 else freqs, positions))
    return out if turned == x.shape[-1] else torch.cat((out, x[..., turned:]), dim=-1)


class Rotary(nn.Module):
    """Rotary positions with fixed frequencies (``freqs``, (dim / 2,)): saved with the weights, never trained."""

    freqs: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim < 2 or dim % 2:
            raise InputError(f"rotary positions need an even number of channels, got {dim}")
        self.register_buffer("freqs", rotary_frequencies(dim))

    def forward(self, x: Tensor, positions: Tensor | None = None) -> Tensor:
        """See :func:`rotate`."""
        return rotate(x, self.freqs, positions)


def relative_bucket(distance: Tensor, buckets: int, max_distance: int) -> Tensor:
    """Bucket of each signed distance (key frame minus query frame), int64 in [0, buckets) (T5).

    Either sign owns half of the buckets; half of those hold single distances, the rest grow logarithmically up to
    `max_distance`, beyond which all share the last.
    """
    half = buckets // 2
    exact = half // 2
    size = distance.abs()
    scale = (half - exact) / math.log(max_distance / exact)
    far = exact + ((size.clamp(min=exact).float() / exact).log() * scale).long()
    return (distance > 0).long() * half + torch.where(size < exact, size, far.clamp(max=half - 1))


class RelativePositionBias(nn.Module):
    """A learned number for each head and distance, added to attention logits (published; not in the paper)."""

    def __init__(self, heads: int, buckets: int = 32, max_distance: int = 32) -> None:
        super().__init__()
        if buckets % 4 or max_distance <= buckets // 4:
            raise InputError(f"relative bias: {buckets} buckets do not reach distance {max_distance}")
        self.buckets = buckets
        self.max_distance = max_distance
        self.relative_attention_bias = nn.Embedding(buckets, heads)

    def forward(self, distance: Tensor) -> Tensor:
        """(heads, ...) for signed distances (...), in frames, key minus query."""
        table = self.relative_attention_bias.weight.t()
        bucket = relative_bucket(distance, self.buckets, self.max_distance)
        return table[:, bucket.flatten()].unflatten(1, distance.shape)


class Band:
    """What is added to the logits of a sequence of `frames`: relative bias, minus infinity outside the window.

    Depends on the distance between frames alone, so it is built once and serves every layer that shares the bias table.
    `window` counts frames and each frame sees window // 2 on either side (80 in the paper is 40, as published);
    None sees all. Cost and memory of :func:`attend` are proportional to frames times window.
    """

    def __init__(
        self,
        frames: int,
        window: int | None = None,
        bias: RelativePositionBias | None = None,
        device: torch.device | None = None,
    ) -> None:
        if window is not None and window < 0:
            raise InputError(f"the attention window must not be negative, got {window}")
        self.frames = frames
        reach = frames - 1 if window is None else min(window // 2, frames - 1)
        # One block of all frames is cheaper than several that each see nearly all keys.
        self.block = BLOCK if BLOCK + 2 * reach < frames else frames
        self.reach = reach if self.block < frames else 0
        rows = torch.arange(self.block, device=device)[:, None]
        columns = torch.arange(-self.reach, self.block + self.reach, device=device)
        distance = columns - rows
        outside = distance.abs() > reach
        added = None if bias is None else bias(distance)
        if bool(outside.any()):
            blank = torch.zeros(1, *distance.shape, device=device) if added is None else added
            added = blank.masked_fill(outside, -math.inf)
        self.added = added
        self._turns: dict[Rotary, Tensor] = {}

    def turns(self, rotary: Rotary, heads: int, head_dim: int) -> Tensor:
        """Rotations (frames, heads * head_dim / 2) of the channels of all heads; unrotated pairs are turned by 0.

        Written out for every head because a product over long rows is several times faster; made once for a layer.
        """
        if rotary not in self._turns:
            freqs = F.pad(rotary.freqs, (0, head_dim // 2 - rotary.freqs.numel()))
            frame = torch.arange(self.frames, device=freqs.device)
            self._turns[rotary] = turns(freqs, frame).repeat(1, heads)
        return self._turns[rotary]

    def slices(self) -> list[tuple[slice, slice, Tensor | None]]:
        """Query frames, key frames and the logits' addend (heads or 1, queries, keys) of each block."""
        out: list[tuple[slice, slice, Tensor | None]] = []
        for start in range(0, self.frames, self.block):
            stop = min(start + self.block, self.frames)
            low, high = max(0, start - self.reach), min(self.frames, stop + self.reach)
            origin = start - self.reach
            added = self.added
            if added is not None:
                added = added[:, : stop - start, low - origin : high - origin]
            out.append((slice(start, stop), slice(low, high), added))
        return out


def attend(q: Tensor, k: Tensor, v: Tensor, band: Band, valid: Tensor | None = None) -> Tensor:
    """Softmax attention over frames: (b, heads, n, d) for q, k and v of that shape, logits scaled by d ** -0.5.

    `valid` (b, n) marks the frames that may be looked at; each window must hold at least one. The result is exact
    for any window: blocks of queries meet only the keys that some query of the block sees.
    """
    parts = []
    for queries, keys, added in band.slices():
        mask = added if added is None else added[None].to(q.dtype)
        if valid is not None:
            shut = torch.zeros(valid[:, keys].shape, dtype=q.dtype, device=q.device)
            shut = shut.masked_fill(~valid[:, keys], -math.inf)[:, None, None, :]
            mask = shut if mask is None else mask + shut
        parts.append(F.scaled_dot_product_attention(q[:, :, queries], k[:, :, keys], v[:, :, keys], mask))
    # Joined with the heads of a frame side by side, as the kernel leaves them and the next projection takes them.
    return parts[0] if len(parts) == 1 else torch.cat([part.transpose(1, 2) for part in parts], dim=1).transpose(1, 2)


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
        """(..., dim) to (..., dim)."""
        return F.layer_norm(x, x.shape[-1:], self.gamma.flatten(), None, 1e-5)


class FrameAttention(nn.Module):
    """Self-attention over frames, ``to_qkv``, ``rotary_emb`` and ``to_out`` without offsets (paper 3.3).

    `rotary_dim` leading channels of each head are rotated.
    """

    def __init__(self, dim: int, heads: int, head_dim: int, rotary_dim: int) -> None:
        super().__init__()
        if rotary_dim > head_dim:
            raise InputError(f"rotary channels ({rotary_dim}) exceed the channels of a head ({head_dim})")
        self.heads = heads
        self.rotary_emb = Rotary(rotary_dim)
        self.to_qkv = nn.Linear(dim, 3 * heads * head_dim, bias=False)
        self.to_out = nn.Linear(heads * head_dim, dim, bias=False)

    def forward(self, x: Tensor, band: Band, valid: Tensor | None = None) -> Tensor:
        """Sequences (b, n, dim) to the same shape; see :func:`attend` for `band` and `valid`."""
        qkv = self.to_qkv(x)
        inner = self.to_out.in_features
        by = band.turns(self.rotary_emb, 2 * self.heads, inner // self.heads)
        qk, v = turn(qkv[..., : 2 * inner], by), qkv[..., 2 * inner :]
        q, k = qk.unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        out = attend(q, k, v.unflatten(-1, (self.heads, -1)).transpose(1, 2), band, valid)
        return self.to_out(out.transpose(1, 2).flatten(2))


class PreNorm(nn.Module):
    """``fn`` of the normalised input."""

    def __init__(self, norm: nn.Module, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn
        self.norm = norm

    def forward(self, x: Tensor, *given: object) -> Tensor:
        return self.fn(self.norm(x), *given)


class Residual(nn.Module):
    """The input plus ``fn`` of it."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor, *given: object) -> Tensor:
        return x + self.fn(x, *given)
