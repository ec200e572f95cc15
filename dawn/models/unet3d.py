"""The denoising network of the A2V-FDM: a 3-D U-Net over frames of motion (paper 3.3).

Attributes are named after the published state-dict keys, so published weights load unchanged. Maps travel as
(b, f, h, w, c), channels last in memory: every convolution spans one frame (temporal kernel 1) and runs as a 2-D
convolution of b * f images, every projection is a matrix product, and neither copies its input to change the layout.
Frames meet in the temporal attention and in the statistics of the group normalisation, nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.config import UnetModel
from dawn.errors import InputError
from dawn.models.attention import Band, ChannelNorm, FrameAttention, PreNorm, RelativePositionBias, Residual
from dawn.models.conditioning import CrossAttention, Tokens, inject, tokens_of
from dawn.models.frame_chunks import Moments, Runs, fitting

DATA_CHANNELS = 3  # flow x, flow y, occlusion


@dataclass(frozen=True)
class Prepared:
    """All that a video's denoising steps share: nothing here depends on the noise or on the step."""

    stem: Tensor  # (b, h, w, dim): what source features and face mask give to the first convolution
    band: Band  # window, relative bias and rotations of the temporal attention
    tokens: dict[ResBlock, Tokens]  # speech, pose and blink, as each block's cross-attentions take them
    runs: Runs


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

    def prepare(
        self,
        static: Tensor,
        *,
        speech: Tensor,
        pose: Tensor,
        eye: Tensor,
        window: int | None = None,
        working: int | None = None,
        compiled: bool = False,
    ) -> Prepared:
        """What the steps of a video share; a sampler computes it once.

        `static` (b, feature + mask channels, h, w) is the same for all frames. Conditions are (b, f, channels); a
        dropped condition is zeros. `window` is the local attention in frames (paper 3.6; each frame sees half on
        either side), None sees all, as in training. Without gradients, about `working` numbers (None: what suits the
        device) are made at once besides the maps that :meth:`forward` holds; results are the same, to rounding.
        `compiled` runs are compiled for this machine when first met.
        """
        weight = self.init_conv.weight[:, DATA_CHANNELS:].squeeze(2)
        if static.shape[1] != weight.shape[1]:
            raise InputError(
                f"static: expected {weight.shape[1]} channels (source features and mask), got {static.shape[1]}"
            )
        clips, frames = len(static), speech.shape[1]
        conditions = (speech, pose, eye)
        for name, given in zip(("speech", "pose", "eye"), conditions, strict=True):
            if given.shape[:2] != (clips, frames):
                raise InputError(f"{name}: {tuple(given.shape)} does not hold {clips} clips of {frames} frames")
        stem = F.conv2d(static, weight, self.init_conv.bias, padding=weight.shape[-1] // 2)
        return Prepared(
            stem=stem.permute(0, 2, 3, 1),
            band=Band(frames, window, getattr(self, "time_rel_pos_bias", None), static.device),
            tokens={
                block: block.tokens(conditions)
                for block in self.modules()
                if isinstance(block, ResBlock) and block.conditioned
            },
            runs=Runs(None if torch.is_grad_enabled() else working or fitting(static.device), compiled),
        )

    def forward(self, x: Tensor, t: Tensor, video: Prepared) -> Tensor:
        """Noisy motion x (b, 3, f, h, w) at steps t (b,) to the network's prediction of the same shape."""
        halvings = len(self.downs) - 1
        if x.shape[-1] % 2**halvings or x.shape[-2] % 2**halvings:
            raise InputError(f"motion of {x.shape[-2]} x {x.shape[-1]} does not halve {halvings} times")
        if x.shape[0] != len(video.stem) or x.shape[2] != video.band.frames:
            raise InputError(
                f"motion of {x.shape[0]} clips of {x.shape[2]} frames; "
                f"the conditions are of {len(video.stem)} clips of {video.band.frames}"
            )
        first = self._stem(x, video)
        time = self.time_mlp(t)
        x = _attend_frames(self.init_temporal_attn, first, video, keep=True)
        skips: list[Tensor] = []
        for level in self.downs:
            maps = [x]
            del x
            kept, x = level(maps, time, video)
            skips.append(kept)
        del kept
        x = self.mid_block1((x,), video, time)
        x = _attend_pixels(self.mid_spatial_attn, x, video)
        x = _attend_frames(self.mid_temporal_attn, x, video)
        x = self.mid_block2((x,), video, time)
        for level in self.ups:
            maps = [x, skips.pop()]
            del x
            x = level(maps, time, video)[1]
        heads = [convolve(head[0]((x, first), video), head[1]) for head in (self.final_conv, self.occlusion_map)]
        return torch.cat(heads, dim=-1).permute(0, 4, 1, 2, 3)

    def held(self, frames: int, side: int) -> int:
        """Numbers in the maps that :meth:`forward` holds at most for `frames` frames of `side` x `side`.

        Without gradients, each block holds its input and what it makes of it, besides the stem and the skips.
        """

        def numbers(level: int, channels: int) -> int:
            return channels * frames * (side >> level) ** 2

        dims = [self.settings.dim * m for m in (1, *self.settings.multipliers)]
        last = len(dims) - 2
        first = numbers(0, dims[0])
        skips = [numbers(i, dims[i + 1]) for i in range(last + 1)]
        most = 2 * first + numbers(0, dims[0])
        for i in range(last + 1):
            before = first + sum(skips[:i])
            most = max(most, before + max(numbers(i, dims[i]), skips[i]) + skips[i])
            most = max(most, before + sum(skips[i:]) + 2 * skips[-1] if i == last else 0)
            made = numbers(i, dims[i])
            most = max(most, before + 2 * skips[i] + made, before + 2 * made + (numbers(i - 1, dims[i]) if i else 0))
        return most

    def smallest_run(self, frames: int, side: int) -> int:
        """Numbers made at once when runs are one frame, or one pixel of all frames."""
        attention = 9 * self.settings.heads * self.settings.head_dim // 2
        return max(_width(self.settings) * side**2, attention * max(frames, side**2))

    def _stem(self, x: Tensor, video: Prepared) -> Tensor:
        """The first convolution, (b, f, h, w, dim): the share of the noisy channels, and the prepared rest."""
        weight = self.init_conv.weight[:, :DATA_CHANNELS].squeeze(2)

        def run(_: slice, x: Tensor) -> Tensor:
            images = x.flatten(0, 1).permute(0, 3, 1, 2)
            y = F.conv2d(images, weight, padding=weight.shape[-1] // 2).permute(0, 2, 3, 1)
            return y.unflatten(0, x.shape[:2]) + video.stem[:, None]

        return video.runs.over(run, (x.permute(0, 2, 3, 4, 1),), axis=1, width=2 * len(weight))


class Level(nn.ModuleList):
    """Block, block, spatial attention, temporal attention, resampling; numbered as in the published keys."""

    def forward(self, given: list[Tensor], time: Tensor, video: Prepared) -> tuple[Tensor, Tensor]:
        """Maps before and after the resampling, of the channels of all of `given`, which is emptied to free memory."""
        block1, block2, spatial, temporal, resample = self
        assert isinstance(block1, ResBlock)
        x = block1(given, video, time)
        given.clear()
        x = block2((x,), video, time)
        x = _attend_frames(temporal, _attend_pixels(spatial, x, video), video)
        if isinstance(resample, nn.Identity):
            return x, x
        return x, video.runs.over(lambda _, x: convolve(x, resample), (x,), axis=1, width=block1.width)


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

    def forward(self, x: Tensor, moments: Moments) -> Tensor:
        """The convolution of a run of frames (b, f, h, w, c_in), counted in `moments`."""
        y = convolve(x, self.proj)
        moments.add(y)
        return y

    def normalisation(self, moments: Moments) -> tuple[Tensor, Tensor]:
        """Factor and offset (b, c_out) that normalise, once every run was counted."""
        mean, variance = moments.pooled()
        inverse = (variance + self.norm.eps).rsqrt()
        repeat = self.norm.num_channels // self.norm.num_groups
        factor = inverse.repeat_interleave(repeat, 1) * self.norm.weight
        return factor, self.norm.bias - mean.repeat_interleave(repeat, 1) * factor


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
        self.width = _width(settings)
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

    def tokens(self, conditions: Sequence[Tensor]) -> Tokens:
        """Speech, pose and blink (b, f, channels) each, as the cross-attentions take them."""
        mlps = (self.audio_mlp, self.pose_mlp, self.eye_mlp)
        tokens = torch.stack([mlp(given) for mlp, given in zip(mlps, conditions, strict=True)])
        return tokens_of((self.cross_attn_aud, self.cross_attn_pose, self.cross_attn_eye), tokens)

    def forward(self, given: Sequence[Tensor], video: Prepared, time: Tensor | None = None) -> Tensor:
        """Maps of c_in channels together, (b, f, h, w, channels) each, and time (b, time_dim) to c_out channels."""
        if video.runs.working is None:
            given = (_join(given),)
        groups, width = self.block1.norm.num_groups, self.width
        tokens = video.tokens.get(self)

        def enter(_: slice, *given: Tensor) -> Tensor:
            return self.block1(_join(given), moments)

        def condition(run: slice, h: Tensor, *given: Tensor) -> Tensor:
            h = F.silu(torch.addcmul(offset, h, factor))
            if tokens is not None:
                h = inject(_pixels(h), _pixels(_join(given)), tokens.run(run)).view_as(h)
            return self.block2(h, moments)

        def leave(_: slice, h: Tensor, *given: Tensor) -> Tensor:
            return F.silu(torch.addcmul(offset, h, factor)) + convolve(_join(given), self.res_conv)

        moments = Moments(groups)
        h = video.runs.over(enter, given, axis=1, width=width)
        factor, offset = self.block1.normalisation(moments)
        if time is not None:
            scale, shift = self.time_mlp(time).chunk(2, dim=-1)
            factor, offset = factor * (scale + 1), torch.addcmul(shift, offset, scale + 1)
        factor, offset = _everywhere(factor), _everywhere(offset)
        moments = Moments(groups)
        h = video.runs.over(condition, (h, *given), axis=1, width=width, into=h)
        factor, offset = (_everywhere(x) for x in self.block2.normalisation(moments))
        return video.runs.over(leave, (h, *given), axis=1, width=width, into=h)


class LinearAttention(nn.Module):
    """Spatial attention of linear cost within each frame: queries read a (d, d) summary of keys and values."""

    def __init__(self, dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = head_dim**-0.5
        self.to_qkv = nn.Conv2d(dim, 3 * heads * head_dim, 1, bias=False)
        self.to_out = nn.Conv2d(heads * head_dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(b, f, h, w, dim) to the same shape.

        Values and output projection act on the summary, not on pixels: both are linear.
        """
        pixels = _pixels(x)
        to_q, to_k, to_v = self.to_qkv.weight.flatten(1).chunk(3)
        q = F.linear(pixels, to_q).unflatten(-1, (self.heads, -1)).softmax(dim=-1).flatten(-2)
        k = F.linear(pixels, to_k).softmax(dim=1)
        summary = torch.bmm(k.transpose(1, 2), pixels).unflatten(1, (self.heads, -1))
        to_v = to_v.unflatten(0, (self.heads, -1)).transpose(1, 2)
        to_out = self.to_out.weight.flatten(1).t().unflatten(0, (self.heads, -1)) * self.scale
        assert self.to_out.bias is not None
        return (torch.bmm(q, (summary @ to_v @ to_out).flatten(1, 2)) + self.to_out.bias).view_as(x)


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
        """(b, f, p, c) to the same shape."""
        b, _, p, _ = x.shape
        sequences = x.transpose(1, 2).flatten(0, 1).contiguous()
        return self.fn(sequences, band).unflatten(0, (b, p)).transpose(1, 2)


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


def _join(maps: Sequence[Tensor]) -> Tensor:
    return maps[0] if len(maps) == 1 else torch.cat(tuple(maps), dim=-1)


def _everywhere(channels: Tensor) -> Tensor:
    """(b, c), ready to broadcast over frames and pixels."""
    return channels[:, None, None, None]


def _attend_pixels(layer: nn.Module, x: Tensor, video: Prepared) -> Tensor:
    """Spatial attention, on runs of frames."""
    if isinstance(layer, nn.Identity):
        return x
    return video.runs.over(lambda _, x: layer(x), (x,), axis=1, width=_widest(layer), into=x)


def _attend_frames(layer: nn.Module, x: Tensor, video: Prepared, keep: bool = False) -> Tensor:
    """Temporal attention, on runs of pixels; `keep` x, which is used again."""
    if isinstance(layer, nn.Identity):
        return x
    pixels = x.flatten(2, 3)
    out = video.runs.over(
        lambda _, x: layer(x, video.band), (pixels,), axis=2, width=_widest(layer), into=None if keep else pixels
    )
    return out.view_as(x)


def _width(settings: UnetModel) -> int:
    """Numbers that a pixel gives rise to in a block of the first level.

    Runs have as many pixels at every level: lower ones make more of each, but multiply by more weights, which are read
    (and laid out for the convolution) once a run.
    """
    return 6 * settings.dim


def _widest(attention: nn.Module) -> int:
    """Numbers that an attention makes of a token: queries, keys and values, and half as many on the way."""
    weight = next(value for name, value in attention.named_parameters() if name.endswith("to_qkv.weight"))
    return 3 * len(weight) // 2


def _temporal(c: int, settings: UnetModel) -> Residual:
    attention = FrameAttention(c, settings.heads, settings.head_dim, min(32, settings.head_dim))
    return Residual(PreNorm(ChannelNorm(c), OverFrames(attention)))


def _has(levels: tuple[int, ...] | None, level: int | None) -> bool:
    """Whether a level (None: the middle) has an attention."""
    return levels is None or level is None or level in levels


def _resample(kind: type[nn.Conv3d] | type[nn.ConvTranspose3d], c: int) -> nn.Module:
    """Halve (convolution) or double (its transpose) the side of each frame."""
    return kind(c, c, (1, 4, 4), stride=(1, 2, 2), padding=(0, 1, 1))
