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
from torch.utils.checkpoint import checkpoint

from dawn.precision import widened

LOGIT_SCALE = 8.0  # of the cosine between query and key (published)
EPS = 1e-5  # of the last layer normalisation
CPU_QUERIES, GPU_QUERIES = 2**17, 2**30  # elements of queries computed at once


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

    They are independent of the noisy motion: a sampler computes them once. All are at least float32. The g = k * H
    heads of all attentions are one axis.
    """

    query: Tensor  # (g, d, c_in) query weights with the input's normalisation folded in
    key_difference: Tensor  # (g, b, f, d) key minus null key, times the scale of the logits
    value_difference: Tensor  # (g, b, f, d) value minus null value
    out: Tensor  # (g, d, c_out) last projection, centred over c_out because the norm that follows centres
    null_output: Tensor  # (k, 1, c_out) projection of the null value
    gain: Tensor  # (k, 1, c_out) of the last norm
    same_kind: Tensor  # (g + k, g + k) 1 between directions of one attention, else 0
    epsilon: Tensor  # (g + k, g + k) that of the last norm, where the weight of a null value meets itself

    def directions(self, frames: slice, dtype: torch.dtype) -> Directions:
        """Compute what the attention reduces to for a chunk of frames, for maps of `dtype`.

        It is many times larger than the tokens, and costs little: a CPU, whose memory is slower than its arithmetic,
        computes it at every pass.
        """
        key_difference, value_difference = (
            values[:, :, frames].flatten(1, 2) for values in (self.key_difference, self.value_difference)
        )
        # Gates g = sigmoid(q . (k - k_null) / |q|). As q = W_q x, the numerator is x . W_q^T (k - k_null).
        toward = torch.bmm(key_difference, self.query).transpose(0, 1)
        # Directions of the output: W_o v_null, then W_o (v - v_null) of each head.
        by_head = torch.bmm(value_difference, self.out).unflatten(0, (len(self.gain), -1)).permute(2, 0, 1, 3)
        by_kind = torch.cat((self.null_output.expand(len(toward), -1, -1, -1), by_head), dim=2)
        span = by_kind.flatten(1, 2)
        # Layer normalisation of sum_i m_i u_i (weights m, directions u): its variance is m^T G m with the Gram matrix
        # G = U U^T / c_out, because every direction is centred. Different attentions do not mix. The weight of the null
        # value is 1, so that its entry of G takes the epsilon of the normalisation.
        products = torch.bmm(span, span.transpose(1, 2))
        gram = torch.addcmul(self.epsilon, products, self.same_kind, value=1 / span.shape[-1])
        gained = (by_kind * self.gain).flatten(1, 2)
        toward = toward.to(dtype, memory_format=torch.contiguous_format).contiguous()
        return Directions(self.query.to(dtype), toward, gram, gained.to(dtype))


class Directions(NamedTuple):
    """Cross-attentions of n = b * f frames to their tokens, reduced to g = k * H gates a pixel and g + k directions."""

    query: Tensor  # (g, d, c_in)
    toward: Tensor  # (n, g, c_in) the numerator of a gate's logit is toward . x
    gram: Tensor  # (n, g + k, g + k) at least float32: the variance of the output is m^T G m
    span: Tensor  # (n, g + k, c_out) directions of the output, after the gain of the last norm

    def directions(self, frames: slice, dtype: torch.dtype) -> Directions:
        """Return these directions, which are of all frames."""
        return self


def project_tokens(blocks: Sequence[Sequence[CrossAttention]], tokens: Sequence[Tensor]) -> list[ConditionTokens]:
    """Project the `tokens` (k, b, f, 2 * c_out) of each block, one for each frame, for its k cross-attentions.

    What has the same size in all blocks is computed for all of them at once, in few operations.
    """
    heads, kinds = blocks[0][0].heads, len(blocks[0])
    attentions = [attention for block in blocks for attention in block]
    # Keys and values of the tokens, and how they differ from those of the null.
    key_value = torch.cat([_keys_and_values(*pair) for pair in zip(blocks, tokens, strict=True)])
    key, value = rearrange(key_value, "k b f (two heads d) -> two k heads b f d", two=2, heads=heads).contiguous()
    null_key, null_value = torch.stack([a.null_kv for a in attentions]).unbind(1)
    scale = LOGIT_SCALE * torch.stack([a.q_scale for a in attentions]) * torch.stack([a.k_scale for a in attentions])
    null_key, null, scale = (x[:, None, None, None] for x in (F.normalize(null_key, dim=-1), null_value, scale))
    key_difference = ((F.normalize(key, dim=-1) - null_key) * scale).flatten(0, 1).chunk(len(blocks))
    value_difference = (value - null).flatten(0, 1).chunk(len(blocks))
    null_values = null_value.repeat(1, heads)[:, None].chunk(len(blocks))
    # Which directions of an output belong to the same attention; the first one is that of its null value.
    kind = torch.arange(kinds, device=key.device).repeat_interleave(heads + 1)
    same_kind = (kind == kind[:, None]).to(key.dtype)
    first = (torch.arange(len(kind), device=key.device) % (heads + 1) == 0).to(key.dtype)
    epsilon = (EPS * first).diag()
    projected = []
    for index, block in enumerate(blocks):
        # W_q diag(g) (x - mean(x)) = (W_q diag(g) - row means) x: the norm of the input becomes part of the weights.
        query = torch.stack([a.to_q.weight for a in block]) * torch.stack([a.norm.g for a in block])[:, None]
        # Output projection, centred over its channels.
        out, gain = (torch.stack(weights) for weights in zip(*(a.out for a in block), strict=True))
        out = (out - out.mean(1, keepdim=True)).transpose(1, 2).contiguous()
        tokens_of_block = ConditionTokens(
            query=(query - query.mean(-1, keepdim=True)).unflatten(1, (heads, -1)).flatten(0, 1),
            key_difference=key_difference[index],
            value_difference=value_difference[index],
            out=out.unflatten(1, (heads, -1)).flatten(0, 1),
            null_output=torch.bmm(null_values[index], out),
            gain=gain[:, None],
            same_kind=same_kind,
            epsilon=epsilon,
        )
        projected.append(tokens_of_block)
    return projected


def _keys_and_values(attentions: Sequence[CrossAttention], tokens: Tensor) -> Tensor:
    """Compute keys and values (k, b, f, 2 * H * d) of tokens (k, b, f, 2 * c_out)."""
    to_kv = torch.stack([a.to_kv.weight for a in attentions])
    return torch.bmm(tokens.flatten(1, 2), to_kv.transpose(1, 2)).unflatten(1, tokens.shape[1:3])


def add_cross_attentions(h: Tensor, x: Tensor, directions: Directions) -> Tensor:
    """Add to `h` the sum of the k cross-attentions from `x` to the tokens of `directions`; overwrites h.

    h (n, p, c_out) and x (n, p, c_in) hold p pixels of n frames.
    """
    kinds = directions.span.shape[1] - directions.query.shape[0]
    arguments = x, directions.query, directions.toward, kinds
    if not torch.compiler.is_compiling():
        mix = Gates.apply(*arguments)
    elif torch.is_grad_enabled():
        mix = checkpoint(Gates.forward_plainly, *arguments, use_reentrant=False, preserve_rng_state=False)
    else:
        mix = Gates.forward_plainly(*arguments)
    variance = (torch.bmm(directions.gram, mix.flatten(1, 2)).view_as(mix) * mix).sum(2, keepdim=True)
    deviation = variance.clamp(min=EPS).rsqrt()
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        scaled = (mix * deviation).to(h.dtype)
    else:
        scaled = torch.mul(mix, deviation, out=torch.empty_like(mix, dtype=h.dtype))
    return h.baddbmm_(scaled.flatten(1, 2).transpose(1, 2), directions.span)


class Gates(torch.autograd.Function):
    """Weights of the directions of k attentions, (n, k, H + 1, p): 1 for the null value, then a gate for each head.

    The g = k * H gates are the sigmoid of ``toward . x / |query x|`` for x (n, p, c), query (g, d, c) and toward (n, g,
    c).

    The queries of all pixels would be the largest tensor of the network, and only their lengths are needed. They are
    computed for a few frames at a time, and recomputed in the backward pass. Operands may have a lower precision than
    float32, which lengths, logits and gates have at least.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, query: Tensor, toward: Tensor, kinds: int) -> Tensor:
        """Compute the weights and save the intermediate results of the backward pass."""
        numerator, length = _numerator_and_length(x, query, toward)
        logit = (numerator / length).unflatten(1, (kinds, -1))
        heads = logit.shape[2]
        mix = torch.ones(*logit.shape[:2], heads + 1, logit.shape[3], dtype=logit.dtype, device=logit.device)
        torch.sigmoid(logit, out=mix[:, :, 1:])
        ctx.save_for_backward(x, query, toward, numerator, length, mix)
        return mix

    @staticmethod
    def forward_plainly(x: Tensor, query: Tensor, toward: Tensor, kinds: int) -> Tensor:
        """Compute the weights by operations that a compiler fuses."""
        numerator, length = _numerator_and_length(x, query, toward)
        logit = (numerator / length).unflatten(1, (kinds, -1))
        return F.pad(logit.sigmoid(), (0, 0, 1, 0), value=1.0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Compute the gradients of x, query and toward from that of the weights; queries are recomputed."""
        x, query, toward, numerator, length, mix = ctx.saved_tensors
        # Through the sigmoid, then through the numerator toward . x.
        gate = mix[:, :, 1:]
        inverse = length.reciprocal()
        grad_numerator = (grad[:, :, 1:] * gate * (1 - gate)).flatten(1, 2) * inverse
        lowered = grad_numerator.to(x.dtype)
        grad_toward = torch.bmm(lowered, x)
        grad_x = torch.bmm(lowered.transpose(1, 2), toward)
        # Through the denominator |q|: d logit / d q = -logit * q / |q|^2, and q = query x.
        factor = grad_numerator.mul_(numerator).mul_(inverse.square_().neg_())
        flat = query.flatten(0, 1)
        grad_query = torch.zeros(flat.shape, dtype=factor.dtype, device=flat.device)
        for chunk in _chunks(x, query):
            q = _queries(x[chunk], query)
            q *= factor[chunk].transpose(0, 1).flatten(1)[:, None]
            grad_q = q.flatten(0, 1)
            if grad_q.dtype == grad_query.dtype:
                grad_query.addmm_(grad_q, x[chunk].flatten(0, 1))
            else:  # sums over chunks are float32
                grad_query += grad_q @ x[chunk].flatten(0, 1)
            grad_x[chunk].view(-1, x.shape[-1]).addmm_(grad_q.t(), flat)
        return grad_x, grad_query.view_as(query).to(query.dtype), grad_toward, None


def _numerator_and_length(x: Tensor, query: Tensor, toward: Tensor) -> tuple[Tensor, Tensor]:
    """Compute toward . x and |q| (n, g, p) of the queries q = query x, which are computed chunk by chunk."""
    lengths = [_lengths(_queries(x[chunk], query)) for chunk in _chunks(x, query)]
    length = lengths[0] if len(lengths) == 1 else torch.cat(lengths, dim=1)
    return torch.bmm(toward, x.transpose(1, 2)), length.unflatten(1, x.shape[:2]).transpose(0, 1)


def _chunks(x: Tensor, query: Tensor) -> list[slice]:
    """Split the frames into chunks whose queries fit into the cache of a CPU, or into a part of a GPU's memory."""
    if torch.compiler.is_compiling():
        return [slice(None)]
    elements = CPU_QUERIES if x.device.type == "cpu" else GPU_QUERIES
    size = max(1, elements // (x.shape[1] * query.shape[0] * query.shape[1]))
    return [slice(start, start + size) for start in range(0, x.shape[0], size)]


def _queries(x: Tensor, query: Tensor) -> Tensor:
    """Compute the queries (g, d, n * p) of pixels (n, p, c)."""
    return (query.flatten(0, 1) @ x.flatten(0, 1).t()).view(*query.shape[:2], -1)


def _lengths(queries: Tensor) -> Tensor:
    """Compute the lengths (g, n * p) of queries (g, d, n * p), at least float32 and positive; may overwrite them."""
    if torch.compiler.is_compiling():  # for gradients, which need every intermediate result
        return widened(queries).square().sum(1).clamp(min=1e-24).sqrt()
    if queries.device.type == "cpu":  # whose vector_norm takes five times as long
        return widened(queries).square_().sum(1).clamp_(min=1e-24).sqrt_()
    dtype = torch.promote_types(queries.dtype, torch.float32)
    return torch.linalg.vector_norm(queries, dim=1, dtype=dtype).clamp_(min=1e-12)
