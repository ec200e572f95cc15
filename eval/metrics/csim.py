r"""Identity similarity, CSIM: cosine of face embeddings of a generated frame and the real frame of the same index.

.. math:: CSIM = mean_t \frac{e_t \cdot f_t}{|e_t| |f_t|}

:math:`e_t, f_t`: embeddings of the largest face in frame t of the real and the generated video; the mean runs over the
frames with a face in both, the longer video being cut; then over videos. From -1 to 1; 1 for identical faces. The real
videos score 1 in the paper, which implies this pairing. Network and alignment change the value most:

===============  ==========================================================================  ===========
``csim``         ArcFace R50 (WebFace600K), SCRFD at 640 pixels and 5-point alignment        all frames
``csim_mesh``    the same network, aligned by the face mesh                                  every 5th
``csim_dlib``    dlib's ResNet, 128 numbers; two different people score about 0.83           every 5th
===============  ==========================================================================  ===========

Frames without a face in one of the two are counted (``frames_without_face``), not skipped silently.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawn.errors import InputError
from eval.extract.catalogue import face_embeddings, frame_embeddings
from eval.extract.spec import FeatureSpec
from eval.metrics.clip_set import NO_FACE, ClipSet, MetricResult, unpaired
from eval.metrics.registry import DOWN, Metric
from eval.stats import aggregate

EVERY = 5  # frames; adjacent frames differ little, and each face takes 70 ms


@dataclass(frozen=True)
class Similarity:
    """Mean cosine over the compared frames (NaN for none), and the numbers of frames that could and could not be
    compared."""

    csim: float
    compared: int
    failed: int


def csim(real: NDArray[np.floating], fake: NDArray[np.floating]) -> Similarity:
    """Compute the mean cosine of paired embeddings (K, D), NaN rows where no face was found; the longer side is cut.

    Raises InputError on shapes.
    """
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1]:
        raise InputError(f"similarity needs (K, D) embeddings, got {real.shape} and {fake.shape}")
    count = min(len(real), len(fake))
    a, b = real[:count].astype(np.float64), fake[:count].astype(np.float64)
    valid = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
    a, b = a[valid], b[valid]
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine = (a * b).sum(axis=1) / norms
    return Similarity(float(cosine.mean()) if len(cosine) else float("nan"), int(valid.sum()), int((~valid).sum()))


def _similarity(spec: FeatureSpec, failed_column: str) -> Callable[[ClipSet], MetricResult]:
    """Create a metric function: mean of :func:`csim` over pairs, with the number of frames not compared, also by
    clip."""

    def compute(clips: ClipSet) -> MetricResult:
        values: list[float] = []
        reasons: list[str] = []
        failed: list[int | None] = []
        for real, fake in zip(clips.real, clips.fake, strict=True):
            if isinstance(real, str) or isinstance(fake, str):
                values.append(np.nan)
                reasons.append(unpaired(real, fake))
                failed.append(None)
                continue
            pair = csim(real[spec.name]["rows"], fake[spec.name]["rows"])
            values.append(pair.csim)
            reasons.append("" if pair.compared else NO_FACE)
            failed.append(pair.failed)
        found = aggregate.mean(values, clips.counts, clips.coverage)
        details = {"frames_without_face": sum(count for count in failed if count is not None)}
        return MetricResult(found, reasons, details, values, columns={failed_column: failed})

    return compute


def _parameters() -> dict[str, Any]:
    from eval.backbones.dlib_face import SIDE

    return {"csim_dlib": {"every": EVERY, "side": SIDE}}


def _csim(
    name: str, title: str, tex: str, note: str, spec: FeatureSpec, network: str, protocol: str, order: int
) -> Metric:
    dlib = name == "csim_dlib"
    failed_column = "csim_failed" if dlib else f"{name}_frames_failed"
    return Metric(
        name=name,
        title=title,
        tex=tex,
        better="up",
        note=note,
        protocol=f"{protocol}; frames paired by index",
        digits=3,
        backbone=network,
        order=order,
        real=(spec,),
        fake=(spec,),
        compute=_similarity(spec, failed_column),
        per_clip=True,
        clip_columns=(failed_column,),
        parameters=_parameters if dlib else dict,
        follows={"blur": DOWN, "swap": DOWN} if dlib else {},
    )


_ARCFACE, _ARCFACE_MESH, _DLIB = "arcface-w600k-r50", "arcface-w600k-r50-mesh", "dlib-resnet-v1-128"
METRICS = (
    _csim(
        "csim", "CSIM (ArcFace)", "CSIM", "cosine of ArcFace identity embeddings",
        frame_embeddings(_ARCFACE), _ARCFACE,
        "ArcFace; each frame detected by SCRFD at 640 and aligned on its own", 90,
    ),
    _csim(
        "csim_mesh", "CSIM (ArcFace, face mesh)", r"CSIM\textsubscript{mesh}",
        "cosine of ArcFace identity embeddings of paired frames, aligned by the face mesh",
        face_embeddings(_ARCFACE_MESH, EVERY), _ARCFACE_MESH,
        f"ArcFace aligned by the face mesh, every {EVERY}th frame", 91,
    ),
    _csim(
        "csim_dlib", "CSIM (dlib)", r"CSIM\textsubscript{dlib}",
        "cosine of dlib identity embeddings of paired frames; two different people score about 0.83",
        face_embeddings(_DLIB, EVERY), _DLIB, f"dlib's network, every {EVERY}th frame", 92,
    ),
)  # fmt: skip
