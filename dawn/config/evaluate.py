"""Evaluation, and the SyncNet trained for it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dawn.choices import MeasuringDevice
from dawn.config.base import Positive, Section, Seed
from dawn.config.schedule import Schedule


class SyncnetModel(Section):
    """SyncNet with the original architecture, trained on the training split of the corpus."""

    side: Positive = Field(224, description="side of the mouth crop, pixels (original: 224)")
    width: float = Field(1.0, gt=0, description="number of channels relative to the original")
    start: str | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="initial weights, from another run's SyncNet of the same sizes",
    )
    seed: Seed | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="random seed of its training; none: that of the networks",
    )
    train: Schedule = Schedule(steps=1)


# Columns of Table 1, and all metrics that the paper's tables need. Names are checked where metrics are computed: the
# registry of metrics (eval.metrics.registry) is not imported here.
TABLE1 = ("fvd16", "fvd32", "lse_c_own", "lse_d_own", "csim_dlib", "bas", "blink_per_s", "fd_efficientnet")
DEFAULT_METRICS = (*TABLE1, "dr25_efficientnet", "dr50_efficientnet")


class Evaluate(Section):
    metrics: tuple[str, ...] = Field(TABLE1, description="columns of Table 1, in order; names: 'dawn-eval list'")
    max_clips: Positive | None = Field(
        None, description="maximum number of test clips, spread over identities; none: all"
    )
    inference_frames: Positive | None = Field(
        None, description="frames generated per test clip (paper 4.1: 200 on HDTF); none: as many as the real clip has"
    )
    bootstrap: int = Field(1000, ge=10, description="bootstrap resamples over clips")
    interval: float = Field(0.95, gt=0, lt=1, description="coverage of the confidence intervals")
    seed: int = Field(1234, ge=0, description="seed of the bootstrap")
    threads: Positive = Field(2, description="CPU threads of the networks used by metrics")
    device: MeasuringDevice = Field("auto", description="of these networks; auto: CUDA if there is one, else CPU")
    shards: Positive = Field(1, description="jobs that generate and measure the test videos of a method")
    syncnet: SyncnetModel = SyncnetModel()
    paper_dataset: Literal["crema", "hdtf"] | None = Field(
        None, description="dataset of the paper's rows in the table; none: both"
    )

    @property
    def scored(self) -> tuple[str, ...]:
        """Metrics that are computed for a method: those that the paper's tables need, and the columns of Table 1."""
        return tuple(dict.fromkeys((*DEFAULT_METRICS, *self.metrics)))
