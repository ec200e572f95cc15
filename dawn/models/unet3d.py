"""The denoising network of the A2V-FDM: a 3-D U-Net over frames of motion (paper 3.3).

Attributes are named after the published state-dict keys, so published weights load unchanged. Maps travel as
(b, f, h, w, c), channels last in memory: every convolution spans one frame (temporal kernel 1) and runs as a 2-D
convolution of b * f images, every projection is a matrix product, and neither copies its input to change the layout.
Frames meet in the temporal attention and in the statistics of the group normalisation, nowhere else.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.config import UnetModel
from dawn.errors import InputError
from dawn.models.attention import Band, ChannelNorm, FrameAttention, PreNorm, RelativePositionBias, Residual, in_parts
from dawn.models.conditioning import CrossAttention, inject

DATA_CHANNELS = 3  # flow x, flow y, occlusion

Conditions = tuple[Tensor, Tensor, Tensor]  # speech, pose and eyes, (b, f, channels) each


class UNet3D(nn.Module):
    """Predicts the noise (or what ``Diffusion.objective`` names) of noisy motion, for all frames at once."""

    def __init__(
        self, settings: UnetModel, speech_dim: int, feature_channels: int, pose_dim: int = 6, eye_dim: int = 2
    ) -> None:
        super().__init__()
        self.settings = settings
        widths = (speech_dim, pose_dim, eye_dim)
        dim, time_dim = settings.dim, 4 * settings.dim
        channels = [dim, *(dim * m for m in settings.multipliers)]
        levels = range(len(settings.multipliers))
        kernel = settings.init_kernel

        def block(c_in: int, c_out: int, conditioned: bool = True) -> ResBlock:
            return ResBlock(c_in, c_out, settings, time_dim if conditioned else None, widths)

        def temporal(c: int, level: int | None = None) -> nn.Module:
            return _temporal(c, settings) if _has(settings.temporal_levels, level) else nn.Identity()

        def spatial(c: int, level: int) -> nn.Module:
            if not _has(settings.spatial_levels, level):
                return nn.Identity()
            attention = LinearAttention(c, settings.heads, settings.head_dim)
            return Residual(PreNorm(ChannelNorm(c), attention))

        if settings.relative_bias:
            self.time_rel_pos_bias = RelativePositionBias(settings.heads)
        c_static = feature_channels + settings.mask_channels[1]
        self.init_conv = nn.Conv3d(
            DATA_CHANNELS + c_static, dim, (1, kernel, kernel), padding=(0, kernel // 2, kernel // 2)
        )
        self.init_temporal_attn = temporal(dim, -1)
        self.time_mlp = nn.Sequential(
            TimeEmbedding(dim), nn.Linear(dim, time_dim), nn.GELU(), nn.Linear(time_dim, time_dim)
        )
        self.downs = nn.ModuleList()
        self.ups = nn.ModuleList()
        for i in levels:
            c_in, c = channels[i], channels[i + 1]
            resample = _resample(nn.Conv3d, c) if i < levels[-1] else nn.Identity()
            self.downs.append(Level([block(c_in, c), block(c, c), spatial(c, i), temporal(c, i), resample]))
        for i in reversed(levels):
            c, c_out = channels[i + 1], channels[i]
            resample = _resample(nn.ConvTranspose3d, c_out) if i > 0 else nn.Identity()
            self.ups.append(
                Level([block(2 * c, c_out), block(c_out, c_out), spatial(c_out, i), temporal(c_out, i), resample])
            )
        mid = channels[-1]
        self.mid_block1 = block(mid, mid)
        self.mid_spatial_attn = Residual(
            PreNorm(ChannelNorm(mid), OverPixels(PixelAttention(mid, settings.heads, settings.head_dim)))
        )
        self.mid_temporal_attn = temporal(mid)
        self.mid_block2 = block(mid, mid)
        self.final_conv = nn.Sequential(block(2 * dim, dim, conditioned=False), nn.Conv3d(dim, 2, 1))
        self.occlusion_map = nn.Sequential(block(2 * dim, dim, conditioned=False), nn.Conv3d(dim, 1, 1))

    def static_stem(self, static: Tensor) -> Tensor:
        """What the source gives to the first convolution: (b, feature + mask channels, h, w) to (b, h, w, dim).

        Source features and face mask are the same for all frames and all sampling steps; a sampler computes this once.
        """
        weight = self.init_conv.weight[:, DATA_CHANNELS:].squeeze(2)
        if static.shape[1] != weight.shape[1]:
            raise InputError(
                f"static: expected {weight.shape[1]} channels (source features and mask), got {static.shape[1]}"
            )
        return F.conv2d(static, weight, self.init_conv.bias, padding=weight.shape[-1] // 2).permute(0, 2, 3, 1)

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        static: Tensor | None = None,
        *,
        speech: Tensor,
        pose: Tensor,
        eye: Tensor,
        static_stem: Tensor | None = None,
        window: int | None = None,
    ) -> Tensor:
        """Noisy motion x (b, 3, f, h, w) at steps t (b,) to the network's prediction of the same shape.

        Give either `static` (b, feature + mask channels, h, w) or what :meth:`static_stem` made of it. Conditions are
        (b, f, channels); a dropped condition is zeros. `window` is the local attention in frames (paper 3.6; each
        frame sees half on either side), None sees all, as in training.
        """
        if (static is None) == (static_stem is None):
            raise InputError("give exactly one of static and static_stem")
        side = 2 ** (len(self.downs) - 1)
        if x.shape[-1] % side or x.shape[-2] % side:
            raise InputError(f"motion of {x.shape[-2]} x {x.shape[-1]} does not halve {len(self.downs) - 1} times")
        source = self.static_stem(static) if static is not None else static_stem
        assert source is not None
        frames = x.shape[2]
        band = Band(frames, window, getattr(self, "time_rel_pos_bias", None), x.device)
        conditions = (speech, pose, eye)
        for name, given in zip(("speech", "pose", "eye"), conditions, strict=True):
            if given.shape[:2] != (x.shape[0], frames):
                raise InputError(f"{name}: {tuple(given.shape)} does not hold {x.shape[0]} clips of {frames} frames")

        x = self._stem(x) + source[:, None]
        first = x
        x = _attend_frames(self.init_temporal_attn, x, band)
        time = self.time_mlp(t)
        skips = []
        for level in self.downs:
            kept, x = level(x, time, conditions, band)
            skips.append(kept)
        x = self.mid_block1(x, time, conditions)
        x = _attend_frames(self.mid_temporal_attn, self.mid_spatial_attn(x), band)
        x = self.mid_block2(x, time, conditions)
        for level in self.ups:
            _, x = level(torch.cat((x, skips.pop()), dim=-1), time, conditions, band)
        x = torch.cat((x, first), dim=-1)
        heads = [convolve(head[0](x), head[1]) for head in (self.final_conv, self.occlusion_map)]
        return torch.cat(heads, dim=-1).permute(0, 4, 1, 2, 3)

    def _stem(self, x: Tensor) -> Tensor:
        """The first convolution's share of the noisy channels, (b, f, h, w, dim)."""
        weight = self.init_conv.weight[:, :DATA_CHANNELS].squeeze(2)
        images = x.permute(0, 2, 3, 4, 1).flatten(0, 1).permute(0, 3, 1, 2)
        y = F.conv2d(images, weight, padding=weight.shape[-1] // 2)
        return y.permute(0, 2, 3, 1).unflatten(0, (x.shape[0], x.shape[2]))


class Level(nn.ModuleList):
    """Block, block, spatial attention, temporal attention, resampling; numbered as in the published keys."""

    def forward(self, x: Tensor, time: Tensor, conditions: Conditions, band: Band) -> tuple[Tensor, Tensor]:
        """Maps before and after the resampling."""
        block1, block2, spatial, temporal, resample = self
        x = block2(block1(x, time, conditions), time, conditions)
        x = _attend_frames(temporal, spatial(x), band)
        return x, convolve(x, resample)


class TimeEmbedding(nn.Module):
    """Sines and cosines of the diffusion step."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.waves = dim // 2

    def forward(self, t: Tensor) -> Tensor:
        """Steps (b,) to (b, dim)."""
        scale = -math.log(10000) / max(1, self.waves - 1)
        rates = torch.exp(torch.arange(self.waves, device=t.device) * scale)
        angles = t[:, None] * rates
        return torch.cat((angles.sin(), angles.cos()), dim=-1)


class ConvNorm(nn.Module):
    """A 3 x 3 convolution, then group normalisation over the channels of a group, frames and pixels of a sample."""

    def __init__(self, c_in: int, c_out: int, groups: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(c_in, c_out, (1, 3, 3), padding=(0, 1, 1))
        self.norm = nn.GroupNorm(groups, c_out)

    def forward(self, x: Tensor) -> Tensor:
        y = convolve(x, self.proj)
        return self.norm(y.flatten(1, 2).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).view_as(y)


class ResBlock(nn.Module):
    """Two convolutions; between them enter the diffusion step and, frame by frame, speech, pose and blink.

    The step scales and shifts the first one's output. Each condition is one token of a cross-attention from the
    block's input; what the three return is added. A block without conditions (`time_dim` None) never runs its
    cross-attentions: it owns their weights because the published weights hold them, and does not train them.
    """

    def __init__(
        self, c_in: int, c_out: int, settings: UnetModel, time_dim: int | None, widths: tuple[int, int, int]
    ) -> None:
        super().__init__()
        self.conditioned = time_dim is not None
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

    def forward(self, x: Tensor, time: Tensor | None = None, conditions: Conditions | None = None) -> Tensor:
        """x (b, f, h, w, c_in), time (b, time_dim), conditions (b, f, channels) each, to (b, f, h, w, c_out)."""
        h = self.block1(x)
        if self.conditioned:
            assert time is not None and conditions is not None
            scale, shift = self.time_mlp(time)[:, None, None, None].chunk(2, dim=-1)
            h = F.silu(torch.addcmul(shift, h, scale + 1))
            mlps = (self.audio_mlp, self.pose_mlp, self.eye_mlp)
            tokens = torch.stack([mlp(given.flatten(0, 1)) for mlp, given in zip(mlps, conditions, strict=True)])
            attentions = (self.cross_attn_aud, self.cross_attn_pose, self.cross_attn_eye)
            h = inject(_pixels(h), _pixels(x), attentions, tokens).view_as(h)
        else:
            h = F.silu(h)
        h = F.silu(self.block2(h))
        return h + convolve(x, self.res_conv)


class LinearAttention(nn.Module):
    """Spatial attention of linear cost within each frame: queries read a (d, d) summary of keys and values."""

    def __init__(self, dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = head_dim**-0.5
        self.to_qkv = nn.Conv2d(dim, 3 * heads * head_dim, 1, bias=False)
        self.to_out = nn.Conv2d(heads * head_dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, f, h, w, dim) to the same shape."""
        return in_parts(self._frames, _pixels(x), self.to_qkv.out_channels).view_as(x)

    def _frames(self, x: Tensor) -> Tensor:
        qkv = F.linear(x, self.to_qkv.weight.flatten(1))
        q, k, v = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        summary = k.softmax(dim=-2).transpose(-2, -1) @ v
        out = (q.softmax(dim=-1) * self.scale) @ summary
        return F.linear(out.transpose(1, 2).flatten(2), self.to_out.weight.flatten(1), self.to_out.bias)


class PixelAttention(nn.Module):
    """Softmax attention among the pixels of a frame."""

    def __init__(self, dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(dim, 3 * heads * head_dim, bias=False)
        self.to_out = nn.Linear(heads * head_dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, pixels, dim) to the same shape."""
        q, k, v = self.to_qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.to_out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class OverPixels(nn.Module):
    """Gives `fn` the pixels of each frame as a sequence."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        return self.fn(_pixels(x)).view_as(x)


class OverFrames(nn.Module):
    """Gives `fn` the frames of each pixel as a sequence."""

    def __init__(self, fn: FrameAttention) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor, band: Band) -> Tensor:
        b, f, h, w, c = x.shape
        sequences = x.permute(0, 2, 3, 1, 4).reshape(b * h * w, f, c)
        out = in_parts(lambda part: self.fn(part, band), sequences, self.fn.to_qkv.out_features)
        return out.view(b, h, w, f, c).permute(0, 3, 1, 2, 4)


def convolve(x: Tensor, layer: nn.Module) -> Tensor:
    """A 3-D convolution of temporal kernel 1, run frame by frame on (b, f, h, w, c); an identity returns `x`."""
    if isinstance(layer, nn.Identity):
        return x
    assert isinstance(layer, nn.Conv3d | nn.ConvTranspose3d)
    weight, bias, stride = layer.weight.squeeze(2), layer.bias, layer.stride[1:]
    if layer.kernel_size == (1, 1, 1):
        return F.linear(x, weight.flatten(1), bias)
    assert isinstance(layer.padding, tuple)
    images = x.flatten(0, 1).permute(0, 3, 1, 2)
    run = F.conv2d if isinstance(layer, nn.Conv3d) else F.conv_transpose2d
    return run(images, weight, bias, stride, layer.padding[1:]).permute(0, 2, 3, 1).unflatten(0, x.shape[:2])


def _pixels(x: Tensor) -> Tensor:
    """(b, f, h, w, c) to (b * f, h * w, c)."""
    return x.flatten(0, 1).flatten(1, 2)


def _attend_frames(layer: nn.Module, x: Tensor, band: Band) -> Tensor:
    return x if isinstance(layer, nn.Identity) else layer(x, band)


def _temporal(c: int, settings: UnetModel) -> Residual:
    attention = FrameAttention(c, settings.heads, settings.head_dim, min(32, settings.head_dim))
    return Residual(PreNorm(ChannelNorm(c), OverFrames(attention)))


def _has(levels: tuple[int, ...] | None, level: int | None) -> bool:
    """Whether a level (None: the middle) has an attention."""
    return levels is None or level is None or level in levels


def _resample(kind: type[nn.Conv3d] | type[nn.ConvTranspose3d], c: int) -> nn.Module:
    """Halve (convolution) or double (its transpose) the side of each frame."""
    return kind(c, c, (1, 4, 4), stride=(1, 2, 2), padding=(0, 1, 1))
