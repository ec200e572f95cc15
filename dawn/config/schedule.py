"""Training schedule of a stage (paper A.2)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from dawn.choices import Precision
from dawn.config.base import Fraction, Positive, Section, Weight


class ValidationSchedule(Section):
    """Validation on clips that no training draws (key ``data.validation_fraction``), and the end of training by it."""

    every: Positive = Field(description="steps between validations; the first is before training, the last at its end")
    batches: Positive = Field(8, description="batches of a validation, the same each time")
    patience: Positive = Field(5, description="validations in a row without improvement that end the training")


class Schedule(Section):
    """Training schedule: optimiser steps, or epochs over the training clips."""

    steps: Positive | None = Field(None, description="optimiser steps; exclusive with epochs")
    epochs: Positive | None = Field(None, description="passes over the training clips (paper A.2)")
    repeats: Positive = Field(1, description="samples per clip and epoch (paper A.2: 25 on HDTF)")
    batch: Positive = Field(8, description="samples per optimiser step")
    lr: float = Field(1e-3, gt=0, description="peak learning rate of Adam")
    lr_final: float = Field(1e-5, ge=0, description="learning rate at the end of the cosine")
    warmup: int = Field(0, ge=0, description="steps of linear warm-up")
    betas: tuple[float, float] = Field((0.9, 0.99), description="Adam's betas")
    weight_decay: Weight = Field(0.0, description="decoupled weight decay (AdamW)")
    clip_norm: Weight = Field(2.0, description="gradient norm limit, 0 for none (published: 2.0)")
    ema: Fraction = Field(0.0, description="decay of the averaged weights, 0 for none")
    validation: ValidationSchedule | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="validation on held-out clips, whose best weights are the result (paper: none)",
    )
    checkpoint_every: Positive = Field(500, description="steps between checkpoints")
    keep: Positive = Field(1, description="checkpoints kept")
    log_every: Positive = Field(20, description="steps between log lines")
    threads: Positive = Field(2, description="CPU threads per process; rounding depends on it")
    processes: Positive | Literal["auto"] = Field(
        1,
        description="processes that divide each batch on this machine, one GPU each; auto: one for each GPU that the "
        "training has; a launcher takes precedence",
    )
    accumulate: Positive | None = Field(
        None,
        description="gradient accumulation: passes per batch in each process; null: as few as fit the GPU's memory",
    )
    precision: Precision = Field(
        "auto",
        description="precision of matrix products and convolutions; auto: tf32 on CUDA, else exact (published: half "
        "precision)",
    )
    deterministic: bool = Field(
        False, description="on a GPU, only kernels that repeat their result, where there are any; a CPU always repeats"
    )

    @model_validator(mode="after")
    def _length(self) -> Schedule:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give exactly one of steps and epochs")
        return self
