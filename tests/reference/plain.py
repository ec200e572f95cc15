"""The networks as a textbook writes them: what the engine must equal, and what it is timed against.

Never used to generate. Every frame meets every other in dense masked attention, the source is repeated for every frame
and step, conditions are prepared anew at each call, a token is attended to by a softmax over two keys, layers are
PyTorch's own on (b, c, f, h, w). Weights are those of the engine's networks: the state dicts are the same.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.config import UnetModel
from dawn.models.attention import Rotary, relative_bucket
from dawn.models.lfg import LatentFlowGenerator

FAR = -1e8  # added to the logits of frames outside the window


class PlainUNet3D(nn.Module):
    """:class:`dawn.models.unet3d.UNet3D`, plainly. For all levels with attention and relative bias, as published."""

    def __init__(self, settings: UnetModel, speech_dim: int, feature_channels: int) -> None:
        super().__init__()
        dim, time_dim = settings.dim, 4 * settings.dim
        channels = [dim, *(dim * m for m in settings.multipliers)]
        last = len(settings.multipliers) - 1
        self.dim = dim
        self.widths = (speech_dim, 6, 2)

        def block(c_in: int, c_out: int, conditioned: bool = True) -> Block:
            return Block(c_in, c_out, settings, time_dim if conditioned else None, self.widths)

        def temporal(c: int) -> Attended:
            return Attended(c, Fn(TemporalAttention(c, settings.heads, settings.head_dim)))

        def spatial(c: int) -> Attended:
            return Attended(c, SpatialAttention(c, settings.heads, settings.head_dim))

        kernel = settings.init_kernel
        self.time_rel_pos_bias = nn.ModuleDict({"relative_attention_bias": nn.Embedding(32, settings.heads)})
        self.init_conv = nn.Conv3d(
            3 + feature_channels + settings.mask_channels[1],
            dim,
            (1, kernel, kernel),
            padding=(0, kernel // 2, kernel // 2),
        )
        self.init_temporal_attn = temporal(dim)
        self.time_mlp = nn.Sequential(nn.Identity(), nn.Linear(dim, time_dim), nn.GELU(), nn.Linear(time_dim, time_dim))
        self.downs = nn.ModuleList()
        self.ups = nn.ModuleList()
        for i, (c_in, c) in enumerate(pairwise(channels)):
            halve = nn.Conv3d(c, c, (1, 4, 4), (1, 2, 2), (0, 1, 1)) if i < last else nn.Identity()
            self.downs.append(nn.ModuleList([block(c_in, c), block(c, c), spatial(c), temporal(c), halve]))
        mid = channels[-1]
        self.mid_block1 = block(mid, mid)
        self.mid_spatial_attn = Attended(mid, Fn(PixelAttention(mid, settings.heads, settings.head_dim)))
        self.mid_temporal_attn = temporal(mid)
        self.mid_block2 = block(mid, mid)
        for i in range(last, -1, -1):
            c, c_out = channels[i + 1], channels[i]
            double = nn.ConvTranspose3d(c_out, c_out, (1, 4, 4), (1, 2, 2), (0, 1, 1)) if i > 0 else nn.Identity()
            self.ups.append(
                nn.ModuleList([block(2 * c, c_out), block(c_out, c_out), spatial(c_out), temporal(c_out), double])
            )
        self.final_conv = nn.Sequential(block(2 * dim, dim, conditioned=False), nn.Conv3d(dim, 2, 1))
        self.occlusion_map = nn.Sequential(block(2 * dim, dim, conditioned=False), nn.Conv3d(dim, 1, 1))

    def forward(
        self, x: Tensor, t: Tensor, static: Tensor, *, speech: Tensor, pose: Tensor, eye: Tensor, window: int | None
    ) -> Tensor:
        """As the engine: x (b, 3, f, h, w), t (b,), static (b, c, h, w), conditions (b, f, channels)."""
        frames = x.shape[2]
        position = torch.arange(frames, device=x.device)
        distance = position[None, :] - position[:, None]
        bias = self.time_rel_pos_bias["relative_attention_bias"](relative_bucket(distance, 32, 32)).permute(2, 0, 1)
        if window is not None:
            bias = bias + torch.where(distance.abs() > window // 2, FAR, 0.0)
        conditions = (speech, pose, eye)

        x = self.init_conv(torch.cat((x, static[:, :, None].expand(-1, -1, frames, -1, -1)), dim=1))
        first = x
        x = self.init_temporal_attn(x, bias)
        waves = torch.exp(torch.arange(self.dim // 2, device=t.device) * (-math.log(10000) / (self.dim // 2 - 1)))
        angles = t[:, None] * waves
        time = self.time_mlp(torch.cat((angles.sin(), angles.cos()), dim=-1))
        skips = []
        for level in self.downs:
            skip, x = _level(level, x, time, conditions, bias)
            skips.append(skip)
        x = self.mid_block1(x, time, conditions)
        x = self.mid_temporal_attn(self.mid_spatial_attn(x), bias)
        x = self.mid_block2(x, time, conditions)
        for level in self.ups:
            x = _level(level, torch.cat((x, skips.pop()), dim=1), time, conditions, bias)[1]
        x = torch.cat((x, first), dim=1)
        return torch.cat((self.final_conv(x), self.occlusion_map(x)), dim=1)


class Block(nn.Module):
    """Two convolutions with group normalisation; step, speech, pose and blink between them."""

    def __init__(
        self, c_in: int, c_out: int, settings: UnetModel, time_dim: int | None, widths: tuple[int, int, int]
    ) -> None:
        super().__init__()
        self.conditioned = time_dim is not None
        if time_dim is not None:
            self.time_mlp = nn.Sequential(nn.SiLU(), nn.Linear(time_dim, 2 * c_out))
            self.audio_mlp, self.pose_mlp, self.eye_mlp = (
                nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * c_out)) for width in widths
            )
        self.cross_attn_aud, self.cross_attn_pose, self.cross_attn_eye = (
            TokenAttention(c_in, c_out, settings.cross_heads, settings.cross_head_dim) for _ in widths
        )
        self.block1, self.block2 = (
            nn.ModuleDict(
                {
                    "proj": nn.Conv3d(c, c_out, (1, 3, 3), padding=(0, 1, 1)),
                    "norm": nn.GroupNorm(settings.groups, c_out),
                }
            )
            for c in (c_in, c_out)
        )
        self.res_conv = nn.Conv3d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(
        self, x: Tensor, time: Tensor | None = None, conditions: tuple[Tensor, Tensor, Tensor] | None = None
    ) -> Tensor:
        h = self.block1["norm"](self.block1["proj"](x))
        if time is not None:
            scale, shift = self.time_mlp(time)[:, :, None, None, None].chunk(2, dim=1)
            h = h * (scale + 1) + shift
        h = F.silu(h)
        if conditions is not None:
            speech, pose, eye = conditions
            h = h + self.cross_attn_pose(x, self.pose_mlp(pose))
            h = h + self.cross_attn_aud(x, self.audio_mlp(speech))
            h = h + self.cross_attn_eye(x, self.eye_mlp(eye))
        h = F.silu(self.block2["norm"](self.block2["proj"](h)))
        return h + self.res_conv(x)


class Gained(nn.Module):
    """Layer normalisation over the last axis with a gain ``g``."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.g, None, 1e-5)


class TokenAttention(nn.Module):
    """Each pixel attends to a learned null key and to the one token of its frame."""

    def __init__(self, c_in: int, c_out: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.null_kv = nn.Parameter(torch.randn(2, head_dim))
        self.q_scale = nn.Parameter(torch.ones(head_dim))
        self.k_scale = nn.Parameter(torch.ones(head_dim))
        self.norm = Gained(c_in)
        self.to_q = nn.Linear(c_in, heads * head_dim, bias=False)
        self.to_kv = nn.Linear(2 * c_out, 2 * heads * head_dim, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * head_dim, c_out, bias=False), Gained(c_out))

    def forward(self, x: Tensor, token: Tensor) -> Tensor:
        """x (b, c_in, f, h, w) and token (b, f, 2 * c_out) to (b, c_out, f, h, w)."""
        b, _, f, h, w = x.shape
        pixels = x.permute(0, 2, 3, 4, 1).reshape(b * f, h * w, -1)
        q = self.to_q(self.norm(pixels)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.to_kv(token.flatten(0, 1)).unflatten(-1, (2, self.heads, 1, -1)).unbind(1)
        null_k, null_v = (null.expand_as(k) for null in self.null_kv)
        k, v = torch.cat((null_k, k), dim=2), torch.cat((null_v, v), dim=2)
        q, k = F.normalize(q, dim=-1) * self.q_scale, F.normalize(k, dim=-1) * self.k_scale
        out = (8 * q @ k.transpose(-2, -1)).softmax(dim=-1) @ v
        out = self.to_out(out.transpose(1, 2).flatten(2))
        return out.view(b, f, h, w, -1).permute(0, 4, 1, 2, 3)


class Normal(nn.Module):
    """Layer normalisation over channels with a gain ``gamma``."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, c, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, dim=1, keepdim=True, unbiased=False)
        return (x - mean) / (variance + 1e-5).sqrt() * self.gamma


class Attended(nn.Module):
    """The input plus attention to its normalised channels; nested as the published keys are."""

    def __init__(self, c: int, attention: nn.Module) -> None:
        super().__init__()
        self.fn = nn.ModuleDict({"norm": Normal(c), "fn": attention})

    def forward(self, x: Tensor, *given: Tensor) -> Tensor:
        """(b, c, f, h, w) to the same shape."""
        return x + self.fn["fn"](self.fn["norm"](x), *given)


class Fn(nn.Module):
    """One more level of nesting in the keys."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor, *given: Tensor) -> Tensor:
        return self.fn(x, *given)


class TemporalAttention(nn.Module):
    """All frames of a pixel attend to all frames; logits outside the window are pushed far down."""

    def __init__(self, c: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.rotary_emb = Rotary(min(32, head_dim))
        self.to_qkv = nn.Linear(c, 3 * heads * head_dim, bias=False)
        self.to_out = nn.Linear(heads * head_dim, c, bias=False)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """(b, c, f, h, w) to the same shape; bias (heads, f, f)."""
        tokens = x.permute(0, 3, 4, 2, 1)
        q, k, v = (y.unflatten(-1, (self.heads, -1)).transpose(-3, -2) for y in self.to_qkv(tokens).chunk(3, dim=-1))
        angles = torch.arange(x.shape[2], device=x.device)[:, None] * self.rotary_emb.freqs
        cos, sin = angles.cos().repeat_interleave(2, dim=-1), angles.sin().repeat_interleave(2, dim=-1)
        q, k = (_rotated(y, cos, sin) for y in (q * q.shape[-1] ** -0.5, k))
        out = (q @ k.transpose(-2, -1) + bias).softmax(dim=-1) @ v
        return self.to_out(out.transpose(-3, -2).flatten(-2)).permute(0, 4, 3, 1, 2)


class SpatialAttention(nn.Module):
    """Attention of linear cost among the pixels of a frame."""

    def __init__(self, c: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Conv2d(c, 3 * heads * head_dim, 1, bias=False)
        self.to_out = nn.Conv2d(heads * head_dim, c, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, f, h, w) to the same shape."""
        b, _, f, h, w = x.shape
        frames = x.transpose(1, 2).flatten(0, 1)
        q, k, v = (y.flatten(2).unflatten(1, (self.heads, -1)) for y in self.to_qkv(frames).chunk(3, dim=1))
        q = q.softmax(dim=-2) * q.shape[-2] ** -0.5
        context = k.softmax(dim=-1) @ v.transpose(-2, -1)
        out = (context.transpose(-2, -1) @ q).flatten(1, 2).view(b * f, -1, h, w)
        return self.to_out(out).unflatten(0, (b, f)).transpose(1, 2)


class PixelAttention(nn.Module):
    """Softmax attention among the pixels of a frame."""

    def __init__(self, c: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(c, 3 * heads * head_dim, bias=False)
        self.to_out = nn.Linear(heads * head_dim, c, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, f, h, w) to the same shape."""
        b, _, f, h, w = x.shape
        tokens = x.permute(0, 2, 3, 4, 1).reshape(b * f, h * w, -1)
        q, k, v = (y.unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in self.to_qkv(tokens).chunk(3, dim=-1))
        out = (q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)).softmax(dim=-1) @ v
        return self.to_out(out.transpose(1, 2).flatten(2)).view(b, f, h, w, -1).permute(0, 4, 1, 2, 3)


def _level(
    level: nn.Module, x: Tensor, time: Tensor, conditions: tuple[Tensor, Tensor, Tensor], bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Two blocks, spatial and temporal attention of a level; then resampled too."""
    assert isinstance(level, nn.ModuleList)
    block1, block2, spatial, temporal, resample = level
    x = temporal(spatial(block2(block1(x, time, conditions), time, conditions)), bias)
    return x, resample(x)


def decode_plainly(lfg: LatentFlowGenerator, source: Tensor, flow: Tensor, occlusion: Tensor) -> Tensor:
    """Images (n, 3, S, S) of motions flow (n, q, q, 2) and occlusion (n, 1, q, q), the source encoded for each one."""
    frames = []
    for i in range(len(flow)):
        frames.append(lfg.decode(source, lfg.encode(source), flow[i : i + 1], occlusion[i : i + 1]))
    return torch.cat(frames)


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Pairs (2i, 2i + 1) of the first channels of x (..., n, d) turned; cos and sin are (n, turned)."""
    turned, rest = x[..., : cos.shape[-1]], x[..., cos.shape[-1] :]
    even, odd = turned[..., 0::2], turned[..., 1::2]
    return torch.cat((turned * cos + torch.stack((-odd, even), dim=-1).flatten(-2) * sin, rest), dim=-1)
