r"""Kernel inception distance, KID (Bińkowski et al. 2018).

.. math:: KID = E[k(x, x')] + E[k(y, y')] - 2 E[k(x, y)], \quad k(a, b) = (a \cdot b / 2048 + 1)^3

Unbiased estimate over all pairs of distinct frames, on the 2048 pool3 features of pytorch-fid's Inception, every
decoded frame of all real (x) and all generated (y) videos. No unit. Its expectation does not depend on the number of
frames; it may be negative. Suites average over random subsets of 1000; here all frames are one set.
"""

from __future__ import annotations

from eval.metrics.clip_set import ClipSet, MetricResult, without_rows
from eval.metrics.fid import EVERY_FRAME, INCEPTION_FRAMES
from eval.metrics.registry import Metric
from eval.stats import aggregate


def _kid(clips: ClipSet) -> MetricResult:
    real, fake = clips.rows("real", INCEPTION_FRAMES), clips.rows("fake", INCEPTION_FRAMES)
    found = aggregate.kernel_distance(real, fake, clips.counts, clips.coverage)
    return MetricResult(found, without_rows(clips, real, fake))


METRICS = (
    Metric(
        name="kid",
        title="KID",
        better="down",
        note="kernel distance of frames on Inception features",
        protocol=f"unbiased, cubic kernel, pytorch-fid's features, {EVERY_FRAME}",
        digits=4,
        backbone="inception-fid",
        order=15,
        real=(INCEPTION_FRAMES,),
        fake=(INCEPTION_FRAMES,),
        compute=_kid,
    ),
)
