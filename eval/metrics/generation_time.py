"""Time (s): median seconds of generating a video of a stated length, measured by ``dawn time-strategies``.

Finding the face and encoding the speech are not included. It is not computed from videos: tables read it from the
run's ``timing.json``.
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
