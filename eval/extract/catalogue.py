"""Catalogue of feature specifications: face mesh, audio beats, and embeddings of frames, faces, windows and lips.

Names are ``video``, ``mesh`` and ``beats``, or the card of a network (:mod:`eval.backbones.cards`) and its input, such
as ``inception-fid:frames``. Networks and media libraries are imported when a specification is resolved or loaded.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eval.extract.rates import FPS
from eval.extract.sampling import Side, WindowSampling
from eval.extract.spec import Arrays, Extractor, ExtractorOptions, Features, FeatureSpec

if TYPE_CHECKING:
    from eval.backbones.syncnet import SyncNet
    from eval.extract.lip_windows import LipCrops
    from eval.extract.video import DecodedVideo

TRAINED_SYNCNET = "syncnet-own"  # trained by this repository on the corpus of a run


# ---------------------------------------------------------------------------------------------- video, face mesh, beats
def _video_settings(_: ExtractorOptions) -> dict[str, Any]:
    from eval.extract.video import RULE

    return {"rule": RULE}


def _load_video(_: ExtractorOptions) -> Extractor:
    def run(video: DecodedVideo, _: Features) -> Arrays:
        height, width = video.frames.shape[1:3]
        return {
            "frames": np.asarray(len(video.frames)),
            "size": np.asarray([height, width]),
            "fps": np.asarray(video.fps),
            "samples": np.asarray(len(video.audio)),
        }

    return run


def _mesh_settings(options: ExtractorOptions) -> dict[str, Any]:
    from dawn.features.versions import VERSIONS
    from dawn.weights import verified

    name = "face-landmarker"
    return {"network": VERSIONS["mediapipe"], "side": options.detect_side, "weights": {name: verified(name).sha256}}


def _load_mesh(options: ExtractorOptions) -> Extractor:
    from eval.extract.faces import detect_faces

    return lambda video, _: detect_faces(video.frames, options.detect_side)


def _load_beats(_: ExtractorOptions) -> Extractor:
    from eval.extract.audio_beats import audio_beats

    return lambda video, _: {"audio_beats": audio_beats(video.audio, fps=FPS)}


# frames () at 25 fps, size (2,), fps () of the file, samples () of the audio, 0 without a usable track
VIDEO = FeatureSpec("video", _video_settings, _load_video, reads=("frames", "audio"))
# landmarks (N, 68, 2), pose (N, 6), found (N,), faces (N,): eval.extract.faces.detect_faces
FACE_MESH = FeatureSpec("mesh", _mesh_settings, _load_mesh)
# audio_beats (B,) in frames
AUDIO_BEATS = FeatureSpec(
    "beats",
    lambda _: {"beats": "librosa beat_track on percussive onsets, 16 kHz"},
    _load_beats,
    reads=("audio",),
)


# ----------------------------------------------------------------------------------------- embeddings of frames, faces
def frame_embeddings(network: str, every: int = 1, label: str = "frames") -> FeatureSpec:
    """Specify embeddings of every `every`-th whole frame.

    Array ``rows`` (ceil(N / every), D), NaN where the network requires a face and finds none.
    """
    return FeatureSpec(
        f"{network}:{label}",
        lambda _: _network_settings(network) | {"every": every},
        partial(_load_frames, network, every),
    )


def face_embeddings(network: str, every: int = 1, label: str = "faces") -> FeatureSpec:
    """Specify embeddings of the face in every `every`-th frame.

    Array ``rows`` (ceil(N / every), D), NaN where the face mesh finds no face.
    """
    return FeatureSpec(
        f"{network}:{label}",
        lambda _: _network_settings(network) | {"every": every},
        partial(_load_faces, network, every),
        requires=(FACE_MESH,),
    )


def _network_settings(network: str) -> dict[str, Any]:
    from eval.backbones.cards import card

    found = card(network)
    weights = {name: file.sha256 for name, file in found.files().items()}
    return {"network": found.name, "preprocessing": found.preprocessing, "weights": weights}


def _load_network(network: str, options: ExtractorOptions) -> Any:
    from eval.backbones.cards import load

    return load(network, options.device)


def _load_frames(network: str, every: int, options: ExtractorOptions) -> Extractor:
    net: Callable[[NDArray[np.uint8]], NDArray[np.float32]] = _load_network(network, options)
    return lambda video, _: {"rows": net(video.frames[::every])}


def _load_faces(network: str, every: int, options: ExtractorOptions) -> Extractor:
    net: Callable[..., NDArray[np.float32]] = _load_network(network, options)

    def run(video: DecodedVideo, features: Features) -> Arrays:
        mesh = features[FACE_MESH.name]
        points = np.where(mesh["found"][::every, None, None], mesh["landmarks"][::every], np.nan)
        return {"rows": net(video.frames[::every], points)}

    return run


# ------------------------------------------------------------------------------------------------ embeddings of windows
def window_embeddings(network: str, sampling: WindowSampling, side: Side = "fake") -> FeatureSpec:
    """Specify embeddings of windows of frames: array ``rows`` (W, D).

    `side` matters for random sampling, which differs between real and generated videos.
    """
    suffix = f"-{side}" if sampling.windows == "random" else ""
    about = {"window": sampling.window, "windows": sampling.windows, "stride": sampling.stride}
    about_side = side if sampling.windows == "random" else "fake"
    return FeatureSpec(
        f"{network}:{sampling.name}{suffix}",
        lambda _: _network_settings(network) | about | {"side": about_side},
        partial(_load_windows, network, sampling, side),
    )


def _load_windows(network: str, sampling: WindowSampling, side: Side, options: ExtractorOptions) -> Extractor:
    from dawn.devices import pick_measuring
    from eval.extract.windows import window_features

    net, device = _load_network(network, options), pick_measuring(options.device)

    def run(video: DecodedVideo, _: Features) -> Arrays:
        # The random window is drawn with a seed from the first frame, so that it is the same in every call.
        rng = np.random.default_rng(zlib.crc32(video.frames[0].tobytes()))
        starts = sampling.starts(len(video.frames), side, rng)
        return {"rows": window_features(video.frames, net, starts, sampling.window, device)}

    return run


# --------------------------------------------------------------------------------------------------------- lips, audio
# Arrays: lips (W, D) and sound (W, D), embeddings of the windows of mouth and audio; coverage (), fraction of frames
# with a crop.
def published_lip_sync(crop: str) -> FeatureSpec:
    """Specify embeddings of the published SyncNet on ``tracked`` (longest face track of S3FD) or ``whole_frame``
    crops."""
    return FeatureSpec(
        f"syncnet-v2:{crop}",
        lambda _: _published_settings(crop),
        partial(_load_published, crop),
        reads=("frames", "audio"),
    )


def _published_settings(crop: str) -> dict[str, Any]:
    from dawn.weights import verified
    from eval.extract.face_tracks import SMALL

    settings = _network_settings("syncnet-v2")
    if crop == "whole_frame":
        return settings | {"crop": "whole frame to 224"}
    weights = settings["weights"] | {"s3fd": verified("s3fd").sha256}
    return settings | {"crop": f"longest face track, rules {SMALL}", "weights": weights}


def _load_published(crop: str, options: ExtractorOptions) -> Extractor:
    from dawn.devices import pick_measuring
    from eval.extract import lip_windows

    net = _load_network("syncnet-v2", options)
    if crop == "whole_frame":
        return lambda video, _: _embedded(net, lip_windows.whole_frame(video.frames), video)
    from eval.backbones.s3fd import S3FD

    detect = S3FD(device=pick_measuring(options.device))
    return lambda video, _: _embedded(net, lip_windows.tracked(video.frames, detect), video)


def _embedded(net: SyncNet, crops: LipCrops, video: DecodedVideo) -> Arrays:
    from eval.extract.lip_windows import lip_embeddings

    lips, sound = lip_embeddings(net, crops.frames, crops.audio(video.audio))
    return {"lips": lips, "sound": sound, "coverage": np.asarray(crops.coverage)}


def _trained_settings(options: ExtractorOptions) -> dict[str, Any]:
    from dawn.errors import InputError
    from dawn.media.files import sha256_file
    from dawn.weights import MissingWeights
    from eval.extract.mouth_crop import SCALE, SMOOTHING

    path = options.syncnet
    if path is None:
        raise MissingWeights("needs a SyncNet trained on the corpus; give its weights with --syncnet")
    if not path.is_file():
        raise InputError(f"{path}: no such file; train one with 'dawn-eval fit-syncnet'")
    return {
        "network": TRAINED_SYNCNET,
        "crop": f"tracked mouth of {SCALE} eye distances, smoothed over {SMOOTHING} frames",
        "weights": {TRAINED_SYNCNET: sha256_file(path)},
    }


def _load_trained(options: ExtractorOptions) -> Extractor:
    from dawn.devices import pick_measuring
    from eval.backbones import syncnet
    from eval.extract.lip_windows import lip_embeddings
    from eval.extract.mouth_crop import mouth_crops

    assert options.syncnet is not None  # _trained_settings raises without it
    net = syncnet.load(options.syncnet).to(pick_measuring(options.device))

    def run(video: DecodedVideo, features: Features) -> Arrays:
        mesh = features[FACE_MESH.name]
        if mesh["found"].any():
            crops = mouth_crops(video.frames, mesh["landmarks"], mesh["found"], net.side)
        else:
            crops = np.empty((0, net.side, net.side, 3), np.uint8)
        lips, sound = lip_embeddings(net, crops, video.audio)
        return {"lips": lips, "sound": sound, "coverage": np.asarray(float(mesh["found"].any()))}

    return run


TRAINED_LIP_SYNC = FeatureSpec(
    f"{TRAINED_SYNCNET}:mouth", _trained_settings, _load_trained, requires=(FACE_MESH,), reads=("frames", "audio")
)
