"""Denoising network of the A2V-FDM: a 3-D U-Net over frames of motion (paper 3.3).

Attributes are named after the published state-dict keys, so published weights load unchanged. Frames exchange
information in the temporal attention and in the statistics of the group normalisation only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from dawn.config import UnetModel
from dawn.errors import InputError
from dawn.models.attention import (
    ChannelNorm,
    FrameAttention,
    LocalAttentionMask,
    PreNorm,
    RelativePositionBias,
    Residual,
)
from dawn.models.conditioning import ConditionTokens, Directions
from dawn.models.frame_chunks import FrameChunks, default_activations
from dawn.models.unet_blocks import (
    LinearAttention,
    OverPixels,
    PixelAttention,
    ResBlock,
    Style,
    TimeStyles,
    activation_width,
    attend_frames,
    attend_pixels,
    convolve,
    frame_images,
    project_conditions,
    temporal_attention,
)

DATA_CHANNELS = 3  # flow x, flow y, occlusion


@dataclass(frozen=True)
class ConditionCache:
    """Tensors that all denoising steps of a video share: none depends on the noisy motion or on the step."""

    stem: Tensor  # (b, h, w, dim) contribution of source features and face mask to the first convolution
    mask: LocalAttentionMask  # window, relative bias and rotations of the temporal attention
    tokens: Mapping[ResBlock, ConditionTokens | Directions]  # speech, pose and blink for each block's cross-attentions
    styles: TimeStyles
    recompute: bool  # activations are computed again in the backward pass
    chunks: FrameChunks

    def run(self, layer: Callable[..., Tensor], *arguments: object) -> Tensor:
        """Compute ``layer(*arguments)``, without its activations if gradients recompute them."""
        if not self.recompute or not torch.is_grad_enabled():
            return layer(*arguments)
        computed: Tensor = checkpoint(layer, *arguments, use_reentrant=False, preserve_rng_state=False)
        return computed


class UNet3D(nn.Module):
    """Predictor of the noise (or the quantity of ``Diffusion.objective``) in noisy motion, for all frames at once."""

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
            return temporal_attention(c, settings) if _has(settings.temporal_levels, level) else nn.Identity()

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
        activations: int | None = None,
        padding: int | Tensor = 0,
        recompute: bool = False,
    ) -> ConditionCache:
        """Compute the tensors that all denoising steps of a video share.

        `static` (b, feature + mask channels, h, w) is the same for all frames. Conditions are (b, f, channels); a
        dropped condition is zeros. `window` is the local attention in frames (paper 3.6; each frame attends to half on
        either side), None attends to all, as in training. Without gradients, about `activations` elements (None: the
        device's default) are computed at once, in addition to the maps that :meth:`forward` keeps; results are equal up
        to rounding. The last `padding` frames are not part of the video: they change no other frame; compiled code
        receives their number as a tensor (). With `recompute`, gradients need the maps between layers only: what layers
        compute inside is computed again in the backward pass. Raises InputError for wrong shapes.
        """
        weight = self.init_conv.weight[:, DATA_CHANNELS:].squeeze(2)
        if static.shape[1] != weight.shape[1]:
            raise InputError(
                f"static: expected {weight.shape[1]} channels (source features and mask), got {static.shape[1]}"
            )
        clips, frames = len(static), speech.shape[1]
        conditions = {"speech": speech, "pose": pose, "eye": eye}
        for name, condition in conditions.items():
            if condition.shape[:2] != (clips, frames):
                raise InputError(f"{name}: {tuple(condition.shape)} does not hold {clips} clips of {frames} frames")
        dtype = weight.dtype
        static = static.to(dtype).contiguous(memory_format=torch.channels_last)
        stem = F.conv2d(static, weight, self.init_conv.bias, padding=weight.shape[-1] // 2)
        stem = rearrange(stem, "b c h w -> b h w c")
        if torch.is_grad_enabled():
            activations = None
        elif not activations:
            activations = default_activations(static.device)
        weights = None
        if isinstance(padding, Tensor) or padding:
            weights = (torch.arange(frames, device=static.device) < frames - padding).float() / (frames - padding)
        chunks = FrameChunks(activations, weights)
        mask = LocalAttentionMask(
            frames, window, getattr(self, "time_rel_pos_bias", None), static.device, dtype, padding
        )
        for attention in (module for module in self.modules() if isinstance(module, FrameAttention)):
            attention.prepare(mask)
        blocks = self.conditioned_blocks()
        # Without gradients a CPU projects block by block, whose intermediate results are small.
        few_launches = torch.is_grad_enabled() or static.device.type != "cpu"
        together = [blocks] if few_launches else [[block] for block in blocks]
        projected = [tokens for group in together for tokens in project_conditions(group, (speech, pose, eye))]
        tokens: dict[ResBlock, ConditionTokens | Directions] = dict(zip(blocks, projected, strict=True))
        if static.device.type != "cpu" and self.is_one_chunk(clips * frames, stem.shape[1], chunks.activations):
            tokens = {block: value.directions(slice(None), dtype) for block, value in tokens.items()}
        return ConditionCache(
            stem=stem, mask=mask, tokens=tokens, styles=TimeStyles(blocks), recompute=recompute, chunks=chunks
        )

    def conditioned_blocks(self) -> list[ResBlock]:
        """List the residual blocks with conditions, in the order of :class:`TimeStyles`."""
        return [block for block in self.modules() if isinstance(block, ResBlock) and block.conditioned]

    def forward(self, x: Tensor, t: Tensor, video: ConditionCache) -> Tensor:
        """Predict from noisy motion x (b, 3, f, h, w) at steps t (b,); the output has the shape of x.

        Raises InputError when h or w cannot be halved at each level, or x does not fit the conditions of `video`.
        """
        halvings = len(self.downs) - 1
        if x.shape[-1] % 2**halvings or x.shape[-2] % 2**halvings:
            raise InputError(f"motion of {x.shape[-2]} x {x.shape[-1]} does not halve {halvings} times")
        if x.shape[0] != len(video.stem) or x.shape[2] != video.mask.frames:
            raise InputError(
                f"motion of {x.shape[0]} clips of {x.shape[2]} frames; "
                f"the conditions are of {len(video.stem)} clips of {video.mask.frames}"
            )
        mask, chunks = video.mask, video.chunks
        # First convolution; the output heads take it as their skip. Styles of the diffusion step.
        stem = self._stem(x, video)
        styles = dict(zip(video.tokens, video.styles(self.time_mlp(t)), strict=True))
        x = video.run(attend_frames, self.init_temporal_attn, stem, mask, chunks, True)
        # Down: the map before each halving is a skip of the level on the way up.
        skips: list[Tensor] = []
        for level in self.downs:
            maps = [x]
            del x
            skip, x = level(maps, styles, video)
            skips.append(skip)
        del skip
        # Middle: softmax attention among pixels, which few pixels allow.
        x = video.run(self.mid_block1, (x,), chunks, video.tokens[self.mid_block1], styles[self.mid_block1])
        x = video.run(attend_pixels, self.mid_spatial_attn, x, chunks)
        x = video.run(attend_frames, self.mid_temporal_attn, x, mask, chunks)
        x = video.run(self.mid_block2, (x,), chunks, video.tokens[self.mid_block2], styles[self.mid_block2])
        # Up.
        for level in self.ups:
            maps = [x, skips.pop()]
            del x
            x = level(maps, styles, video)[1]
        # Flow (2 channels) and occlusion (1 channel) from separate heads.
        maps = [x, stem]
        heads = [
            convolve(video.run(block, maps, chunks), conv) for block, conv in (self.final_conv, self.occlusion_map)
        ]
        return rearrange(torch.cat(heads, dim=-1), "b f h w c -> b c f h w")

    def lower(self, dtype: torch.dtype) -> UNet3D:
        """Convert :meth:`operands` to `dtype`, in place, once for any number of passes; returns this network."""
        for parameter in self.operands():
            parameter.data = parameter.data.to(dtype)
        return self

    def operands(self) -> list[nn.Parameter]:
        """List the parameters that may have a lower precision: those of convolutions and attentions over maps.

        The maps take their precision. Conditions, embedded steps, statistics and the output are float32.
        """
        layers = [*self.modules()]
        attentions = [layer for layer in layers if isinstance(layer, FrameAttention | LinearAttention | PixelAttention)]
        norms = [layer.norm for layer in layers if isinstance(layer, PreNorm)]
        outputs = {head[1] for head in (self.final_conv, self.occlusion_map)}
        convolutions = [layer for layer in layers if isinstance(layer, nn.Conv3d | nn.ConvTranspose3d)]
        chosen = [*attentions, *norms, *(layer for layer in convolutions if layer not in outputs)]
        return [parameter for layer in chosen for parameter in layer.parameters()]

    def resident_elements(self, frames: int, side: int) -> int:
        """Estimate the largest number of elements in the maps that :meth:`forward` keeps for `frames` frames.

        Maps of the first level have side `side`. Without gradients, each block keeps its input and its output, in
        addition to the stem and the skips.
        """

        def elements(level: int, channels: int) -> int:
            return channels * frames * (side >> level) ** 2

        dims = [self.settings.dim * m for m in (1, *self.settings.multipliers)]
        last = len(dims) - 2
        stem = elements(0, dims[0])
        skips = [elements(i, dims[i + 1]) for i in range(last + 1)]
        most = 2 * stem + elements(0, dims[0])
        for i in range(last + 1):
            before = stem + sum(skips[:i])
            most = max(most, before + max(elements(i, dims[i]), skips[i]) + skips[i])
            most = max(most, before + sum(skips[i:]) + 2 * skips[-1] if i == last else 0)
            output = elements(i, dims[i])
            upsampled = elements(i - 1, dims[i]) if i else 0
            most = max(most, before + 2 * skips[i] + output, before + 2 * output + upsampled)
        return most

    def is_one_chunk(self, frames: int, side: int, activations: int | None) -> bool:
        """Return whether a pass over maps of `side` computes all `frames` at once within `activations` elements."""
        return activations is None or activation_width(self.settings) * frames * side**2 <= activations

    def smallest_chunk(self, frames: int, side: int) -> int:
        """Compute the elements of activations when chunks are one frame, or one pixel of all frames."""
        attention = 9 * self.settings.heads * self.settings.head_dim // 2
        return max(activation_width(self.settings) * side**2, attention * max(frames, side**2))

    def _stem(self, x: Tensor, video: ConditionCache) -> Tensor:
        """Compute the first convolution (b, f, h, w, dim): that of the noisy channels plus the precomputed rest."""
        weight = self.init_conv.weight[:, :DATA_CHANNELS].squeeze(2)

        def convolve_noisy(_: slice, x: Tensor) -> Tensor:
            y = F.conv2d(frame_images(x), weight, padding=weight.shape[-1] // 2)
            return rearrange(y, "(b f) c h w -> b f h w c", b=len(x)) + video.stem[:, None]

        # Copied to channels last: for one clip it would be a view, whose layout all later maps would keep.
        motion = rearrange(x, "b c f h w -> b f h w c").to(weight.dtype).contiguous()
        return video.chunks.map(convolve_noisy, (motion,), axis=1, width=2 * len(weight))


class Level(nn.ModuleList):
    """Block, block, spatial attention, temporal attention, resampling; numbered as in the published keys."""

    def forward(
        self, maps: list[Tensor], styles: Mapping[ResBlock, Style], video: ConditionCache
    ) -> tuple[Tensor, Tensor]:
        """Apply the level to `maps`, concatenated along channels; returns the maps before and after resampling.

        Empties the list `maps` so that its memory can be freed.
        """
        block1, block2, spatial, temporal, resample = self
        assert isinstance(block1, ResBlock) and isinstance(block2, ResBlock)
        chunks = video.chunks
        x = video.run(block1, tuple(maps), chunks, video.tokens[block1], styles[block1])
        maps.clear()
        x = video.run(block2, (x,), chunks, video.tokens[block2], styles[block2])
        x = video.run(attend_pixels, spatial, x, chunks)
        x = video.run(attend_frames, temporal, x, video.mask, chunks)
        if isinstance(resample, nn.Identity):
            return x, x
        return x, chunks.map(lambda _, x: convolve(x, resample), (x,), axis=1, width=block1.width)


class TimeEmbedding(nn.Module):
    """Sinusoidal embedding of the diffusion step."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.waves = dim // 2

    def forward(self, t: Tensor) -> Tensor:
        """Embed steps (b,) to (b, dim)."""
        scale = -math.log(10000) / max(1, self.waves - 1)
        rates = torch.exp(torch.arange(self.waves, device=t.device) * scale)
        angles = t[:, None] * rates
        return torch.cat((angles.sin(), angles.cos()), dim=-1)


def _has(levels: tuple[int, ...] | None, level: int | None) -> bool:
    """Return whether a level (None: the middle) has an attention."""
    return levels is None or level is None or level in levels


def _resample(kind: type[nn.Conv3d] | type[nn.ConvTranspose3d], c: int) -> nn.Module:
    """Build a layer that halves (convolution) or doubles (its transpose) the side of each frame."""
    return kind(c, c, (1, 4, 4), stride=(1, 2, 2), padding=(0, 1, 1))
