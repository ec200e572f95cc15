"""The pose and blink network, PBNet (paper 3.4)."""

from __future__ import annotations

from pydantic import Field, model_validator

from dawn.config.base import Fraction, Positive, Section, Weight
from dawn.config.schedule import Schedule


class PbnetModel(Section):
    """Sizes of the transformer VAE (paper 3.4; published sizes are the defaults)."""

    latent: Positive = Field(64, description="width of pose embeddings and of the decoder")
    audio_latent: Positive = Field(256, description="width of the audio embedding and of the latent code h")
    feed_forward: Positive = Field(128, description="width of the feed-forward layers")
    layers: Positive = Field(2, description="layers of encoder and decoder")
    heads: Positive = Field(4, description="attention heads")
    head_dim: Positive = Field(32, description="channels of each decoder head")
    rope_dim: Positive = Field(32, description="rotated channels of each decoder head (published: 4)")
    relative_bias: bool = Field(
        True, description="learned relative position bias in addition to RoPE (published; paper: RoPE only)"
    )
    buckets: Positive = Field(128, description="buckets of the relative position bias")
    max_distance: Positive = Field(128, description="distance at which the buckets saturate, frames")
    dropout: Fraction = Field(0.1, description="dropout in training (published)")
    latent_correlation: tuple[Weight, ...] = Field(
        (),
        description="standard deviations of the latent noise's Gaussian filters, frames, assigned to channels in turn; "
        "empty: independent noise per frame (paper 3.4)",
    )


class PbnetLoss(Section):
    """Weights of paper eq. 13."""

    reconstruction: Weight = Field(1.0, description="lambda_rec (paper A.2)")
    gan: Weight = Field(0.6, description="lambda_GAN (paper A.2; published 1)")
    gan_prior: Weight = Field(0, description="ours: the same on motion decoded from noise, as in generation (paper: 0)")
    energy: Weight = Field(
        0,
        description="ours: energy score of two motions decoded from noise; without it the decoder ignores the noise, "
        "so all seeds give one motion (paper: 0)",
    )
    kl: Weight = Field(0.01, description="lambda_KL at the end (paper A.2; published 0.004)")
    kl_start: Fraction | None = Field(
        0.25,
        description="fraction of training before lambda_KL starts to rise (paper A.2: 400 of 1600 epochs); null: "
        "lambda_KL from the first step on, for training that continues from trained weights",
    )


class PbnetTrain(Schedule):
    frames: Positive = Field(200, description="length of a training sequence, frames (paper 4.1)")
    mirror: Fraction = Field(
        0.0,
        exclude_if=lambda value: value == 0,
        description="ours: probability of mirrored pose and blinks, which doubles the head motion of a small corpus "
        "(paper: 0)",
    )
    loss: PbnetLoss = PbnetLoss()


class Pbnet(Section):
    joint: bool = Field(True, description="one network for pose and blink (paper 3.4), or one each (published)")
    pose_min: tuple[float, float, float, float, float, float] = Field(
        (-90, -90, -90, 0, 0, 0), description="pose normalised to 0 in PBNet (yaw, pitch, roll in degrees, scale, x, y)"
    )
    pose_max: tuple[float, float, float, float, float, float] = Field(
        (90, 90, 90, 1, 720, 1080), description="pose normalised to 1 (published)"
    )
    blink_max: float = Field(1.0, gt=0, description="eye aspect ratio normalised to 1 (published: 1, not normalised)")
    model: PbnetModel = PbnetModel()
    start: str | None = Field(
        None, description="initial weights: a file of another run's PBNet, or pretrained:pbnet (paper: none)"
    )
    train: PbnetTrain = PbnetTrain(steps=1)

    @model_validator(mode="after")
    def _range(self) -> Pbnet:
        if any(low == high for low, high in zip(self.pose_min, self.pose_max, strict=True)):
            raise ValueError("pose_min must differ from pose_max in every component")
        return self
