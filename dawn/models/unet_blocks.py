"""Blocks of the 3-D U-Net (paper 3.3): conditioned residual blocks, spatial and temporal attention, convolutions.

Attributes are named after the published state-dict keys. Maps are (b, f, h, w, c), channels last in memory: every
convolution spans one frame (temporal kernel 1) and runs as a 2-D convolution of b * f images, every projection is a
matrix product, and neither copies its input to change the layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from dawn.config import UnetModel
from dawn.models.attention import ChannelNorm, FrameAttention, LocalAttentionMask, PreNorm, Residual
from dawn.models.conditioning import (
    ConditionTokens,
    CrossAttention,
    Directions,
    add_cross_attentions,
    project_tokens,
)
from dawn.models.frame_chunks import FrameChunks
from dawn.models.group_norm import GroupStatistics, NormalisedSilu, scale_and_shift, silu_of_affine

_AFFINE = ("weight", "bias")  # parameters of a linear layer or a normalisation


class ConvNorm(nn.Module):
    """Convolution of 3 x 3, then group normalisation over the channels of a group, frames and pixels of a sample."""

    def __init__(self, c_in: int, c_out: int, groups: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(c_in, c_out, (1, 3, 3), padding=(0, 1, 1))
        self.norm = nn.GroupNorm(groups, c_out)

    def forward(self, x: Tensor, statistics: GroupStatistics) -> Tensor:
        """Convolve a chunk of frames (b, f, h, w, c_in) and add the result to `statistics`."""
        y = convolve(x, self.proj)
        if not _differentiates():
            statistics.update(y)
        return y

    def activation(self, statistics: GroupStatistics, style: Style | None = None) -> Callable[[Tensor], Tensor]:
        """Return the SiLU of the normalisation, as a function of chunks, once `statistics` contain every chunk.

        `style` replaces its weight and bias.
        """
        weight, bias = style or Style(self.norm.weight, self.norm.bias)
        groups, eps = self.norm.num_groups, self.norm.eps
        if _differentiates():
            return lambda y: NormalisedSilu.apply(y, weight, bias, groups, eps)
        mean, variance = statistics.mean_and_variance()
        scale, shift = scale_and_shift(mean, (variance + eps).rsqrt(), weight, bias)
        return partial(silu_of_affine, scale=scale, shift=shift)


def _differentiates() -> bool:
    """Return whether gradients are computed, by operations that are not compiled: of a single chunk."""
    return torch.is_grad_enabled() and not torch.compiler.is_compiling()


class Style(NamedTuple):
    """Weight and bias (b, c) of a group normalisation, of which the diffusion step is part."""

    weight: Tensor
    bias: Tensor


class TimeStyles:
    """Styles of all conditioned `blocks` for a diffusion step: one matrix product, instead of a small one a block.

    The step scales and shifts the normalised maps of a block's first convolution: y (s + 1) + u, where y = w x + b is
    the normalisation. That is a normalisation of weight w (s + 1) and bias b (s + 1) + u.
    """

    def __init__(self, blocks: Sequence[ResBlock]) -> None:
        linears = [block.time_mlp[1] for block in blocks]
        self.channels = [block.block1.norm.num_channels for block in blocks]
        halves = [[linear.get_parameter(name).chunk(2) for linear in linears] for name in _AFFINE]
        weights, biases = ([torch.cat(half) for half in zip(*parts, strict=True)] for parts in halves)
        self.weight = torch.cat(weights)  # (2 c, time_dim) for c channels of all blocks
        self.bias = torch.cat((biases[0] + 1, biases[1]))
        self.norm = Style(*(torch.cat([block.block1.norm.get_parameter(n) for block in blocks]) for n in _AFFINE))

    def __call__(self, time: Tensor) -> list[Style]:
        """Compute the style of each block for the embedded steps `time` (b, time_dim)."""
        scale, shift = F.linear(F.silu(time), self.weight, self.bias).chunk(2, dim=-1)
        weight, bias = scale * self.norm.weight, torch.addcmul(shift, scale, self.norm.bias)
        return [
            Style(*pair) for pair in zip(weight.split(self.channels, -1), bias.split(self.channels, -1), strict=True)
        ]


class ResBlock(nn.Module):
    """Residual block of two convolutions, conditioned between them on diffusion step, speech, pose and blink.

    The step scales and shifts the first convolution's output. Each condition of a frame is one token of a
    cross-attention from the block's input; the outputs of the three are added. A block without conditions (`time_dim`
    None) never computes its cross-attentions: it has their weights because the published weights do, and does not train
    them.
    """

    def __init__(
        self, c_in: int, c_out: int, settings: UnetModel, time_dim: int | None, widths: tuple[int, int, int]
    ) -> None:
        super().__init__()
        self.conditioned = time_dim is not None
        self.width = activation_width(settings)
        if time_dim is not None:
            self.time_mlp = nn.Sequential(nn.SiLU(), nn.Linear(time_dim, 2 * c_out))
            self.audio_mlp, self.pose_mlp, self.eye_mlp = (
                nn.Sequential(
                    nn.SiLU() if settings.condition_activation == "silu" else nn.Identity(), nn.Linear(width, 2 * c_out)
                )
                for width in widths
            )
        self.cross_attn_aud, self.cross_attn_pose, self.cross_attn_eye = (
            CrossAttention(c_in, c_out, settings.cross_heads, settings.cross_head_dim).requires_grad_(self.conditioned)
            for _ in widths
        )
        self.block1 = ConvNorm(c_in, c_out, settings.groups)
        self.block2 = ConvNorm(c_out, c_out, settings.groups)
        self.res_conv = nn.Conv3d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(
        self,
        maps: Sequence[Tensor],
        chunks: FrameChunks,
        tokens: ConditionTokens | Directions | None = None,
        style: Style | None = None,
    ) -> Tensor:
        """Apply the block to `maps` (b, f, h, w, channels), concatenated to c_in channels.

        `style` is that of the diffusion step (:class:`TimeStyles`). Returns (b, f, h, w, c_out).
        """
        if chunks.length(maps[0], 1, self.width) == maps[0].shape[1]:
            maps = (_concatenate(maps),)
        groups, width = self.block1.norm.num_groups, self.width

        def convolve_input(_: slice, *maps: Tensor) -> Tensor:
            return self.block1(_concatenate(maps), statistics)

        def condition(chunk: slice, h: Tensor, *maps: Tensor) -> Tensor:
            h = activation(h)
            if tokens is not None:
                x = _concatenate(maps)
                h = add_cross_attentions(_pixels(h), _pixels(x), tokens.directions(chunk, h.dtype)).view_as(h)
            return self.block2(h, statistics)

        def add_input(_: slice, h: Tensor, *maps: Tensor) -> Tensor:
            return activation(h) + convolve(_concatenate(maps), self.res_conv)

        # Convolution of all frames: its normalisation needs the statistics of every chunk.
        statistics = GroupStatistics(groups, chunks.frame_weights)
        h = chunks.map(convolve_input, maps, axis=1, width=width)
        activation = self.block1.activation(statistics, style)
        # Cross-attentions to speech, pose and blink, then the second convolution.
        statistics = GroupStatistics(groups, chunks.frame_weights)
        h = chunks.map(condition, (h, *maps), axis=1, width=width, into=h)
        activation = self.block2.activation(statistics)
        return chunks.map(add_input, (h, *maps), axis=1, width=width, into=h)


def project_conditions(blocks: Sequence[ResBlock], conditions: Sequence[Tensor]) -> list[ConditionTokens]:
    """Project speech, pose and blink, (b, f, channels) each, to the tokens of the cross-attentions of `blocks`."""
    by_kind = []
    for mlps, condition in zip(
        zip(*((block.audio_mlp, block.pose_mlp, block.eye_mlp) for block in blocks), strict=True),
        conditions,
        strict=True,
    ):
        # The mlps of all blocks are an activation, the same one, and a linear layer: one product.
        weight, bias = (torch.cat([mlp[1].get_parameter(name) for mlp in mlps]) for name in _AFFINE)
        projected = F.linear(mlps[0][0](condition), weight, bias)
        by_kind.append(projected.split([mlp[1].out_features for mlp in mlps], dim=-1))
    tokens = [torch.stack(kinds) for kinds in zip(*by_kind, strict=True)]
    attentions = [(block.cross_attn_aud, block.cross_attn_pose, block.cross_attn_eye) for block in blocks]
    return project_tokens(attentions, tokens)


class LinearAttention(nn.Module):
    """Spatial attention of linear cost within each frame: queries read a (d, d) summary of keys and values."""

    def __init__(self, dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = head_dim**-0.5
        self.to_qkv = nn.Conv2d(dim, 3 * heads * head_dim, 1, bias=False)
        self.to_out = nn.Conv2d(heads * head_dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Attend within each frame of (b, f, h, w, dim), to the same shape.

        softmax(q) (softmax(k)^T v) W_o. Values and output projection are linear, so they are applied to the summary
        softmax(k)^T x of each head instead of every pixel.
        """
        pixels = _pixels(x)
        to_q, to_k, to_v = self.to_qkv.weight.flatten(1).chunk(3)
        q = F.linear(pixels, to_q).unflatten(-1, (self.heads, -1)).softmax(dim=-1).flatten(-2)  # over channels
        k = F.linear(pixels, to_k).softmax(dim=1)  # over pixels
        summary = torch.bmm(k.transpose(1, 2), pixels)
        summary = rearrange(summary, "n (heads d) c -> heads (n d) c", heads=self.heads)
        to_v = rearrange(to_v, "(heads d) c -> heads c d", heads=self.heads)
        to_out = rearrange(self.to_out.weight.flatten(1), "c (heads d) -> heads d c", heads=self.heads) * self.scale
        assert self.to_out.bias is not None
        summary = torch.bmm(torch.bmm(summary, to_v), to_out)
        summary = rearrange(summary, "heads (n d) c -> n (heads d) c", n=len(pixels))
        return (torch.bmm(q, summary) + self.to_out.bias).view_as(x)


class PixelAttention(nn.Module):
    """Softmax attention among the pixels of a frame."""

    def __init__(self, dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(dim, 3 * heads * head_dim, bias=False)
        self.to_out = nn.Linear(heads * head_dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Attend among the pixels of (n, pixels, dim), to the same shape."""
        q, k, v = rearrange(self.to_qkv(x), "n p (three heads d) -> three n heads p d", three=3, heads=self.heads)
        return self.to_out(rearrange(F.scaled_dot_product_attention(q, k, v), "n heads p d -> n p (heads d)"))


class OverPixels(nn.Module):
    """Wrapper that applies `fn` to the pixels of each frame as a sequence."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, f, h, w, c) to the same shape."""
        return self.fn(_pixels(x)).view_as(x)


class OverFrames(nn.Module):
    """Wrapper that applies `fn` to the frames of each pixel as a sequence."""

    def __init__(self, fn: FrameAttention) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor, mask: LocalAttentionMask) -> Tensor:
        """Map (b, f, p, c) to the same shape."""
        b, _, p, _ = x.shape
        sequences = x.transpose(1, 2).flatten(0, 1).contiguous()
        return rearrange(self.fn(sequences, mask), "(b p) f c -> b f p c", b=b, p=p)


def temporal_attention(c: int, settings: UnetModel) -> Residual:
    """Build the attention over the frames of each pixel, with its normalisation and residual connection."""
    attention = FrameAttention(c, settings.heads, settings.head_dim, min(32, settings.head_dim))
    return Residual(PreNorm(ChannelNorm(c), OverFrames(attention)))


def attend_pixels(layer: nn.Module, x: Tensor, chunks: FrameChunks) -> Tensor:
    """Apply the spatial attention `layer` in chunks of frames; overwrites x (b, f, h, w, c)."""
    if isinstance(layer, nn.Identity):
        return x
    return chunks.map(lambda _, x: layer(x), (x,), axis=1, width=attention_width(layer), into=x)


def attend_frames(
    layer: nn.Module, x: Tensor, mask: LocalAttentionMask, chunks: FrameChunks, keep: bool = False
) -> Tensor:
    """Apply the temporal attention `layer` in chunks of pixels; overwrites x (b, f, h, w, c) unless `keep`."""
    if isinstance(layer, nn.Identity):
        return x
    pixels = x.flatten(2, 3)
    out = chunks.map(
        lambda _, x: layer(x, mask), (pixels,), axis=2, width=attention_width(layer), into=None if keep else pixels
    )
    return out.view_as(x)


def convolve(x: Tensor, layer: nn.Module) -> Tensor:
    """Apply a 3-D convolution of temporal kernel 1 frame by frame to (b, f, h, w, c); an identity returns `x`."""
    if isinstance(layer, nn.Identity):
        return x
    assert isinstance(layer, nn.Conv3d | nn.ConvTranspose3d)
    weight, bias, stride = layer.weight.squeeze(2), layer.bias, layer.stride[1:]
    x = x.to(weight.dtype)
    if layer.kernel_size == (1, 1, 1):
        return F.linear(x, weight.flatten(1), bias)
    assert isinstance(layer.padding, tuple)
    images = frame_images(x)
    conv = F.conv2d if isinstance(layer, nn.Conv3d) else F.conv_transpose2d
    out = conv(images, weight, bias, stride, layer.padding[1:])
    return rearrange(out, "(b f) c h w -> b f h w c", b=x.shape[0], f=x.shape[1])


def frame_images(x: Tensor) -> Tensor:
    """Reshape frames (b, f, h, w, c) to images (b * f, c, h, w), channels last in memory, by a copy if necessary."""
    return rearrange(x, "b f h w c -> (b f) h w c").permute(0, 3, 1, 2)


def activation_width(settings: UnetModel) -> int:
    """Return the elements of activations for each pixel in a block of the first level.

    Chunks have the same number of pixels at every level: lower levels compute more for each pixel, but multiply it by
    more weights, which are read (and laid out for the convolution) once a chunk.
    """
    return 6 * settings.dim


def attention_width(attention: nn.Module) -> int:
    """Return the elements of activations per token of an attention: 1.5 times queries, keys and values."""
    weight = next(value for name, value in attention.named_parameters() if name.endswith("to_qkv.weight"))
    return 3 * len(weight) // 2


def _pixels(x: Tensor) -> Tensor:
    return rearrange(x, "b f h w c -> (b f) (h w) c")


def _concatenate(maps: Sequence[Tensor]) -> Tensor:
    return maps[0] if len(maps) == 1 else torch.cat(tuple(maps), dim=-1)
