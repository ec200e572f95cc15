"""Cross-attention from pixels to one condition token per frame (paper 3.3), computed as the two-way gate that it is.

A query meets two keys, the frame's token and a learned null. The softmax over both is a sigmoid g of the difference of
their logits, and a head returns ``null + g (value - null)``. Everything after it is linear up to the last layer norm,
so for each frame the output lies in the span of H + 1 directions (H heads): the attention reduces to H gates a pixel
and one small matrix a frame. No layer norm of the input is needed either: its offset folds into the query weights and
its scale cancels when queries are normalised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

LOGIT_SCALE = 8.0  # of the cosine between query and key (published)
EPS = 1e-5  # of the closing layer norm
CACHED = 2**17  # query numbers held at once


class Gain(nn.Module):
    """A gain ``g`` (dim,) of a layer norm without offset."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(dim))


class CrossAttention(nn.Module):
    """Weights of one cross-attention, named as published; :func:`inject` computes several at once."""

    def __init__(self, c_in: int, c_out: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.null_kv = nn.Parameter(torch.randn(2, head_dim))
        self.q_scale = nn.Parameter(torch.ones(head_dim))
        self.k_scale = nn.Parameter(torch.ones(head_dim))
        self.norm = Gain(c_in)
        self.to_q = nn.Linear(c_in, heads * head_dim, bias=False)
        self.to_kv = nn.Linear(2 * c_out, 2 * heads * head_dim, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * head_dim, c_out, bias=False), Gain(c_out))

    @property
    def out(self) -> tuple[Tensor, Tensor]:
        """Weight (c_out, heads * head_dim) of the last projection and gain (c_out,) of the norm that follows."""
        linear, gain = self.to_out
        assert isinstance(linear, nn.Linear) and isinstance(gain, Gain)
        return linear.weight, gain.g


class Tokens(NamedTuple):
    """What k attentions of H heads make of their tokens, for f frames of b samples, before any pixel is seen.

    It does not depend on the noise: a sampler computes it once. What a run of frames needs besides is cheaper made
    again than kept.
    """

    query: Tensor  # (k, H, d, c_in) of the weights, the norm of the input folded in
    contrast: Tensor  # (k, b, f, H, d) key minus null key, scaled as the logits are
    moves: Tensor  # (k, b, f, H, d) value minus null value
    out: Tensor  # (k, H, d, c_out) last projection, centred over c_out because the norm that follows does so
    constant: Tensor  # (k, c_out) what the null value gives
    gain: Tensor  # (k, c_out) of that norm

    def run(self, frames: slice) -> Tokens:
        """Those of a run of frames."""
        return self._replace(contrast=self.contrast[:, :, frames], moves=self.moves[:, :, frames])


def tokens_of(attentions: Sequence[CrossAttention], tokens: Tensor) -> Tokens:
    """Prepare k attentions for tokens (k, b, f, 2 * c_out), one for each frame."""
    heads = attentions[0].heads
    query = torch.stack([a.to_q.weight for a in attentions]) * torch.stack([a.norm.g for a in attentions])[:, None]
    query = (query - query.mean(-1, keepdim=True)).unflatten(1, (heads, -1))
    to_kv = torch.stack([a.to_kv.weight for a in attentions])
    key_value = torch.bmm(tokens.flatten(1, 2), to_kv.transpose(1, 2)).unflatten(1, tokens.shape[1:3])
    key, value = key_value.unflatten(-1, (2, heads, -1)).unbind(3)
    null_key, null_value = torch.stack([a.null_kv for a in attentions]).unbind(1)
    scale = LOGIT_SCALE * torch.stack([a.q_scale * a.k_scale for a in attentions])
    null_key, null, scale = (x[:, None, None, None] for x in (F.normalize(null_key, dim=-1), null_value, scale))
    out, gain = (torch.stack(parts) for parts in zip(*(a.out for a in attentions), strict=True))
    out = (out - out.mean(1, keepdim=True)).transpose(1, 2).unflatten(1, (heads, -1))
    return Tokens(
        query=query,
        contrast=(F.normalize(key, dim=-1) - null_key) * scale,
        moves=value - null,
        out=out,
        constant=torch.einsum("kd,khdc->kc", null_value, out),
        gain=gain,
    )


def inject(h: Tensor, x: Tensor, tokens: Tokens) -> Tensor:
    """`h` plus the sum of the cross-attentions from `x` to their tokens.

    h (n, p, c_out) and x (n, p, c_in) hold p pixels of the n = b * f frames of `tokens`. Under autocast only the
    queries take the lower precision: the rest is cheap, and the closing norm would enlarge its errors.
    """
    kind = x.device.type
    lower = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
    if lower is None:
        return _inject(h, x, tokens, x.dtype)
    with torch.autocast(kind, enabled=False):
        return _inject(h.float(), x.float(), Tokens(*(value.float() for value in tokens)), lower)


def _inject(h: Tensor, x: Tensor, tokens: Tokens, lower: torch.dtype) -> Tensor:
    contrast, moves = tokens.contrast.flatten(1, 2), tokens.moves.flatten(1, 2)
    kinds, frames, heads, _ = contrast.shape

    # The logit of a gate is q . contrast / |q|, with q a linear map of x.
    toward = torch.matmul(contrast.transpose(1, 2), tokens.query).flatten(0, 1).transpose(0, 1)
    gate = Gates.apply(x, tokens.query.flatten(0, 1), toward, lower).unflatten(1, (kinds, heads))

    # Directions of the output: the null's, then one for each head.
    constant = tokens.constant[:, None, None].expand(-1, frames, 1, -1)
    directions = torch.matmul(moves.transpose(1, 2), tokens.out).transpose(1, 2)
    span = torch.cat((constant, directions), dim=2).transpose(0, 1).flatten(1, 2)  # (n, kinds * (heads + 1), c_out)
    same_kind = torch.eye(kinds, dtype=x.dtype, device=x.device).repeat_interleave(heads + 1, 0)
    gram = torch.bmm(span, span.transpose(1, 2)) * (same_kind @ same_kind.t() / span.shape[-1])
    mix = F.pad(gate, (0, 0, 1, 0), value=1.0)  # (n, kinds, heads + 1, p): weight of each direction
    variance = (torch.bmm(gram, mix.flatten(1, 2)).view_as(mix) * mix).sum(2, keepdim=True)
    scaled = (mix * (variance.clamp(min=0) + EPS).rsqrt()).flatten(1, 2)
    return torch.baddbmm(h, scaled.transpose(1, 2), span * tokens.gain.repeat_interleave(heads + 1, 0))


class Gates(torch.autograd.Function):
    """Sigmoid of ``toward . x / |query x|`` for g gates: x (n, p, c), query (g, d, c), toward (n, g, c) to (n, g, p).

    The queries of all pixels would be the widest tensor of the network and are needed only for their lengths, so they
    are made a few frames at a time, within the cache and in precision `lower`, and made again on the way back.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, query: Tensor, toward: Tensor, lower: torch.dtype) -> Tensor:
        logit = torch.bmm(toward, x.transpose(1, 2))
        inverse = torch.empty_like(logit)
        for part in _parts(x, query):
            length = _queries(x[part].to(lower), query.to(lower)).square_().sum(1)
            inverse[part] = length.unflatten(1, x[part].shape[:2]).transpose(0, 1)
        inverse.clamp_(min=1e-24).rsqrt_()
        logit *= inverse
        gate = logit.sigmoid()
        ctx.save_for_backward(x, query, toward, inverse, logit, gate)
        return gate

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, query, toward, inverse, logit, gate = ctx.saved_tensors
        grad_logit = grad * gate * (1 - gate)
        along = grad_logit * inverse
        grad_toward = torch.bmm(along, x)
        grad_x = torch.bmm(along.transpose(1, 2), toward)
        # d logit / d q = contrast / |q| - logit * q / |q|^2; the first term is `along`, this is the second's factor.
        shrink = along.mul_(logit).mul_(inverse).neg_()
        flat = query.flatten(0, 1)
        grad_query = torch.zeros_like(flat)
        for part in _parts(x, query):
            q = _queries(x[part], query)
            q *= shrink[part].transpose(0, 1).flatten(1)[:, None]
            rows = q.flatten(0, 1)
            grad_query.addmm_(rows, x[part].flatten(0, 1))
            grad_x[part].view(-1, x.shape[-1]).addmm_(rows.t(), flat)
        return grad_x, grad_query.view_as(query), grad_toward, None


def _parts(x: Tensor, query: Tensor) -> list[slice]:
    """Runs of frames whose queries fit into the cache."""
    size = max(1, CACHED // (x.shape[1] * query.shape[0] * query.shape[1]))
    return [slice(start, start + size) for start in range(0, x.shape[0], size)]


def _queries(x: Tensor, query: Tensor) -> Tensor:
    """(n, p, c) to (g, d, n * p)."""
    return (query.flatten(0, 1) @ x.flatten(0, 1).t()).view(*query.shape[:2], -1)
