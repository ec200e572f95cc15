"""Encoder and decoder of the latent flow generator (paper 3.2, eq. 3 and 4)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from einops import rearrange
from torch import Tensor, nn

from dawn.config import LfgModel
from dawn.models.flow import FlowPredictor
from dawn.models.hourglass import DownBlock, ResBlock, SameBlock, UpBlock
from dawn.models.warping import resize, warp

HALVINGS = 2  # image to latent code


class Generator(nn.Module):
    """Encoder and decoder of the latent flow generator, with the flow predictor, as in the published weights.

    The paper's eq. 4 decodes the warped and masked latent code only. The published network, reproduced here, also mixes
    warped encoder maps and finally the warped source itself into the output.
    """

    def __init__(self, config: LfgModel) -> None:
        super().__init__()
        channels = [min(config.max_features, config.expansion * 2**i) for i in range(HALVINGS + 1)]
        self.aligned = config.aligned_sampling
        self.bicubic = config.bicubic_source
        self.pixelwise_flow_predictor = FlowPredictor(config)
        self.first = SameBlock(3, channels[0], kernel=7)
        self.down_blocks = nn.ModuleList(DownBlock(channels[i], channels[i + 1]) for i in range(HALVINGS))
        self.up_blocks = nn.ModuleList(UpBlock(channels[i + 1], channels[i]) for i in reversed(range(HALVINGS)))
        self.bottleneck = nn.Sequential(
            OrderedDict((f"r{i}", ResBlock(channels[-1])) for i in range(config.bottleneck_blocks))
        )
        self.final = nn.Conv2d(channels[0], 3, 7, padding=3)

    def encode(self, source: Tensor) -> list[Tensor]:
        """Encode the source (b, 3, S, S) to maps of side S, S / 2 and S / 4.

        The last map is the latent code z, non-negative.
        """
        maps = [self.first(source)]
        for block in self.down_blocks:
            maps.append(block(maps[-1]))
        return maps

    def decode(self, source: Tensor, features: list[Tensor], flow: Tensor, occlusion: Tensor) -> Tensor:
        """Decode images (b, 3, S, S) in [0, 1] for flow (b, q, q, 2) and occlusion (b, 1, q, q).

        `source` and `features` may be those of one image, which is then decoded under each of the b motions. Under
        autocast, maps are warped and mixed in their original precision.
        """

        def mix(decoded: Tensor, warped: Tensor, m: Tensor) -> Tensor:
            """Compute m * warped + (1 - m) * decoded."""
            return torch.lerp(decoded.to(warped.dtype), warped, m)

        # Latent code: z warped by the flow and masked by the occlusion m (paper eq. 4).
        motion = torch.cat([rearrange(flow, "b h w xy -> b xy h w"), occlusion], dim=1)
        grid, m = flow, occlusion
        warped = warp(features[-1], grid, aligned=self.aligned)
        out = mix(self.bottleneck(warped * m), warped, m)
        # Larger encoder maps, warped by the resized motion.
        for block, skip in zip(self.up_blocks, reversed(features[:-1]), strict=True):
            resized = resize(motion, skip.shape[-1], self.aligned)
            grid, m = rearrange(resized[:, :2], "b xy h w -> b h w xy"), resized[:, 2:]
            out = mix(block(out), warp(skip, grid, aligned=self.aligned), m)
        # The source image itself.
        warped = warp(source, grid, aligned=self.aligned, mode="bicubic" if self.bicubic else "bilinear")
        if self.bicubic:
            warped = warped.clamp(0, 1)
        return mix(self.final(out).sigmoid(), warped, m)
