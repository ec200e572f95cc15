"""What is read from one video: the face mesh, the sound's beats, and one part for each network and way to sample.

A part knows what it depends on: network, preprocessing, sampling, hashes of weights, code and libraries. Their digest
is its key in the cache. Networks are loaded when a video asks for them first. Names are ``mesh``, ``beats``,
``footage``, or a card of :mod:`eval.backbones.cards` and what it is shown, as ``inception-fid:frames``.
"""

from __future__ import annotations

import functools
import importlib.metadata
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from numpy.typing import NDArray

from dawn.errors import InputError
from dawn.features.landmarks import VERSION as MESH
from dawn.fingerprint import code_fingerprint, fingerprint
from dawn.media.files import sha256_file
from dawn.weights import MissingWeights, verified
from eval.backbones import syncnet
from eval.backbones.cards import BackboneCard, InputKind, card, load
from eval.extract import face_tracks as tracks
from eval.extract.cache import Arrays
from eval.extract.faces import see
from eval.extract.mouth_crop import SCALE, SMOOTHING, mouth_crops
from eval.extract.video import FPS, RULE, Footage
from eval.metrics import bas, csim, fd_efficientnet, fvd, lse

Seen = Mapping[str, Arrays]
Run = Callable[[Footage, Seen], Arrays]

_LIBRARIES = (
    "av", "dlib-bin", "insightface", "librosa", "mediapipe", "numpy", "onnxruntime", "opencv-contrib-python", "pillow",
    "python_speech_features", "scipy", "torch",
)  # fmt: skip


@dataclass(frozen=True)
class Choices:
    """What the parts are asked for beyond their names. `batch` is speed and memory only."""

    detect_side: int = 256  # pixels; smaller frames are enlarged for the landmark detector
    syncnet: Path | None = None  # weights made by fit-syncnet
    batch: int = 16  # frames shown to a network at once


@dataclass(frozen=True)
class Part:
    """One thing that is read from a video: `load` gives the function that reads it, with its network."""

    name: str
    about: Mapping[str, Any]  # everything that moves the result, for records; "weights" maps names to hashes
    load: Callable[[], Run]
    needs: tuple[Part, ...] = ()

    @functools.cached_property
    def key(self) -> str:
        """What the result is filed under in the cache."""
        made = [self.name, dict(self.about), code(), versions(), [part.key for part in self.needs]]
        return fingerprint(made)


@functools.cache
def code() -> str:
    """Fingerprint of the code that turns a video into features."""
    return code_fingerprint(__name__)


@functools.cache
def versions() -> dict[str, str]:
    """Versions of the libraries that features and numbers depend on."""
    return {name: importlib.metadata.version(name) for name in _LIBRARIES}


def decoder() -> dict[str, str]:
    """What decodes videos, and how."""
    ffmpeg = {name: ".".join(map(str, number)) for name, number in av.library_versions.items()}
    return {"av": av.__version__, "libavcodec": ffmpeg["libavcodec"], "libswscale": ffmpeg["libswscale"], "rule": RULE}


def build(name: str, choices: Choices) -> Part:
    """The part called `name`. Raises MissingWeights, whose message is the reason, when it cannot be had here."""
    if name == "footage":
        return Part(name, {"rule": RULE}, lambda: _facts)
    if name == "beats":
        return Part(name, {"beats": "librosa beat_track on percussive onsets, 16 kHz"}, lambda: _beats)
    if name == "mesh":
        side = choices.detect_side
        about = {"network": MESH, "side": side, "weights": {"face-mesh": verified("face-mesh").sha256}}
        return Part(name, about, lambda: lambda film, _: see(film.frames, side))
    chosen, _, shown = name.partition(":")
    if chosen == syncnet.NAME:
        return _own_sync(name, choices)
    network = card(chosen)
    about = {
        "network": network.name,
        "preprocessing": network.preprocessing,
        "weights": {file: found.sha256 for file, found in network.files().items()},
    }
    if network.input is InputKind.LIP_SYNC:
        return _sync(name, network, about, shown)
    if network.input is InputKind.CLIPS:
        protocol, of = fvd.protocol_of(shown)
        about |= {"window": protocol.window, "windows": protocol.windows, "stride": protocol.stride, "side": of}
        return Part(name, about, lambda: _windows(load(network.name), protocol, of))
    every = {"frames": 1, "fifth": fd_efficientnet.EVERY, "faces": csim.EVERY}[shown]
    about |= {"every": every}
    if network.input is InputKind.FACES:
        mesh = build("mesh", choices)
        return Part(name, about, lambda: _faces(load(network.name), every, choices.batch), (mesh,))
    return Part(name, about, lambda: _frames(load(network.name), every, choices.batch))


# --------------------------------------------------------------------------------------------------- one function each
def _facts(film: Footage, _: Seen) -> Arrays:
    height, width = film.frames.shape[1:3]
    return {
        "frames": np.asarray(len(film.frames)),
        "size": np.asarray([height, width]),
        "fps": np.asarray(film.stored.fps),
        "samples": np.asarray(len(film.audio)),
    }


def _beats(film: Footage, _: Seen) -> Arrays:
    return {"audio_beats": bas.audio_beats(film.audio, fps=FPS)}


def _frames(net: Callable[[NDArray[np.uint8]], NDArray[np.float32]], every: int, batch: int) -> Run:
    def run(film: Footage, _: Seen) -> Arrays:
        frames = film.frames[::every]
        return {"rows": np.concatenate([net(np.array(frames[i : i + batch])) for i in range(0, len(frames), batch)])}

    return run


def _faces(net: Callable[..., NDArray[np.float32]], every: int, batch: int) -> Run:
    def run(film: Footage, seen: Seen) -> Arrays:
        mesh = seen["mesh"]
        frames = film.frames[::every]
        points = np.where(mesh["found"][::every, None, None], mesh["landmarks"][::every], np.nan)
        steps = range(0, len(frames), batch)
        return {"rows": np.concatenate([net(np.array(frames[i : i + batch]), points[i : i + batch]) for i in steps])}

    return run


def _windows(net: Callable[[torch.Tensor], torch.Tensor], protocol: fvd.Protocol, side: fvd.Side) -> Run:
    def run(film: Footage, _: Seen) -> Arrays:
        rng = np.random.default_rng(zlib.crc32(film.frames[0].tobytes()))  # a video's own, always the same
        starts = protocol.starts(len(film.frames), side, rng)
        return {"rows": fvd.features_at(film.frames, net, starts, protocol.window)}

    return run


def _sync(name: str, network: BackboneCard, about: dict[str, Any], shown: str) -> Part:
    """The published SyncNet on whole frames, or on the longest face track that S3FD finds."""
    if shown == "whole_frame":
        about["crop"] = "whole frame to 224"
    else:
        about["crop"] = f"longest face track, rules {tracks.SMALL}"
        about["weights"] = about["weights"] | {"s3fd": verified("s3fd").sha256}

    def start() -> Run:
        net = load(network.name)
        if shown == "whole_frame":
            return lambda film, _: _embedded(net, lse.whole_frame(film.frames), film)
        from eval.backbones.s3fd import S3FD

        detect = S3FD()
        return lambda film, _: _embedded(net, lse.tracked(film.frames, detect), film)

    return Part(name, about, start)


def _embedded(net: syncnet.SyncNet, crops: lse.Crops, film: Footage) -> Arrays:
    lips, sound = lse.embeddings(net, crops.frames, crops.sound(film.audio))
    return {"lips": lips, "sound": sound, "coverage": np.asarray(crops.coverage)}


def _own_sync(name: str, choices: Choices) -> Part:
    path = choices.syncnet
    if path is None:
        raise MissingWeights("needs a SyncNet trained on the corpus at hand; give its weights with --syncnet")
    if not path.is_file():
        raise InputError(f"{path}: no such file; make it with 'dawn-eval fit-syncnet'")
    about = {
        "network": syncnet.NAME,
        "crop": f"tracked mouth of {SCALE} eye distances, smoothed over {SMOOTHING} frames",
        "weights": {syncnet.NAME: sha256_file(path)},
    }

    def start() -> Run:
        net = syncnet.load(path)

        def run(film: Footage, seen: Seen) -> Arrays:
            mesh = seen["mesh"]
            if mesh["found"].any():
                crops = mouth_crops(film.frames, mesh["landmarks"], mesh["found"], net.side)
            else:
                crops = np.empty((0, net.side, net.side, 3), np.uint8)
            lips, sound = lse.embeddings(net, crops, film.audio)
            return {"lips": lips, "sound": sound, "coverage": np.asarray(float(mesh["found"].any()))}

        return run

    return Part(name, about, start, (build("mesh", choices),))
