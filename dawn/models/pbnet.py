"""Pose and blink network: a transformer VAE over whole sequences, conditioned on speech (paper 3.4, eq. 8 and 9).

Attributes are named after the published state-dict keys. The latent code is one vector a frame.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from dawn.config import PbnetModel
from dawn.errors import InputError
from dawn.models.attention import (
    ChannelNorm,
    FrameAttention,
    LocalAttentionMask,
    PreNorm,
    RelativePositionBias,
    Residual,
    Rotary,
    attend,
    relative_bucket,
)
from dawn.models.constants import ConstantBuffers

POSITIONS = 20000  # rows of the published position tables
SHARPNESS = (2.0, 0.7, 0.2, 0.05)  # initial decrease of the logit per frame of distance, by head, cyclically


class PBNet(nn.Module):
    """Conditional VAE of motion, `dim` channels a frame (pose, blink, or both), given `speech_dim` speech channels."""

    def __init__(self, config: PbnetModel, dim: int, speech_dim: int) -> None:
        super().__init__()
        self.encoder = Encoder(config, dim, speech_dim)
        self.decoder = Decoder(config, dim, speech_dim)

    def encode(self, x: Tensor, audio: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Compute mean and log variance (n, b, audio_latent) of the latent code of each frame (paper eq. 8).

        Motion `x` (b, n, dim) is encoded relative to its first frame; `audio` is (b, n, speech_dim), `mask` (b, n) is
        true for frames that are not padding. Raises InputError for more than :data:`POSITIONS` frames.
        """
        return self.encoder(x, audio, mask)

    def decode(
        self, z: Tensor, audio: Tensor, reference: Tensor, mask: Tensor | None = None, window: int | None = None
    ) -> Tensor:
        """Decode motion (b, n, dim) minus the state `reference` (b, dim); zero where `mask` is false (paper eq. 9).

        `z` is (n, b, audio_latent). With a `window`, frame i attends to frames j with |i - j| <= window // 2 (paper
        3.6); training uses none.
        """
        return self.decoder(z, audio, reference, mask, window)

    def offsets(
        self, z: Tensor, audio: Tensor, reference: Tensor, mask: Tensor | None = None, window: int | None = None
    ) -> Tensor:
        """Decode motion (b, n, dim) relative to its first frame, whose state is `reference` (b, dim).

        It is that of :meth:`decode` minus its first frame: frame 0 has the state of the source whatever the weights.
        Arguments as there.
        """
        decoded = self.decode(z, audio, reference, mask, window)
        offsets = decoded - decoded[:, :1]
        return offsets if mask is None else offsets.masked_fill(~mask[..., None], 0)


class SinePositions(ConstantBuffers):
    """Sinusoidal position encoding (Vaswani et al.) added to sequences (n, b, dim), then dropout."""

    pe: Tensor

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        frequency = torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
        angle = torch.arange(POSITIONS)[:, None] * frequency
        self.register_buffer("pe", torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, None, :dim].clone())

    def forward(self, x: Tensor) -> Tensor:
        """Add positions to (n, b, dim). Raises InputError for more than :data:`POSITIONS` frames."""
        if len(x) > POSITIONS:
            raise InputError(f"a sequence may have {POSITIONS} frames, got {len(x)}; cut it")
        return self.dropout(x + self.pe[: len(x)])


class Encoder(nn.Module):
    """Posterior of the latent code given a motion: a standard transformer encoder, used in training only."""

    def __init__(self, config: PbnetModel, dim: int, speech_dim: int) -> None:
        super().__init__()
        width = 2 * config.latent + config.audio_latent
        if width % config.heads:
            raise InputError(f"pbnet.model: 2 * latent + audio_latent = {width} must be a multiple of heads")
        self.mu_layer = nn.Linear(width, config.audio_latent)
        self.sigma_layer = nn.Linear(width, config.audio_latent)
        self.poseEmbedding = nn.Linear(dim, config.latent)
        self.firstposeEmbedding = nn.Linear(dim, config.latent)
        self.audioEmbedding = nn.Linear(speech_dim, config.audio_latent)
        self.sequence_pos_encoder = SinePositions(width, config.dropout)
        layer = nn.TransformerEncoderLayer(width, config.heads, config.feed_forward, config.dropout, "gelu")
        self.seqTransEncoder = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)

    def forward(self, x: Tensor, audio: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """See :meth:`PBNet.encode`."""
        # A token a frame: initial state, motion relative to it, speech.
        reference = x[:, :1]
        tokens = torch.cat(
            [
                self.firstposeEmbedding(reference).expand(-1, x.shape[1], -1),
                self.poseEmbedding(x - reference),
                self.audioEmbedding(audio),
            ],
            dim=-1,
        )
        sequence = self.sequence_pos_encoder(tokens.transpose(0, 1))
        hidden = self.seqTransEncoder(sequence, src_key_padding_mask=None if mask is None else ~mask)
        return self.mu_layer(hidden), self.sigma_layer(hidden)


class Decoder(nn.Module):
    """Decoder of motion from latent code and speech.

    Constant queries attend locally to themselves, and to a memory of initial state, latent code and speech.
    """

    def __init__(self, config: PbnetModel, dim: int, speech_dim: int) -> None:
        super().__init__()
        width = config.latent
        self.firstposeEmbedding = nn.Linear(dim, width)
        self.audioEmbedding = nn.Linear(speech_dim, config.audio_latent)
        self.ztimelinear = nn.Linear(width + 2 * config.audio_latent, width)
        self.init_proj = nn.Linear(width, width)
        self.sequence_pos_encoder = SinePositions(width, config.dropout)  # published in addition to RoPE, not applied
        self.time_rel_pos_bias_tgt = _bias(config)
        self.time_rel_pos_bias_mem = _bias(config)
        if self.time_rel_pos_bias_mem is not None:
            _initialise_local(self.time_rel_pos_bias_mem)
        attention = FrameAttention(width, config.heads, config.head_dim, config.rope_dim)
        self.init_temporal_attn = Residual(PreNorm(ChannelNorm(width, axes=3, last=True), attention))
        self.seqTransDecoder = DecoderStack(config)
        self.finallayer = nn.Linear(width, dim)

    def forward(self, z: Tensor, audio: Tensor, reference: Tensor, mask: Tensor | None, window: int | None) -> Tensor:
        """See :meth:`PBNet.decode`."""
        b, n, _ = audio.shape
        # Memory: a token a frame of initial state, latent code z and speech.
        start = self.firstposeEmbedding(reference)[:, None].expand(-1, n, -1)
        memory = self.ztimelinear(torch.cat([start, z.transpose(0, 1), self.audioEmbedding(audio)], dim=-1))
        self_mask = LocalAttentionMask(n, window, self.time_rel_pos_bias_tgt, audio.device)
        cross_mask = LocalAttentionMask(n, window, self.time_rel_pos_bias_mem, audio.device)
        # Queries: equal for all frames until rotary positions and bias distinguish them.
        query = self.init_proj(memory.new_zeros(b, n, memory.shape[-1]))
        query = self.init_temporal_attn(query, self_mask, mask)
        out = self.finallayer(self.seqTransDecoder(query, memory, self_mask, cross_mask, mask))
        return out if mask is None else out.masked_fill(~mask[..., None], 0)


class DecoderStack(nn.Module):
    """Layers of the decoder."""

    def __init__(self, config: PbnetModel) -> None:
        super().__init__()
        self.decoder_layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.layers))

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        self_mask: LocalAttentionMask,
        cross_mask: LocalAttentionMask,
        valid: Tensor | None,
    ) -> Tensor:
        """Map (b, n, latent) to the same shape; see :class:`DecoderLayer`."""
        for layer in self.decoder_layers:
            x = layer(x, memory, self_mask, cross_mask, valid)
        return x


class DecoderLayer(nn.Module):
    """Self-attention, attention to the memory, feed-forward; each added to its input and then normalised."""

    def __init__(self, config: PbnetModel) -> None:
        super().__init__()
        self.self_attn = FrameAttention(config.latent, config.heads, config.head_dim, config.rope_dim)
        self.multihead_attn = CrossFrameAttention(config.latent, config.heads, config.head_dim, config.rope_dim)
        self.ffn = FeedForward(config.latent, config.feed_forward, config.dropout)
        self.layer_norm1 = nn.LayerNorm(config.latent)
        self.layer_norm2 = nn.LayerNorm(config.latent)
        self.layer_norm3 = nn.LayerNorm(config.latent)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        self_mask: LocalAttentionMask,
        cross_mask: LocalAttentionMask,
        valid: Tensor | None,
    ) -> Tensor:
        """Map queries and memory (b, n, latent) to the same shape; `valid` (b, n) is false for padding."""
        x = self.layer_norm1(x + self.dropout(self.self_attn(x, self_mask, valid)))
        x = self.layer_norm2(x + self.dropout(self.multihead_attn(x, memory, cross_mask, valid)))
        return self.layer_norm3(x + self.dropout(self.ffn(x)))


class CrossFrameAttention(nn.Module):
    """Attention over the frames of a memory of equal length; rotary positions count frames in both."""

    def __init__(self, dim: int, heads: int, head_dim: int, rotary_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.rotary_emb = Rotary(rotary_dim)
        self.to_q = nn.Linear(dim, heads * head_dim, bias=False)
        self.to_k = nn.Linear(dim, heads * head_dim, bias=False)
        self.to_v = nn.Linear(dim, heads * head_dim, bias=False)
        self.to_out = nn.Linear(heads * head_dim, dim, bias=False)

    def forward(self, x: Tensor, memory: Tensor, mask: LocalAttentionMask, valid: Tensor | None) -> Tensor:
        """Attend from x to memory, both (b, n, dim); `valid` (b, n) is false for memory frames that are padding."""
        q, k, v = (
            rearrange(linear(tokens), "b n (heads d) -> b heads n d", heads=self.heads)
            for linear, tokens in ((self.to_q, x), (self.to_k, memory), (self.to_v, memory))
        )
        out = attend(self.rotary_emb(q), self.rotary_emb(k), v, mask, valid)
        return self.to_out(rearrange(out, "b heads n d -> b n (heads d)"))


class FeedForward(nn.Module):
    """Two linear layers with GELU and dropout between them."""

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.linear1 = nn.Linear(dim, hidden)
        self.linear2 = nn.Linear(hidden, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., dim) to the same shape."""
        return self.linear2(self.dropout(F.gelu(self.linear1(x))))


def latent_noise(frames: int, config: PbnetModel, generator: torch.Generator) -> Tensor:
    """Draw standard normal noise (frames, audio_latent) in the units of the latent code.

    Frames are independent, as in the paper, unless ``latent_correlation`` gives standard deviations of Gaussian filters
    in frames, assigned to the channels cyclically: neighbouring frames are then correlated and every value is still
    standard normal.
    """
    channels, deviations = config.audio_latent, config.latent_correlation
    reach = math.ceil(4 * max(deviations, default=0))
    noise = torch.randn(frames + 2 * reach, channels, generator=generator)
    if not reach:
        return noise
    # Filtered along frames; a kernel of unit norm keeps the variance.
    offsets = torch.arange(-reach, reach + 1)
    kernels = torch.exp(-0.5 * (offsets / torch.tensor(deviations).clamp(min=1e-3)[:, None]) ** 2)
    kernels = kernels / kernels.norm(dim=1, keepdim=True)
    channel_kernels = kernels[torch.arange(channels) % len(deviations)]
    return F.conv1d(noise.t()[None], channel_kernels[:, None], groups=channels)[0].t()


def _bias(config: PbnetModel) -> RelativePositionBias | None:
    return RelativePositionBias(config.heads, config.buckets, config.max_distance) if config.relative_bias else None


def _initialise_local(bias: RelativePositionBias) -> None:
    """Initialise each head with attention around the query's frame, narrow or wide; learning it would take epochs."""
    reach = 2 * bias.max_distance
    distance = torch.arange(-reach, reach + 1)
    sharpness = torch.tensor(SHARPNESS)[torch.arange(bias.relative_attention_bias.embedding_dim) % len(SHARPNESS)]
    with torch.no_grad():
        for bucket in range(bias.buckets):
            inside = distance[relative_bucket(distance, bias.buckets, bias.max_distance) == bucket].abs()
            if len(inside):
                bias.relative_attention_bias.weight[bucket] = -sharpness * inside.min()
