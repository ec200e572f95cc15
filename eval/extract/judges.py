"""The networks that measure in the workflow: those that packages bring, and the SyncNet of the corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dawn.config import METRICS, Config
from dawn.errors import InputError
from dawn.features.blink import eye_aspect_ratios
from dawn.features.boxes import face_box, mouth_box
from dawn.features.landmarks import VERSION
from dawn.features.store import Features
from dawn.media.audio import read_audio
from eval.backbones import dlib_face, efficientnet, i3d, syncnet
from eval.extract import features as parts
from eval.extract import video as footage
from eval.extract.cache import Arrays, Cache
from eval.extract.mouth_crop import SCALE, SMOOTHING
from eval.extract.reading import available, read
from eval.metrics import bas, blink, csim, fd_efficientnet, fvd, lse

FPS = footage.FPS
# What a method's arrays are called, and the part and its array that each is.
_ARRAYS = {
    **{f"fvd{window}": (f"{i3d.NAME}:windows{window}", "rows") for window in fvd.WINDOWS},
    "frames": (f"{efficientnet.NAME}:fifth", "rows"),
    "faces": (f"{dlib_face.NAME}:faces", "rows"),
    "lips": (f"{syncnet.NAME}:mouth", "lips"),
    "sound": (f"{syncnet.NAME}:mouth", "sound"),
    "audio_beats": ("beats", "audio_beats"),
}
# The arrays that a metric is made from, beside what the landmark detector saw and the sound's beats.
_MADE_FROM = {
    **{key: (key,) for key in ("fvd16", "fvd32")},
    **{key: ("frames",) for key in ("fd_efficientnet", "dr25_efficientnet", "dr50_efficientnet")},
    **{key: ("lips", "sound") for key in ("lse_c_own", "lse_d_own")},
    "csim_dlib": ("faces",),
}


@dataclass(frozen=True)
class Measured:
    """One video: what the landmark detector saw in it and what the networks made of it.

    arrays: fvd16 (W, 400), fvd32 (W, 400), frames (K, 1280), faces (K, 128) with NaN rows where no face was found,
    lips and sound (T, D) lip-sync embeddings, audio_beats (B,) in frames; those that the metrics asked for need.
    """

    features: Features
    arrays: Arrays


class Judges:
    """All networks. ``judges(video)`` -> :class:`Measured`, from the cache of features where it has them.

    Videos are shown to those networks only that `metrics` need.
    """

    def __init__(self, config: Config, syncnet_weights: Path, cache: Cache, metrics: Sequence[str] = METRICS) -> None:
        torch.set_num_threads(config.evaluate.threads)
        sync = syncnet.load(syncnet_weights)
        if (sync.side, sync.width) != (config.evaluate.syncnet.side, config.evaluate.syncnet.width):
            raise InputError(
                f"{syncnet_weights}: a SyncNet of side {sync.side} and width {sync.width}; "
                f"evaluate.syncnet asks for {config.evaluate.syncnet.side} and {config.evaluate.syncnet.width}"
            )
        self._cache = cache
        choices = parts.Choices(config.features.detect_side, syncnet_weights)
        self._parts, missing = available(["mesh", *(part for part, _ in _ARRAYS.values())], choices)
        if missing:
            raise InputError("; ".join(missing.values()))
        needed = {"audio_beats", *(array for metric in metrics for array in _MADE_FROM.get(metric, ()))}
        self._arrays = {array: place for array, place in _ARRAYS.items() if array in needed}
        shown = {"footage", "mesh", *(part for part, _ in self._arrays.values())}
        self._shown = {name: part for name, part in self._parts.items() if name in shown}
        self._runs: dict[str, parts.Run] = {}

    def __call__(self, video: Path) -> Measured:
        reading = read([video], self._shown, self._cache, runs=self._runs, label="")
        if reading.unreadable or reading.missing:
            reasons = [f"{path}: {why}" for path, why in reading.unreadable.items()]
            raise InputError("; ".join([*reasons, *reading.missing.values()]))
        seen = reading.videos[video].parts
        if not seen["footage"]["samples"].item():
            read_audio(video)  # says what is wrong with the sound, which every clip of a corpus has
        mesh = seen["mesh"]
        points = mesh["landmarks"]
        features = Features(
            landmarks=points,
            pose=mesh["pose"],
            blink=eye_aspect_ratios(points),
            speech=np.zeros((len(points), 0), np.float32),
            face_box=face_box(points),
            mouth_box=mouth_box(points),
            found=mesh["found"],
            extractor=VERSION,
            encoder="none",
            fps=FPS,
        )
        return Measured(features, {key: seen[part][array] for key, (part, array) in self._arrays.items()})

    def weights(self) -> dict[str, str]:
        """SHA-256 of every file of weights, by its name in the registry."""
        return {name: sha for part in self._parts.values() for name, sha in part.about.get("weights", {}).items()}


def parameters() -> dict[str, Any]:
    """Every choice that moves a number and is no key of the configuration."""
    return {
        "fvd": {"windows": list(fvd.WINDOWS), "stride": "the window", "ddof": 1, "side": i3d.SIDE},
        "fd_efficientnet": {"every": fd_efficientnet.EVERY, "ddof": 1, "side": efficientnet.SIDE},
        "dr_efficientnet": {"true frames": "of the same indices; all, where a video is longer than its clip"},
        "csim_dlib": {"every": csim.EVERY, "side": dlib_face.SIDE},
        "lse": {"vshift": lse.VSHIFT, "crop": "tracked mouth", "crop_scale": SCALE, "crop_smoothing": SMOOTHING},
        "bas": {"sigma": bas.SIGMA, "smoothing": bas.SMOOTHING, "motion": "yaw, pitch, roll in degrees"},
        "blink": {"detector": blink.NAME},
    }
