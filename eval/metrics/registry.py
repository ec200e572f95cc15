"""The metrics of the suite by name: the parts of a video that each needs, and the number that it makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dawn.errors import InputError
from eval.backbones import dlib_face, efficientnet, syncnet
from eval.extract.cache import Arrays
from eval.extract.video import FPS
from eval.metrics import bas, blink, csim, fd_efficientnet, fid, fvd, lse
from eval.metrics.degradation import LENGTHS, degradation
from eval.stats import aggregate as pooling

ABSENT = "no video of that name"
UNREADABLE = "cannot be read"
NO_SOUND = "no sound"
NO_FACE = "no face in any frame"
SHORT = "too short"

Video = Mapping[str, Arrays] | str  # parts by name; or why there are none: ABSENT, UNREADABLE
Side = Literal["real", "fake"]
_WORDS: dict[Side, str] = {"real": "true", "fake": "generated"}


@dataclass(frozen=True)
class Videos:
    """The videos of both sides, one a name, and how clips are resampled."""

    real: Sequence[Video]
    fake: Sequence[Video]
    counts: NDArray[np.int64]
    coverage: float
    seed: int

    def rows(self, side: Side, part: str, array: str = "rows") -> list[NDArray[Any]]:
        """An array of each video, without rows where there is no video."""
        videos = getattr(self, side)
        width = next((video[part][array].shape[1:] for video in videos if not isinstance(video, str)), (0,))
        return [np.empty((0, *width), np.float32) if isinstance(video, str) else video[part][array] for video in videos]


@dataclass
class Found:
    """A number with what belongs to it, over resamples too; where it is a mean, the value of each clip and, if there is
    one, that of its true video; and why a clip counts for nothing (empty text: it counts)."""

    pooled: pooling.Pooled | None
    why: list[str]
    clips: list[float] = field(default_factory=list)
    true: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Metric:
    """`about` is the protocol in words. `better`: up, down, zero, or near (nearest to the true videos)."""

    name: str
    title: str
    better: str
    about: str
    real: tuple[str, ...]  # parts of the true videos
    fake: tuple[str, ...]
    run: Callable[[Videos], Found]


# ------------------------------------------------------------------------------------------- distances between two sets
def _distance(part: str, other: str, ddof: int, videos: Videos) -> Found:
    real, fake = videos.rows("real", part), videos.rows("fake", other)
    pooled = pooling.distance(real, fake, videos.counts, videos.coverage, part, ddof)
    return Found(pooled, _no_rows(videos, real, fake))


def _kernel(part: str, videos: Videos) -> Found:
    real, fake = videos.rows("real", part), videos.rows("fake", part)
    return Found(pooling.kernel_distance(real, fake, videos.counts, videos.coverage), _no_rows(videos, real, fake))


def _no_rows(videos: Videos, real: pooling.Rows, fake: pooling.Rows) -> list[str]:
    """What a distance leaves out, of either side: a video that is there and has no rows. One without partner counts."""
    told = []
    for a, b, true, made in zip(real, fake, videos.real, videos.fake, strict=True):
        sides: tuple[tuple[Side, NDArray[Any], Video], ...] = (("real", a, true), ("fake", b, made))
        reasons = [_why(side, video) for side, rows, video in sides if not len(rows) and video != ABSENT]
        told.append("; ".join(reasons))
    return told


def _why(side: Side, video: Video) -> str:
    return f"{_WORDS[side]} one: {video if isinstance(video, str) else SHORT}"


def _worsening(part: str, length: int, every: int, videos: Videos) -> Found:
    why = [_unpaired(a, b) for a, b in zip(videos.real, videos.fake, strict=True)]
    true, made = (
        [rows for rows, lone in zip(videos.rows(side, part), why, strict=True) if not lone] for side in _WORDS
    )
    longer = any(len(b) > len(a) for a, b in zip(true, made, strict=True))
    reference = "all" if longer else "matched"
    enough = pooling.enough(true, true)
    rated = degradation(
        true,
        made,
        length // every,
        reference=reference,
        resamples=len(pooling.affordable(videos.counts, true, true)) if enough else len(videos.counts),
        seed=videos.seed,
        coverage=videos.coverage,
    )
    frames = iter(len(b) if longer else min(len(a), len(b)) for a, b in zip(true, made, strict=True))
    return Found(pooling.worsening(rated), [lone or (SHORT if next(frames) < length // every else "") for lone in why])


def _unpaired(true: Video, made: Video) -> str:
    """Why a pair cannot be compared, empty where it can."""
    if isinstance(true, str):
        return _why("real", true)
    return _why("fake", made) if isinstance(made, str) else ""


# --------------------------------------------------------------------------------------------------- means over clips
Clip = Callable[[Mapping[str, Arrays]], tuple[float, str]]


def _mean(of: Clip, videos: Videos, null: Callable[[Videos], list[float]] | None = None) -> Found:
    """The mean over generated clips of what `of` says of one, and beside it that of the true clips."""
    fake, real = (
        [(np.nan, one) if isinstance(one, str) else of(one) for one in side] for side in (videos.fake, videos.real)
    )
    made, true = ([value for value, _ in side] for side in (fake, real))
    pooled = pooling.mean(made, videos.counts, videos.coverage)
    if pooled is not None:
        known = [value for value in true if np.isfinite(value)]
        pooled.entry["real"] = float(np.mean(known)) if known else None
        if null is not None:
            by_chance = np.where(np.isfinite(made), null(videos), np.nan)
            chance = pooling.mean(by_chance, videos.counts, videos.coverage)
            pooled.entry["null"] = None if chance is None else chance.entry["value"]
    return Found(pooled, [why for _, why in fake], made, true)


def _similarity(part: str, videos: Videos) -> Found:
    values, why, failed = [], [], 0
    for true, made in zip(videos.real, videos.fake, strict=True):
        if isinstance(true, str) or isinstance(made, str):
            values.append(np.nan)
            why.append(_unpaired(true, made))
            continue
        pair = csim.csim(true[part]["rows"], made[part]["rows"])
        failed += pair.failed
        values.append(pair.csim)
        why.append("" if pair.compared else NO_FACE)
    pooled = pooling.mean(values, videos.counts, videos.coverage)
    if pooled is not None:
        pooled.entry["frames_without_face"] = failed
    return Found(pooled, why, values)


def _synced(part: str, what: str, video: Mapping[str, Arrays]) -> tuple[float, str]:
    seen = video[part]
    if not video["footage"]["samples"].item():
        return np.nan, NO_SOUND
    if not seen["coverage"].item():
        return np.nan, NO_FACE
    if not len(seen["lips"]):
        return np.nan, SHORT
    return float(getattr(lse.sync(seen["lips"], seen["sound"]), what)), ""


def _covered(part: str, what: str, videos: Videos) -> Found:
    found = _mean(partial(_synced, part, what), videos)
    shares = [video[part]["coverage"].item() for video in videos.fake if not isinstance(video, str)]
    if found.pooled is not None:
        found.pooled.entry["coverage"] = float(np.mean(shares))
    return found


def _beats(form: bas.Form, video: Mapping[str, Arrays]) -> tuple[float, str]:
    if not video["footage"]["samples"].item():
        return np.nan, NO_SOUND
    if not video["mesh"]["found"].any():
        return np.nan, NO_FACE
    if not len(video["beats"]["audio_beats"]):
        return np.nan, "no beat in the sound"
    return form.score(form.beats(video["mesh"]["pose"], FPS), video["beats"]["audio_beats"], FPS), ""


def _beats_of_others(form: bas.Form, videos: Videos) -> list[float]:
    known = [video for video in videos.fake if not isinstance(video, str)]
    chance = bas.null(
        [form.beats(video["mesh"]["pose"], FPS) for video in known],
        [video["beats"]["audio_beats"] for video in known],
        form,
        FPS,
    )
    values = iter(chance.tolist())
    return [np.nan if isinstance(video, str) else next(values) for video in videos.fake]


def _blinks(counter: blink.Counter, video: Mapping[str, Arrays]) -> tuple[float, str]:
    mesh = video["mesh"]
    return (counter.rate(mesh["landmarks"], FPS), "") if mesh["found"].any() else (np.nan, NO_FACE)


# ------------------------------------------------------------------------------------------------------------ registry
def _fids() -> list[Metric]:
    names = {"pytorch-fid": "fid", "clean-fid": "fid_clean", "clean-fid-resize": "fid_clean_resize"}
    names["torch-fidelity"] = "fid_tf1"
    every = "every decoded frame of all videos, ddof 1"
    parts = {name: f"{fid.PRESETS[preset]}:frames" for preset, name in names.items()}
    made = [_frechet(name, "FID", f"as {preset}: {every}", parts[name], parts[name]) for preset, name in names.items()]
    about = f"unbiased, cubic kernel, pytorch-fid's features, {every}"
    made.append(_both("kid", "KID", "down", about, parts["fid"], partial(_kernel, parts["fid"])))
    part = f"{efficientnet.NAME}:fifth"
    about = f"every {fd_efficientnet.EVERY}th frame, ddof 1"
    made.append(_frechet("fd_efficientnet", "FD", about, part, part))
    for length in LENGTHS:
        for name, part, step in (
            (f"dr{length}", parts["fid"], 1),
            (f"dr{length}_efficientnet", f"{efficientnet.NAME}:fifth", fd_efficientnet.EVERY),
        ):
            about = f"distance of the last {length} frames over that of the first {length}, less 1; pairs only"
            made.append(_both(name, f"DR{length}", "zero", about, part, partial(_worsening, part, length, step)))
    return made


def _frechet(name: str, title: str, about: str, real: str, fake: str, ddof: int = 1) -> Metric:
    """The distance of one part of the true videos and another, or the same, of the generated ones."""
    return Metric(name, title, "down", about, (real,), (fake,), partial(_distance, real, fake, ddof))


def _both(name: str, title: str, better: str, about: str, part: str, run: Callable[[Videos], Found]) -> Metric:
    """A metric that sees the same part of both sides."""
    return Metric(name, title, better, about, (part,), (part,), run)


def _fvds() -> list[Metric]:
    made = []
    for window in fvd.WINDOWS:
        for name, key in (
            ("windows", "fvd"),
            ("stylegan-v", "fvd_stylegan_v"),
            ("common-metrics", "fvd_common_metrics"),
        ):
            protocol = fvd.PROTOCOLS[f"{name}{window}"]
            which = {"all": "all windows that do not overlap", "first": "the first window of each video"}.get(
                protocol.windows, "one window a video: anywhere in a true one, the first of a generated one"
            )
            about = f"I3D logits; {which}; ddof {protocol.ddof}"
            full = f"{key}{window}" if key == "fvd" else f"{key}_{window}"
            parts = protocol.part("real"), protocol.part("fake")
            made.append(_frechet(full, f"FVD{window}", about, *parts, protocol.ddof))
    return made


def _syncs() -> list[Metric]:
    modes = {
        "": ("syncnet-v2:tracked", "published SyncNet on the longest face track"),
        "_whole": ("syncnet-v2:whole_frame", "published SyncNet on whole frames, as Wav2Lip's evaluation"),
        "_own": (f"{syncnet.NAME}:mouth", "SyncNet given with --syncnet, on mouth crops"),
    }
    made = []
    for suffix, (part, about) in modes.items():
        for name, title, better, what in (
            ("lse_d", "LSE_D", "down", "lse_d"),
            ("lse_c", "LSE_C", "up", "lse_c"),
            ("offset", "Offset (frames)", "near", "offset"),
        ):
            said = f"{about}; " + (
                "shift of the sound that fits best, below 0: late" if what == "offset" else "31 shifts"
            )
            made.append(_both(f"{name}{suffix}", title, better, said, part, partial(_covered, part, what)))
    return made


def _faces() -> list[Metric]:
    made = []
    for name, part, about in (
        ("csim", "arcface-w600k-r50:frames", "ArcFace; each frame detected by SCRFD at 640 and aligned on its own"),
        ("csim_mesh", "arcface-w600k-r50-mesh:faces", f"ArcFace aligned by the face mesh, every {csim.EVERY}th frame"),
        ("csim_dlib", f"{dlib_face.NAME}:faces", f"dlib's network, every {csim.EVERY}th frame"),
    ):
        made.append(_both(name, "CSIM", "up", f"{about}; frames paired by index", part, partial(_similarity, part)))
    return made


def _motions() -> list[Metric]:
    made = []
    for name, form in (("bas", bas.BAILANDO), ("bas_mint", bas.MINT), ("bas_seconds", bas.SECONDS)):
        about = f"{form.name}: mean over beats of the {form.over}, sigma {form.sigma:g} {form.unit}, head rotation"
        run = partial(_mean, partial(_beats, form), null=partial(_beats_of_others, form))
        parts = ("mesh", "beats")
        made.append(Metric(name, "BAS", "near", f"{about}; null: with the sound of other videos", parts, parts, run))
    short = {blink.NAME: "blink"}
    for counter in blink.COUNTERS.values():
        name = short.get(counter.name, f"blink_{counter.name.removesuffix('-2frames').replace('-', '_')}")
        run = partial(_mean, partial(_blinks, counter))
        made.append(Metric(name, "Blink/s", "near", counter.name, ("mesh",), ("mesh",), run))
    return made


METRICS = {metric.name: metric for metric in (*_fids(), *_fvds(), *_syncs(), *_faces(), *_motions())}


def metric(name: str) -> Metric:
    """The metric called `name`. Raises InputError for none."""
    try:
        return METRICS[name]
    except KeyError:
        raise InputError(f"no metric is called {name!r}; 'dawn-eval --list' names them") from None
