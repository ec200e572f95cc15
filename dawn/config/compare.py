"""The rows of Tables 2 to 8, in place of the paper's, and the repetitions of a run."""

from __future__ import annotations

from pydantic import Field, JsonValue

from dawn.config.base import Positive, Section, Seed


class Compare(Section):
    """Rows of Tables 2 to 8, and repetitions of the run.

    Each value of a row replaces the paper's at the same position; defaults are the paper's. The paper repeats no run.
    """

    windows: tuple[Positive | None, Positive | None, Positive | None, Positive | None, Positive | None] = Field(
        (20, 40, 80, 200, None), description="A2V local attention, frames (paper Table 8)"
    )
    lengths: tuple[Positive, Positive, Positive, Positive, Positive] = Field(
        (40, 100, 200, 400, 600), description="frames generated at once (paper Table 3)"
    )
    long_lengths: tuple[Positive, Positive, Positive] = Field(
        (200, 400, 600), description="frames generated at once, for the degradation rate (paper Table 5)"
    )
    length_clips: Positive | None = Field(
        None, description="maximum number of test clips of Tables 3 and 5; none: evaluate.max_clips"
    )
    time_frames: Positive = Field(200, description="length of the timed videos, frames (paper 4.3: 8 seconds)")
    time_repetitions: int = Field(5, ge=5, description="timed runs per clip and strategy, after one warm-up run")
    time_clips: Positive = Field(1, description="maximum number of timed test clips")
    resolutions: tuple[Positive, Positive] = Field((128, 256), description="side of the clips, pixels (paper Table 7)")
    resolution_changes: dict[str, JsonValue] = Field(
        {},
        description="further changes of a run whose resolution differs from corpus.resolution: dotted keys and values",
    )
    processes: Positive | None = Field(
        None,
        description="processes of trainings that only comparisons, sweeps and repetitions need; none: the stage's own "
        "number",
    )
    repeat_seeds: tuple[Seed, ...] = Field(
        (1, 2), description="seeds of the repetitions of the run (results/seeds.md), besides its own"
    )
    repeat_threads: tuple[Positive, ...] = Field(
        (2,), description="threads of the trainings of repetitions with the run's own seed"
    )
    ratings: str | None = Field(
        None, description="CSV file of user study ratings (Table 6); none: only the paper's rows"
    )
