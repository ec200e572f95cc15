"""The latent flow generator (paper 3.2)."""

from __future__ import annotations

from pydantic import Field

from dawn.config.base import Fraction, Positive, Section, Weight
from dawn.config.schedule import Schedule


class Hourglass(Section):
    expansion: Positive = Field(64, description="channels after the first block are twice this")
    max_features: Positive = Field(1024, description="channels at most")
    blocks: Positive = Field(5, description="down (and up) blocks")
    scale: float = Field(0.25, gt=0, le=1, description="the image is reduced by this before it enters")


class LfgModel(Section):
    """Sizes of the latent flow generator (paper 3.2; published sizes are the defaults)."""

    expansion: Positive = Field(64, description="channels after the first convolution; the latent has 4 times as many")
    max_features: Positive = Field(512, description="channels at most in encoder and decoder")
    bottleneck_blocks: Positive = Field(6, description="residual blocks in the latent space")
    regions: Positive = Field(10, description="regions K")
    temperature: float = Field(0.1, gt=0, description="softmax temperature of the region heat maps")
    aligned_sampling: bool = Field(
        False,
        description="sample where grids point, so that the identity grid is no motion (published: no; enlarges by 4/S)",
    )
    region_predictor: Hourglass = Hourglass(expansion=32)
    background_predictor: Hourglass = Hourglass(expansion=32, scale=1.0)
    flow_predictor: Hourglass = Hourglass()


class LfgLoss(Section):
    """Weights of the LFG loss (paper eq. 5; the terms that the paper does not name are published ones or our own)."""

    pyramid: Weight = Field(0.0, description="mean absolute error, summed over image scales; needs no weights")
    perceptual: Weight = Field(
        10.0, description="VGG-19 feature distance, summed over image scales (paper eq. 5; published 10)"
    )
    scales: tuple[float, ...] = Field((1.0, 0.5, 0.25, 0.125), description="image scales of both (published)")
    mouth: Weight = Field(0.0, description="our own: mean absolute error inside the mouth box; 0 in the paper")
    eyes: Weight = Field(0.0, description="our own: mean absolute error inside the eye boxes; 0 in the paper")
    equivariance_shift: Weight = Field(10.0, description="published; not in the paper")
    equivariance_affine: Weight = Field(10.0, description="published; not in the paper")
    landmark_guidance: Weight = Field(
        0.0,
        description="our own: draws region k to the k-th group of landmarks, which shortens training; 0 in the paper",
    )
    occlusion_guidance: Weight = Field(
        0.0,
        description="our own: occludes the inside of an open mouth, which the source does not show; without it lips "
        "are stretched over the gap for many thousand steps; 0 in the paper",
    )
    guidance_until: Fraction = Field(
        1.0,
        description="share of training after which both guidances fall to a tenth: landmarks are found with an error, "
        "which regions and occlusion would keep",
    )


class LfgTrain(Schedule):
    loss: LfgLoss = LfgLoss()
    jitter: Fraction = Field(
        0.1, description="colour jitter of brightness, contrast, saturation and hue (published: 0.1)"
    )
    flip: Fraction = Field(
        0.25, description="probability of a horizontal flip (published: .5 of the half not time-reversed)"
    )
    blinks: Fraction = Field(
        0.0,
        description="our own: share of pairs whose driving frame is from the eighth of the clip with the most closed "
        "eyes",
    )


class Lfg(Section):
    model: LfgModel = LfgModel()
    train: LfgTrain = LfgTrain(steps=1)
    start: str | None = Field(
        None, description="weights of another run's stage lfg to start from (paper A.2: of one trained on VoxCeleb)"
    )
