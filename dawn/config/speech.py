"""The speech encoder that this project trains (``dawn train speech``)."""

from __future__ import annotations

from pydantic import Field, model_validator

from dawn.config.base import Positive, Section
from dawn.config.schedule import Schedule


class SpeechModel(Section):
    """Sizes of a network of HuBERT's architecture (HuBERT large: 1024 channels, 24 layers, 512 channels of sound)."""

    dim: Positive = Field(96, multiple_of=8, description="channels of the features, as features.speech.dim")
    layers: Positive = Field(3, description="transformer layers")
    heads: Positive = Field(4, description="attention heads")
    feed_forward: Positive = Field(192, description="width of the feed-forward layers")
    channels: Positive = Field(48, description="channels of the convolutions over sound")

    @model_validator(mode="after")
    def _heads(self) -> SpeechModel:
        if self.dim % self.heads:
            raise ValueError(f"dim = {self.dim} is not divisible by heads = {self.heads}")
        return self


class SpeechEncoder(Section):
    """Speech encoder trained on the phonemes of the embedded corpus, for features.speech.encoder (paper: HuBERT)."""

    model: SpeechModel = SpeechModel()
    segment: float = Field(3.0, ge=0.5, description="length of a training sample, seconds; at most that of a clip")
    train: Schedule = Schedule(
        steps=2500, batch=12, lr=1.5e-3, lr_final=1e-5, warmup=250, weight_decay=0.01, clip_norm=1.0, threads=1
    )

    @model_validator(mode="after")
    def _no_validation(self) -> SpeechEncoder:
        if self.train.validation is not None:
            raise ValueError("train.validation: the speech encoder trains for a fixed number of steps; leave it out")
        return self
