"""Measures and the judges they need."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from dawn.config.base import Positive, Section
from dawn.config.schedule import Schedule


class SyncnetModel(Section):
    """The lip-sync judge: structure of the original SyncNet, trained by the pipeline on the corpus' training split."""

    side: Positive = Field(224, description="side of the mouth crop, pixels (original: 224)")
    width: float = Field(1.0, gt=0, description="channels relative to the original's")
    train: Schedule = Schedule(steps=1)


# Columns of table 1, and those that other tables have besides.
TABLE1 = ("fvd16", "fvd32", "lse_c_own", "lse_d_own", "csim_dlib", "bas", "blink_per_s", "fd_efficientnet")
METRICS = (*TABLE1, "dr25_efficientnet", "dr50_efficientnet")


class Evaluate(Section):
    metrics: tuple[str, ...] = Field(TABLE1, description="columns of table 1, in order")
    max_clips: Positive | None = Field(
        None, description="test clips measured at most, spread over identities; none: all"
    )
    inference_frames: Positive | None = Field(
        None, description="frames generated for each test clip (paper 4.1: 200 on HDTF); none: as the true clip"
    )
    bootstrap: int = Field(1000, ge=10, description="resamples over clips")
    interval: float = Field(0.95, gt=0, lt=1, description="coverage of the intervals")
    seed: int = Field(1234, ge=0, description="seed of the bootstrap")
    threads: Positive = Field(2, description="CPU threads of the measuring networks")
    syncnet: SyncnetModel = SyncnetModel()
    paper_dataset: Literal["crema", "hdtf"] | None = Field(
        None, description="which of the paper's rows stand beside ours; none: both"
    )

    @model_validator(mode="after")
    def _known(self) -> Evaluate:
        unknown = [m for m in self.metrics if m not in METRICS]
        if unknown:
            raise ValueError(f"unknown metric {unknown[0]!r}; known: {', '.join(METRICS)}")
        return self
