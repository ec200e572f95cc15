"""Latent flow generator: motion between two frames, and a frame from a source and a motion (paper 3.2)."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from dawn.config import LfgModel
from dawn.models.flow import Flow
from dawn.models.generator import Generator
from dawn.models.regions import BackgroundPredictor, RegionPredictor, Regions


class Reconstruction(NamedTuple):
    """Driving frame reconstructed from a source frame, with the intermediate results that training uses."""

    prediction: Tensor  # (b, 3, S, S) in [0, 1]
    flow: Tensor  # (b, q, q, 2) absolute source positions
    occlusion: Tensor  # (b, 1, q, q)
    source: Regions
    driving: Regions


class LatentFlowGenerator(nn.Module):
    """Generator, region predictor and background predictor, named as in the published checkpoints.

    Images are RGB (b, 3, S, S) in [0, 1]; motion and latent code have side q = S / 4.
    """

    def __init__(self, config: LfgModel) -> None:
        super().__init__()
        self.generator = Generator(config)
        self.region_predictor = RegionPredictor(config)
        self.bg_predictor = BackgroundPredictor(config.background_predictor)

    def forward(self, source: Tensor, driving: Tensor) -> Reconstruction:
        """Reconstruct `driving` from `source` (paper eq. 3 and 4)."""
        source_regions, driving_regions = self.regions(source), self.regions(driving)
        motion = self._flow(source, driving, source_regions, driving_regions)
        prediction = self.decode(source, self.encode(source), motion.flow, motion.occlusion)
        return Reconstruction(prediction, motion.flow, motion.occlusion, source_regions, driving_regions)

    def regions(self, image: Tensor) -> Regions:
        """Predict the regions of images (b, 3, S, S)."""
        return self.region_predictor(image)

    def encode(self, source: Tensor) -> list[Tensor]:
        """Encode the source to maps of side S, S / 2 and q; the last is the non-negative latent code z (b, c, q, q)."""
        return self.generator.encode(source)

    def motion(
        self,
        source: Tensor,
        driving: Tensor,
        source_regions: Regions | None = None,
        driving_regions: Regions | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Estimate flow (b, q, q, 2), absolute source positions in [-1, 1], and occlusion (b, 1, q, q) in (0, 1).

        One source may have many driving frames. `source_regions` and `driving_regions` are computed by :meth:`regions`
        unless given.
        """
        if source_regions is None:
            source_regions = self.regions(source)
        if driving_regions is None:
            driving_regions = self.regions(driving)
        motion = self._flow(source, driving, source_regions, driving_regions)
        return motion.flow, motion.occlusion

    def decode(self, source: Tensor, features: list[Tensor], flow: Tensor, occlusion: Tensor) -> Tensor:
        """Decode images (b, 3, S, S) in [0, 1] (paper eq. 4).

        `source` and its `features` may be those of one image for all b motions.
        """
        return self.generator.decode(source, features, flow, occlusion)

    def _flow(self, source: Tensor, driving: Tensor, source_regions: Regions, driving_regions: Regions) -> Flow:
        batch = driving.shape[0]
        source = source.expand(batch, -1, -1, -1)
        background = self.bg_predictor(source, driving)
        return self.generator.pixelwise_flow_predictor(
            source, source_regions.expand(batch), driving_regions, background
        )
