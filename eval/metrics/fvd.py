r"""Fréchet video distance, FVD (Unterthiner et al. 2018), over windows of 16 and of 32 frames.

.. math:: FVD = |\mu_1 - \mu_2|^2 + tr(S_1) + tr(S_2) - 2 tr((S_1 S_2)^{1/2})

:math:`\mu, S`: mean and covariance of the 400 logits (before the softmax) of I3D trained on Kinetics-400, one row per
window of consecutive frames at 25 fps. No unit; 0 for equal sets. The paper states neither stride nor number of
windows; the number changes the value more than anything else and is recorded with it. Published implementations differ
in windows, resizing and the covariance's denominator, so each is a separate metric (xx = 16 or 32):

=========================  ================================  =======================================  ======
``fvdxx``                  all windows that do not overlap   short side to 224 bilinear, centre crop  ddof 1
``fvd_stylegan_v_xx``      one: random in a real video, the  squashed to 224 x 224 bilinear           ddof 0
                           first in a generated one
``fvd_common_metrics_xx``  the first of each video           short side to 224 bilinear, centre crop  ddof 1
=========================  ================================  =======================================  ======

All scale pixels as 2 x / 255 - 1. The last two use StyleGAN-V's TorchScript file of the network.
"""

from __future__ import annotations

from typing import Any

from eval.extract.catalogue import window_embeddings
from eval.extract.sampling import window_samplings
from eval.metrics.clip_set import frechet_distance
from eval.metrics.registry import UP, Metric

WINDOWS = (16, 32)
NETWORK = "i3d-kinetics400-logits"
# Implementation -> prefix of the metric's name, network card, ddof, windows in words.
IMPLEMENTATIONS = {
    "windows": ("fvd", NETWORK, 1, "all windows that do not overlap"),
    "stylegan-v": (
        "fvd_stylegan_v_",
        "i3d-stylegan-v",
        0,
        "one window a video: anywhere in a true one, the first of a generated one",
    ),
    "common-metrics": ("fvd_common_metrics_", "i3d-common-metrics", 1, "the first window of each video"),
}


def _parameters() -> dict[str, Any]:
    from eval.backbones.i3d import SIDE

    return {"fvd": {"windows": list(WINDOWS), "stride": "the window", "ddof": 1, "side": SIDE}}


def _fvd(implementation: str, window: int, order: int) -> Metric:
    prefix, network, ddof, windows = IMPLEMENTATIONS[implementation]
    sampling = window_samplings(window)[implementation]
    real, fake = window_embeddings(network, sampling, "real"), window_embeddings(network, sampling, "fake")
    main = implementation == "windows"
    suffix = "" if main else f" ({implementation})"
    return Metric(
        name=f"{prefix}{window}",
        title=f"FVD{window}{suffix}",
        tex=rf"FVD\textsubscript{{{window}}}{suffix}",
        better="down",
        note=f"Fréchet distance of {window}-frame windows on I3D logits",
        protocol=f"I3D logits; {windows}; ddof {ddof}",
        digits=1,
        backbone=network,
        order=order,
        real=(real,),
        fake=(fake,),
        compute=frechet_distance(real, fake, ddof),
        parameters=_parameters if main else dict,
        follows={"blur": UP, "reencode": UP, "freeze": UP, "shuffle": UP} if main and window == 16 else {},
    )


METRICS = tuple(
    _fvd(implementation, window, 30 + 3 * place + rank)
    for place, window in enumerate(WINDOWS)
    for rank, implementation in enumerate(IMPLEMENTATIONS)
)
