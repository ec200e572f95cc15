"""Values of registered metrics on features in memory, one dictionary of arrays per video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.extract.features import FeatureExtractors
from eval.extract.spec import ExtractorOptions, Features
from eval.extract.video import DecodedVideo
from eval.metrics.clip_set import ClipSet
from eval.metrics.registry import METRICS
from eval.stats import bootstrap


def metric_entry(name: str, real: Sequence[Features], fake: Sequence[Features], resamples: int = 10) -> dict[str, Any]:
    """What a report states of metric `name`: value, low, high, n and further numbers."""
    compute = METRICS[name].compute
    assert compute is not None
    result = compute(ClipSet(real, fake, bootstrap.draws(len(fake), resamples, 0), coverage=0.95, seed=0))
    assert result.aggregate is not None, result.reasons
    return result.aggregate.entry | result.details


def rows_of(name: str, videos: Sequence[NDArray[np.floating]]) -> list[Features]:
    """Embeddings (n_i, D) of each video as the feature that metric `name` takes of generated videos."""
    (spec,) = METRICS[name].fake
    return [{spec.name: {"rows": rows}} for rows in videos]


def extracted(name: str, videos: Sequence[NDArray[np.uint8]]) -> list[Features]:
    """Features that metric `name` takes of generated videos, of frames (N, H, W, 3) without sound."""
    extractors = FeatureExtractors(METRICS[name].fake, ExtractorOptions())
    return [extractors.of_decoded(DecodedVideo(frames, np.empty(0, np.float32))) for frames in videos]
