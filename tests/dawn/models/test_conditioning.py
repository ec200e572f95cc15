"""Gated cross-attention against softmax attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.models.conditioning import CrossAttention, add_cross_attentions, project_tokens


def plain_cross_attention(x: Tensor, layer: CrossAttention, token: Tensor) -> Tensor:
    """Cross-attention by its definition: softmax over the null key and one token, both layer normalisations."""
    n, p, _ = x.shape
    normal = F.layer_norm(x, x.shape[-1:], layer.norm.g, None, 1e-5)
    q = layer.to_q(normal).view(n, p, layer.heads, -1).transpose(1, 2)
    k, v = layer.to_kv(token).view(n, 2, layer.heads, 1, -1).unbind(1)
    null_k, null_v = layer.null_kv.expand(n, layer.heads, 1, 2, -1).unbind(3)
    k = F.normalize(torch.cat((null_k, k), dim=2), dim=-1) * layer.k_scale
    q = F.normalize(q, dim=-1) * layer.q_scale
    weights = (8 * q @ k.transpose(-2, -1)).softmax(dim=-1)
    out = layer.to_out[0]((weights @ torch.cat((null_v, v), dim=2)).transpose(1, 2).flatten(2))
    return F.layer_norm(out, out.shape[-1:], layer.to_out[1].g, None, 1e-5)


def test_gated_cross_attention_equals_softmax_and_its_gradients() -> None:
    torch.manual_seed(0)
    layers = nn.ModuleList(CrossAttention(6, 8, 2, 4) for _ in range(3)).double()
    for value in layers.parameters():
        nn.init.normal_(value)
    h = torch.randn(3, 5, 8, dtype=torch.float64)
    x = torch.randn(3, 5, 6, dtype=torch.float64, requires_grad=True)
    tokens = torch.randn(3, 3, 16, dtype=torch.float64, requires_grad=True)
    (projected,) = project_tokens([list(layers)], [tokens[:, None]])
    directions = projected.directions(slice(None), h.dtype)
    computed = add_cross_attentions(h.clone(), x, directions)
    expected = h + sum(plain_cross_attention(x, layer, token) for layer, token in zip(layers, tokens, strict=True))
    torch.testing.assert_close(
        computed, expected, rtol=1e-6, atol=1e-6
    )  # the first norm's eps, which the gate does not have
    variables = [x, tokens, *layers.parameters()]
    gradient = torch.randn_like(computed)
    for one, two in zip(
        torch.autograd.grad(computed, variables, gradient),
        torch.autograd.grad(expected, variables, gradient),
        strict=True,
    ):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)
