r"""Lip-sync error: distance LSE_D, confidence LSE_C and offset of SyncNet embeddings (Chung and Zisserman 2016).

SyncNet embeds each window of 5 frames of the mouth, :math:`v_t`, and its 0.2 s of audio, :math:`a_t` (13 MFCC x 20 hops
of 10 ms); t runs over the clip's windows at 25 fps. For each shift s of the audio from -15 to 15 frames

.. math:: m(s) = mean_t \| v_t - a_{t+s} + 10^{-6} \|_2, \quad LSE_D = min_s m(s), \quad LSE_C = median_s m(s) - LSE_D

and the offset is minus the shift s at the minimum, in frames: below 0 the audio is late. Audio outside the clip is the
zero vector, as in the original, which lowers LSE_C of short clips (by about 5 % at 125 windows, 20 % at 25). The score
of a set is the mean over videos. Unit: the embedding's; not comparable between networks.

==================================================  =============================  ============================
``lse_d``, ``lse_c``, ``offset``                    published SyncNet              longest S3FD face track, 224
``lse_d_whole``, ``lse_c_whole``, ``offset_whole``  published SyncNet              whole frames, 224 (Wav2Lip)
``lse_d_own``, ``lse_c_own``, ``offset_own``        SyncNet trained on the corpus  mouth crops
==================================================  =============================  ============================

``lse_d_unshifted_own`` is m(0): unlike LSE_D it rises when the audio is delayed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawn.errors import InputError
from eval.extract.catalogue import TRAINED_LIP_SYNC, TRAINED_SYNCNET, VIDEO, published_lip_sync
from eval.extract.spec import Arrays, Features, FeatureSpec
from eval.metrics.clip_set import NO_AUDIO, NO_FACE, TOO_SHORT, ClipSet, MetricResult, mean_over_clips
from eval.metrics.registry import DOWN, UP, Metric

VSHIFT = 15  # frames, largest shift of the audio
_EPSILON = 1e-6  # the original's pairwise distance adds it to each difference


@dataclass(frozen=True)
class Sync:
    """Lip-sync distance LSE_D, confidence LSE_C, and offset in frames (below 0: the audio is late)."""

    lse_d: float
    lse_c: float
    offset: int


def sync(video: ArrayLike, audio: ArrayLike, vshift: int = VSHIFT, padded: bool = True) -> Sync:
    """Compute LSE_D, LSE_C and offset from embeddings (T, D) of video and audio windows. Raises InputError on shapes.

    With ``padded=False``, windows whose shifted audio is outside the clip are excluded from that shift's mean: a
    variant without the penalty on short clips, which is not the published score.
    """
    curve = distances(video, audio, vshift, padded)
    best = int(curve.argmin())
    return Sync(float(curve[best]), float(np.median(curve) - curve[best]), vshift - best)


def distances(video: ArrayLike, audio: ArrayLike, vshift: int = VSHIFT, padded: bool = True) -> NDArray[np.float64]:
    """Compute the mean distance m(s) at each shift s of the audio from -vshift to vshift, (2 vshift + 1,).

    video, audio: embeddings (T, D); without padding, T > vshift. Raises InputError on shapes.
    """
    v, a = np.asarray(video, np.float64), np.asarray(audio, np.float64)
    if v.ndim != 2 or v.shape != a.shape or len(v) < (1 if padded else vshift + 1):
        raise InputError(f"lip sync needs equal embeddings (T, D) of more windows, got {v.shape} and {a.shape}")
    around = np.pad(a, ((vshift, vshift), (0, 0)))
    curve = []
    for s in range(2 * vshift + 1):
        gaps = np.linalg.norm(v - around[s : s + len(v)] + _EPSILON, axis=1)
        inside = slice(None) if padded else slice(max(0, vshift - s), len(v) - max(0, s - vshift))
        curve.append(gaps[inside].mean())
    return np.asarray(curve)


Quantity = Literal["lse_d", "lse_c", "offset", "unshifted"]


def _of_clip(spec: FeatureSpec, quantity: Quantity, features: Features) -> tuple[float, str]:
    arrays = features[spec.name]
    if not features[VIDEO.name]["samples"].item():
        return np.nan, NO_AUDIO
    if not arrays["coverage"].item():
        return np.nan, NO_FACE
    if not len(arrays["lips"]):
        return np.nan, TOO_SHORT
    if quantity == "unshifted":
        return float(distances(arrays["lips"], arrays["sound"])[VSHIFT]), ""
    return float(getattr(sync(arrays["lips"], arrays["sound"]), quantity)), ""


def _lip_sync(spec: FeatureSpec, quantity: Quantity) -> Callable[[ClipSet], MetricResult]:
    """Create a metric function for one quantity, with the mean fraction of frames that have a crop.

    For the distance of the trained SyncNet the result also has the offset of each clip.
    """
    mean = mean_over_clips(lambda features: _of_clip(spec, quantity, features))

    def compute(clips: ClipSet) -> MetricResult:
        result = mean(clips)
        videos = [video[spec.name] for video in clips.fake if not isinstance(video, str)]
        if videos:
            result.details["coverage"] = float(np.mean([video["coverage"].item() for video in videos]))
        if spec is TRAINED_LIP_SYNC and quantity == "lse_d":
            offsets = [None if isinstance(video, str) else _offset(video[spec.name]) for video in clips.fake]
            result.columns["offset"] = offsets
        return result

    return compute


def _offset(arrays: Arrays) -> int | None:
    return sync(arrays["lips"], arrays["sound"]).offset if len(arrays["lips"]) else None


def _parameters() -> dict[str, Any]:
    from eval.extract.mouth_crop import SCALE, SMOOTHING

    return {"lse": {"vshift": VSHIFT, "crop": "tracked mouth", "crop_scale": SCALE, "crop_smoothing": SMOOTHING}}


# Suffix of the names -> feature, backbone, protocol in words.
_MODES = {
    "": (published_lip_sync("tracked"), "syncnet-v2", "published SyncNet on the longest face track"),
    "_whole": (
        published_lip_sync("whole_frame"),
        "syncnet-v2",
        "published SyncNet on whole frames, as Wav2Lip's evaluation",
    ),
    "_own": (TRAINED_LIP_SYNC, TRAINED_SYNCNET, "SyncNet given with --syncnet, on mouth crops"),
}


def _metric(
    name: str,
    suffix: str,
    quantity: Quantity,
    title: str,
    better: Literal["up", "down", "near"],
    order: int,
    *,
    tex: str = "",
    note: str,
    protocol: str = "31 shifts",
    follows: dict[str, int] | None = None,
) -> Metric:
    spec, backbone, mode = _MODES[suffix]
    return Metric(
        name=f"{name}{suffix}",
        title=title,
        tex=tex,
        better=better,
        note=note,
        protocol=f"{mode}; {protocol}",
        digits=2,
        backbone=backbone,
        order=order,
        real=(spec,),
        fake=(spec,),
        compute=_lip_sync(spec, quantity),
        per_clip=True,
        clip_columns=("offset",) if (suffix, quantity) == ("_own", "lse_d") else (),
        parameters=_parameters if suffix == "_own" else dict,
        follows=follows or {},
    )


_OFFSET = "shift of the sound that fits best, below 0: late"
METRICS = (
    _metric(
        "lse_c", "", "lse_c", "LSE_C", "up", 50,
        tex=r"LSE\textsubscript{C}", note="lip-sync confidence of the original SyncNet",
    ),
    _metric(
        "lse_d", "", "lse_d", "LSE_D", "down", 51,
        tex=r"LSE\textsubscript{D}", note="lip-sync distance of the original SyncNet",
    ),
    _metric("offset", "", "offset", "Offset (frames)", "near", 52, note=_OFFSET, protocol=_OFFSET),
    _metric(
        "lse_c", "_whole", "lse_c", "LSE_C (whole frame)", "up", 53,
        tex=r"LSE\textsubscript{C,whole}", note="lip-sync confidence of the original SyncNet on whole frames",
    ),
    _metric(
        "lse_d", "_whole", "lse_d", "LSE_D (whole frame)", "down", 54,
        tex=r"LSE\textsubscript{D,whole}", note="lip-sync distance of the original SyncNet on whole frames",
    ),
    _metric("offset", "_whole", "offset", "Offset (whole frame)", "near", 55, note=_OFFSET, protocol=_OFFSET),
    _metric(
        "lse_c", "_own", "lse_c", "LSE_C (own SyncNet)", "up", 56,
        tex=r"LSE\textsubscript{C,own}",
        note="lip-sync confidence of a SyncNet trained on this corpus' training split, in nats",
        follows={"freeze": DOWN, "shuffle": DOWN, "pitch": DOWN},
    ),
    _metric(
        "lse_d", "_own", "lse_d", "LSE_D (own SyncNet)", "down", 57,
        tex=r"LSE\textsubscript{D,own}", note="lip-sync distance of the same network; its unit is that network's own",
        follows={"pitch": UP},
    ),
    _metric(
        "offset", "_own", "offset", "Offset (own SyncNet)", "near", 58,
        note=_OFFSET, protocol=_OFFSET, follows={"delay": DOWN},
    ),
    _metric(
        "lse_d_unshifted", "_own", "unshifted", "LSE at offset 0 (own SyncNet)", "down", 59,
        note="lip-sync distance at offset 0 of the same network", protocol="mean distance without a shift",
        follows={"delay": UP},
    ),
)  # fmt: skip
