"""The latent flow generator (paper 3.2)."""

from __future__ import annotations

from pydantic import Field

from dawn.config.base import Fraction, Positive, Section, Weight
from dawn.config.schedule import Schedule


class Hourglass(Section):
    expansion: Positive = Field(64, description="half the number of channels after the first block")
    max_features: Positive = Field(1024, description="maximum number of channels")
    blocks: Positive = Field(5, description="down (and up) blocks")
    scale: float = Field(0.25, gt=0, le=1, description="scale of the input image")


class LfgModel(Section):
    """Sizes of the latent flow generator (paper 3.2; published sizes are the defaults)."""

    expansion: Positive = Field(64, description="channels after the first convolution; the latent has 4 times as many")
    max_features: Positive = Field(512, description="maximum number of channels in encoder and decoder")
    bottleneck_blocks: Positive = Field(6, description="residual blocks in the latent space")
    regions: Positive = Field(10, description="regions K")
    temperature: float = Field(0.1, gt=0, description="softmax temperature of the region heat maps")
    aligned_sampling: bool = Field(
        False,
        description="sample so that the identity grid is the identity, and the border's values outside the picture "
        "(published: no, which magnifies by 4/S, and zeros)",
    )
    bicubic_source: bool = Field(
        False,
        exclude_if=lambda value: not value,
        description="ours: sample the source image bicubically; bilinear samples between its pixels are blurred, which "
        "shows at 64 and 128 pixels (published: no)",
    )
    region_predictor: Hourglass = Hourglass(expansion=32)
    background_predictor: Hourglass = Hourglass(expansion=32, scale=1.0)
    flow_predictor: Hourglass = Hourglass()


class LfgLoss(Section):
    """Weights of the LFG loss (paper eq. 5; terms not in the paper are published or ours)."""

    pyramid: Weight = Field(
        0.0, description="mean absolute error, summed over image scales; needs no pretrained weights"
    )
    perceptual: Weight = Field(
        10.0, description="VGG-19 feature distance, summed over image scales (paper eq. 5; published 10)"
    )
    scales: tuple[float, ...] = Field(
        (1.0, 0.5, 0.25, 0.125), description="image scales of pyramid and perceptual (published)"
    )
    mouth: Weight = Field(0.0, description="ours: mean absolute error inside the mouth box (paper: 0)")
    eyes: Weight = Field(0.0, description="ours: mean absolute error inside the eye boxes (paper: 0)")
    equivariance_shift: Weight = Field(10.0, description="published; not in the paper")
    equivariance_affine: Weight = Field(10.0, description="published; not in the paper")
    landmark_guidance: Weight = Field(
        0.0,
        description="ours: pulls region k towards the k-th group of landmarks, which shortens training (paper: 0)",
    )
    occlusion_guidance: Weight = Field(
        0.0,
        description="ours: occludes what the source does not show, the inside of a mouth that opens and eyes that "
        "close or open; without it the flow stretches lips and irises there for many thousand steps (paper: 0)",
    )
    adversarial: Weight = Field(
        0.0,
        exclude_if=lambda value: value == 0,
        description="ours: of a discriminator of image patches, without which mouths that open are blurred (paper: 0)",
    )
    feature_matching: Weight = Field(
        10.0,
        exclude_if=lambda value: value == 10.0,
        description="ours, with adversarial: weight, relative to it, of the mean absolute error of the discriminator's "
        "features (Wang et al. 2018: 10)",
    )
    guidance_until: Fraction = Field(
        1.0,
        description="fraction of training after which both guidances fall to a tenth, so that regions and occlusion do "
        "not keep the landmarks' error",
    )


class LfgTrain(Schedule):
    loss: LfgLoss = LfgLoss()
    jitter: Fraction = Field(
        0.1, description="colour jitter of brightness, contrast, saturation and hue (published: 0.1)"
    )
    flip: Fraction = Field(
        0.25, description="probability of a horizontal flip (published: 0.5 of the half that is not time-reversed)"
    )
    blinks: Fraction = Field(
        0.0,
        description="ours: fraction of pairs whose driving frame is among the eighth of the clip with the smallest eye "
        "aspect ratio (paper: 0)",
    )


class Lfg(Section):
    model: LfgModel = LfgModel()
    train: LfgTrain = LfgTrain(steps=1)
    start: str | None = Field(
        None,
        description="initial weights: a file of another run's stage lfg, or pretrained:lfg64 or pretrained:lfg, of "
        "this package (paper A.2: trained on VoxCeleb)",
    )
