"""Attention over frames: local windows, padding, rotary positions, relative bias."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dawn.models.attention import (
    LocalAttentionMask,
    RelativePositionBias,
    attend,
    relative_bucket,
    rotary_frequencies,
    rotate,
)


def dense(q: Tensor, k: Tensor, v: Tensor, reach: int, bias: Tensor) -> Tensor:
    frame = torch.arange(q.shape[2])
    logits = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5 + bias
    logits = logits.masked_fill((frame - frame[:, None]).abs() > reach, -torch.inf)
    return logits.softmax(dim=-1) @ v


@pytest.mark.parametrize(("frames", "window"), [(150, 16), (150, 17), (150, 0), (97, 32), (96, 32), (9, 4), (1, 4)])
def test_local_attention_equals_masked_attention(frames: int, window: int) -> None:
    torch.manual_seed(frames)
    q, k, v = torch.randn(3, 2, 4, frames, 8, requires_grad=True)
    bias = RelativePositionBias(4)
    frame = torch.arange(frames)
    expected = dense(q, k, v, window // 2, bias(frame - frame[:, None]))
    computed = attend(q, k, v, LocalAttentionMask(frames, window, bias))
    torch.testing.assert_close(computed, expected, rtol=1e-5, atol=1e-6)
    table = bias.relative_attention_bias.weight
    one, two = (torch.autograd.grad(out.square().sum(), table)[0] for out in (computed, expected))
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(
            attend(q, k, v, LocalAttentionMask(frames, window, bias)), expected, rtol=1e-5, atol=1e-6
        )


def test_attention_ignores_padding() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 100, 8)
    valid = torch.arange(100) < torch.tensor([[100], [70]])
    for window in (None, 100):
        computed = attend(q, k, v, LocalAttentionMask(100, window), valid)
        unpadded = attend(q[1:, :, :70], k[1:, :, :70], v[1:, :, :70], LocalAttentionMask(70, window))
        torch.testing.assert_close(computed[1:, :, :70], unpadded, rtol=1e-5, atol=1e-6)


def test_rotary_logits_depend_on_distance_only() -> None:
    torch.manual_seed(0)
    q, k = torch.randn(2, 1, 12)
    freqs = rotary_frequencies(8)

    def logit(i: int, j: int) -> Tensor:
        return (rotate(q, freqs, torch.tensor([i])) * rotate(k, freqs, torch.tensor([j]))).sum()

    torch.testing.assert_close(logit(3, 10), logit(103, 110), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(logit(3, 10), logit(3, 11))
    x = torch.randn(2, 7, 12)
    rotated = rotate(x, freqs)
    assert torch.equal(rotated[..., 8:], x[..., 8:])
    torch.testing.assert_close(rotated[:, 0], x[:, 0])
    angle = 5 * freqs[1]
    expected = x[:, 5, 2] * angle.cos() - x[:, 5, 3] * angle.sin()
    torch.testing.assert_close(rotated[:, 5, 2], expected)
    torch.testing.assert_close(rotate(x.double(), freqs).float(), rotated)


@pytest.mark.parametrize("buckets", [32, 128])
def test_buckets_are_exact_near_and_saturate_far(buckets: int) -> None:
    half, exact = buckets // 2, buckets // 4
    distance = torch.arange(-300, 301)
    bucket = relative_bucket(distance, buckets, buckets)
    positive, negative = bucket[distance > 0], bucket[distance <= 0].flip(0)
    assert torch.equal(positive, negative[1:] + half)
    assert torch.equal(negative[:exact], torch.arange(exact))
    assert bool((negative.diff() >= 0).all()) and int(negative.max()) == half - 1
    assert int(negative[buckets]) == half - 1 and int(negative[buckets // 2]) < half - 1
