"""What the tables 2 to 8 compare: our rows in place of the paper's."""

from __future__ import annotations

from pydantic import Field, JsonValue

from dawn.config.base import Positive, Section


class Compare(Section):
    """Each value stands in the row of the paper's value at the same place; the defaults are the paper's own."""

    windows: tuple[Positive | None, Positive | None, Positive | None, Positive | None, Positive | None] = Field(
        (20, 40, 80, 200, None), description="A2V local attention, frames (paper Table 8)"
    )
    lengths: tuple[Positive, Positive, Positive, Positive, Positive] = Field(
        (40, 100, 200, 400, 600), description="frames generated at once (paper Table 3)"
    )
    long_lengths: tuple[Positive, Positive, Positive] = Field(
        (200, 400, 600), description="frames generated at once whose degradation is compared (paper Table 5)"
    )
    length_clips: Positive | None = Field(
        None, description="test clips of Tables 3 and 5 at most; none: as evaluate.max_clips"
    )
    time_frames: Positive = Field(200, description="frames of the videos that are timed (paper 4.3: 8 seconds)")
    time_repetitions: int = Field(5, ge=5, description="videos timed of each clip and strategy, after one to warm up")
    time_clips: Positive = Field(1, description="test clips timed at most")
    resolutions: tuple[Positive, Positive] = Field((128, 256), description="side of the clips, pixels (paper Table 7)")
    resolution_changes: dict[str, JsonValue] = Field(
        {}, description="what else changes in a run at a resolution other than corpus.resolution: dotted key and value"
    )
    processes: Positive | None = Field(
        None, description="processes of every training that only comparisons and sweeps need; none: as its stage says"
    )
    ratings: str | None = Field(
        None, description="CSV file of a user study's ratings (Table 6); none: the paper's rows alone"
    )
