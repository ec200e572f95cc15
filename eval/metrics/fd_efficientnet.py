"""Fréchet distance of frames on EfficientNet features: FID's formula with a network that needs no download.

The distance of :mod:`eval.metrics.fid` on the 1280 pooled features of EfficientNet-Lite0 (ImageNet), frames resized to
224 x 224 (bilinear, antialiased), (x - 127) / 128; every 5th frame of each video, ddof 1. No unit; 0 for equal sets.
Values are on another scale than FID and not comparable with it; orders of methods are.
"""

from __future__ import annotations

from typing import Any

from eval.extract.catalogue import frame_embeddings
from eval.metrics.clip_set import frechet_distance
from eval.metrics.registry import UP, Metric

NETWORK = "efficientnet-lite0-1280"
EVERY = 5  # frames; adjacent frames differ little, and each frame takes 25 ms
FIFTH_FRAMES = frame_embeddings(NETWORK, EVERY, "fifth")


def _parameters() -> dict[str, Any]:
    from eval.backbones.efficientnet import SIDE

    return {"fd_efficientnet": {"every": EVERY, "ddof": 1, "side": SIDE}}


METRICS = (
    Metric(
        name="fd_efficientnet",
        title="FD (EfficientNet)",
        tex=r"FD\textsubscript{EfficientNet}",
        better="down",
        note="Fréchet distance of frames on EfficientNet-lite0 features, in place of FID, whose network is not bundled",
        protocol=f"every {EVERY}th frame, ddof 1",
        digits=2,
        backbone=NETWORK,
        order=20,
        real=(FIFTH_FRAMES,),
        fake=(FIFTH_FRAMES,),
        compute=frechet_distance(FIFTH_FRAMES, FIFTH_FRAMES),
        parameters=_parameters,
        follows={"blur": UP, "reencode": UP, "dim": UP},
    ),
)
