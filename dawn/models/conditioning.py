"""Cross-attention from pixels to one condition token per frame (paper 3.3), computed as a gate with two outcomes.

A query attends to two keys, the frame's token and a learned null. With logits s(q, k) the softmax over both is a
sigmoid g = sigmoid(s(q, k) - s(q, k_null)), and a head returns ``v_null + g (v - v_null)``. Everything after it is
linear up to the last layer normalisation, so for each frame the output lies in the span of H + 1 directions (H heads):
the attention reduces to H gates a pixel and one small matrix a frame. The input needs no layer normalisation either:
the subtraction of its mean folds into the query weights, and its scale cancels when queries are normalised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

LOGIT_SCALE = 8.0  # of the cosine between query and key (published)
EPS = 1e-5  # of the last layer normalisation
QUERY_ELEMENTS = 2**17  # elements of queries computed at once


class Gain(nn.Module):
    """Gain ``g`` (dim,) of a layer normalisation without offset."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(dim))


class CrossAttention(nn.Module):
    """Weights of one cross-attention, named as published; :func:`add_cross_attentions` computes several at once."""

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


class ConditionTokens(NamedTuple):
    """Projections of k cross-attentions of H heads that depend only on the condition tokens of b samples of f frames.

    They are independent of the noisy motion: a sampler computes them once. Everything else that a chunk of frames needs
    costs less to recompute than to store.
    """

    query: Tensor  # (k, H, d, c_in) query weights with the input's normalisation folded in
    key_difference: Tensor  # (k, b, f, H, d) key minus null key, times the scale of the logits
    value_difference: Tensor  # (k, b, f, H, d) value minus null value
    out: Tensor  # (k, H, d, c_out) last projection, centred over c_out because the norm that follows centres
    null_output: Tensor  # (k, c_out) projection of the null value
    gain: Tensor  # (k, c_out) of the last norm

    def of_frames(self, frames: slice) -> ConditionTokens:
        """Return the tokens of a chunk of frames."""
        return self._replace(
            key_difference=self.key_difference[:, :, frames], value_difference=self.value_difference[:, :, frames]
        )


def project_tokens(attentions: Sequence[CrossAttention], tokens: Tensor) -> ConditionTokens:
    """Project tokens (k, b, f, 2 * c_out), one for each frame, for k cross-attentions."""
    heads = attentions[0].heads
    # W_q diag(g) (x - mean(x)) = (W_q diag(g) - row means) x: the norm of the input becomes part of the weights.
    query = torch.stack([a.to_q.weight for a in attentions]) * torch.stack([a.norm.g for a in attentions])[:, None]
    query = rearrange(query - query.mean(-1, keepdim=True), "k (heads d) c -> k heads d c", heads=heads)
    # Keys and values of the tokens.
    to_kv = torch.stack([a.to_kv.weight for a in attentions])
    key_value = torch.bmm(tokens.flatten(1, 2), to_kv.transpose(1, 2)).unflatten(1, tokens.shape[1:3])
    key, value = rearrange(key_value, "k b f (two heads d) -> two k b f heads d", two=2, heads=heads)
    null_key, null_value = torch.stack([a.null_kv for a in attentions]).unbind(1)
    scale = LOGIT_SCALE * torch.stack([a.q_scale * a.k_scale for a in attentions])
    null_key, null, scale = (x[:, None, None, None] for x in (F.normalize(null_key, dim=-1), null_value, scale))
    # Output projection, centred over its channels.
    out, gain = (torch.stack(weights) for weights in zip(*(a.out for a in attentions), strict=True))
    out = rearrange(out - out.mean(1, keepdim=True), "k c (heads d) -> k heads d c", heads=heads)
    return ConditionTokens(
        query=query,
        key_difference=(F.normalize(key, dim=-1) - null_key) * scale,
        value_difference=value - null,
        out=out,
        null_output=torch.einsum("kd,khdc->kc", null_value, out),
        gain=gain,
    )


def add_cross_attentions(h: Tensor, x: Tensor, tokens: ConditionTokens) -> Tensor:
    """Add to `h` the sum of the k cross-attentions from `x` to their tokens.

    h (n, p, c_out) and x (n, p, c_in) hold p pixels of the n = b * f frames of `tokens`. Under autocast only the
    queries take the lower precision: the rest is cheap, and the last normalisation would amplify its errors.
    """
    kind = x.device.type
    lower = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
    if lower is None:
        return _add_cross_attentions(h, x, tokens, x.dtype)
    with torch.autocast(kind, enabled=False):
        return _add_cross_attentions(h.float(), x.float(), ConditionTokens(*(value.float() for value in tokens)), lower)


def _add_cross_attentions(h: Tensor, x: Tensor, tokens: ConditionTokens, lower: torch.dtype) -> Tensor:
    key_difference, value_difference = tokens.key_difference.flatten(1, 2), tokens.value_difference.flatten(1, 2)
    kinds, frames, heads, _ = key_difference.shape

    # Gates g = sigmoid(q . (k - k_null) / |q|). As q = W_q x, the numerator is x . W_q^T (k - k_null).
    toward = torch.matmul(key_difference.transpose(1, 2), tokens.query)
    toward = rearrange(toward, "k heads n c -> n (k heads) c")
    gate = Gates.apply(x, tokens.query.flatten(0, 1), toward, lower).unflatten(1, (kinds, heads))

    # Directions of the output: W_o v_null, then W_o (v - v_null) of each head.
    null_output = tokens.null_output[:, None, None].expand(-1, frames, 1, -1)
    directions = torch.matmul(value_difference.transpose(1, 2), tokens.out).transpose(1, 2)
    span = rearrange(torch.cat((null_output, directions), dim=2), "k n directions c -> n (k directions) c")

    # Layer normalisation of sum_i m_i u_i (weights m, directions u): its variance is m^T G m with the Gram matrix
    # G = U U^T / c_out, because every direction is centred. Different attentions do not mix.
    same_kind = torch.eye(kinds, dtype=x.dtype, device=x.device).repeat_interleave(heads + 1, 0)
    gram = torch.bmm(span, span.transpose(1, 2)) * (same_kind @ same_kind.t() / span.shape[-1])
    mix = F.pad(gate, (0, 0, 1, 0), value=1.0)  # (n, kinds, heads + 1, p): weight of each direction
    variance = (torch.bmm(gram, mix.flatten(1, 2)).view_as(mix) * mix).sum(2, keepdim=True)
    scaled = (mix * (variance.clamp(min=0) + EPS).rsqrt()).flatten(1, 2)
    return torch.baddbmm(h, scaled.transpose(1, 2), span * tokens.gain.repeat_interleave(heads + 1, 0))


class Gates(torch.autograd.Function):
    """Sigmoid of ``toward . x / |query x|`` for g gates: x (n, p, c), query (g, d, c), toward (n, g, c) to (n, g, p).

    The queries of all pixels would be the largest tensor of the network, and only their lengths are needed. They are
    computed for a few frames at a time, within the cache and in precision `lower`, and recomputed in the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, query: Tensor, toward: Tensor, lower: torch.dtype) -> Tensor:
        """Compute the gates (n, g, p) and save the intermediate results of the backward pass."""
        # Numerator toward . x, and 1 / |q| of the queries q = query x, chunk by chunk.
        logit = torch.bmm(toward, x.transpose(1, 2))
        inverse = torch.empty_like(logit)
        for chunk in _query_chunks(x, query):
            squared = _queries(x[chunk].to(lower), query.to(lower)).square_().sum(1)
            inverse[chunk] = squared.unflatten(1, x[chunk].shape[:2]).transpose(0, 1)
        inverse.clamp_(min=1e-24).rsqrt_()
        logit *= inverse
        gate = logit.sigmoid()
        ctx.save_for_backward(x, query, toward, inverse, logit, gate)
        return gate

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Compute the gradients of x, query and toward from that of the gates; queries are recomputed."""
        x, query, toward, inverse, logit, gate = ctx.saved_tensors
        # Through the sigmoid, then through the numerator toward . x.
        grad_logit = grad * gate * (1 - gate)
        grad_numerator = grad_logit * inverse
        grad_toward = torch.bmm(grad_numerator, x)
        grad_x = torch.bmm(grad_numerator.transpose(1, 2), toward)
        # Through the denominator |q|: d logit / d q = -logit * q / |q|^2, and q = query x.
        factor = grad_numerator.mul_(logit).mul_(inverse).neg_()
        flat = query.flatten(0, 1)
        grad_query = torch.zeros_like(flat)
        for chunk in _query_chunks(x, query):
            q = _queries(x[chunk], query)
            q *= factor[chunk].transpose(0, 1).flatten(1)[:, None]
            grad_q = q.flatten(0, 1)
            grad_query.addmm_(grad_q, x[chunk].flatten(0, 1))
            grad_x[chunk].view(-1, x.shape[-1]).addmm_(grad_q.t(), flat)
        return grad_x, grad_query.view_as(query), grad_toward, None


def _query_chunks(x: Tensor, query: Tensor) -> list[slice]:
    """Split the frames into chunks whose queries fit into the cache."""
    size = max(1, QUERY_ELEMENTS // (x.shape[1] * query.shape[0] * query.shape[1]))
    return [slice(start, start + size) for start in range(0, x.shape[0], size)]


def _queries(x: Tensor, query: Tensor) -> Tensor:
    """Compute the queries (g, d, n * p) of pixels (n, p, c)."""
    return (query.flatten(0, 1) @ x.flatten(0, 1).t()).view(*query.shape[:2], -1)
