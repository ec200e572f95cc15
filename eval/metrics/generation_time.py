"""Generation time, Time (s): median seconds to generate a video of a stated length, from ``dawn time-strategies``.

Face detection and speech encoding are excluded. The metric is not computed from videos: tables read it from the run's
``timing.json``.
"""

from __future__ import annotations

from eval.metrics.registry import Metric

METRICS = (
    Metric(
        name="time_s",
        title="Time (s)",
        better="down",
        note="seconds of generation",
        digits=2,
        backbone="clock",
        order=130,
    ),
)
