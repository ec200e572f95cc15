"""The networks that measure, applied to one video: decoded once, everything later metrics need kept as small arrays."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from dawn.config import Config
from dawn.errors import InputError
from dawn.features.store import Features
from dawn.media.audio import read_audio
from dawn.media.files import atomic_path, sha256_file
from dawn.media.video import load_frames
from eval import bas, blink, csim, fd_efficientnet, fvd, lse
from eval.backbones import dlib_face, efficientnet, i3d, syncnet
from eval.faces import see
from eval.mouth import SCALE, SMOOTHING, mouth_crops

FPS = 25
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Measured:
    """One video: what the landmark detector saw in it and what the networks made of it.

    arrays: fvd16 (W, 400), fvd32 (W, 400), frames (K, 1280), faces (K, 128) with NaN rows where no face was found,
    lips and sound (T, D) lip-sync embeddings, audio_beats (B,) in frames.
    """

    features: Features
    arrays: Arrays

    def save(self, folder: Path, name: str) -> None:
        """``<folder>/features/<name>.safetensors`` and ``<folder>/embeddings/<name>.safetensors``."""
        self.features.save(folder / "features" / f"{name}.safetensors")
        with atomic_path(folder / "embeddings" / f"{name}.safetensors") as aside:
            save_file({key: np.ascontiguousarray(value) for key, value in self.arrays.items()}, aside)

    @classmethod
    def load(cls, folder: Path, name: str) -> Measured:
        """What :meth:`save` wrote. Raises InputError when it is missing or damaged."""
        path = folder / "embeddings" / f"{name}.safetensors"
        try:
            arrays = load_file(path)
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path}: cannot be read ({error}); measure that folder again") from None
        return cls(Features.load(folder / "features" / f"{name}.safetensors"), arrays)


class Judges:
    """All networks, loaded once. ``judges(video)`` -> :class:`Measured`."""

    def __init__(self, config: Config, syncnet_weights: Path) -> None:
        torch.set_num_threads(config.evaluate.threads)
        self._config = config
        self._syncnet_weights = syncnet_weights
        self._sync = syncnet.load(syncnet_weights)
        if (self._sync.side, self._sync.width) != (config.evaluate.syncnet.side, config.evaluate.syncnet.width):
            raise InputError(
                f"{syncnet_weights}: a SyncNet of side {self._sync.side} and width {self._sync.width}; "
                f"evaluate.syncnet asks for {config.evaluate.syncnet.side} and {config.evaluate.syncnet.width}"
            )
        self._i3d = i3d.load()
        self._images = efficientnet.EfficientNetLite0()
        self._faces = dlib_face.DlibFace()

    def __call__(self, video: Path) -> Measured:
        frames = load_frames(video)
        audio = read_audio(video)
        features = see(frames, self._config.features.detect_side, FPS)
        arrays: Arrays = {f"fvd{window}": fvd.window_features(frames, self._i3d, window) for window in fvd.WINDOWS}
        arrays["frames"] = fd_efficientnet.frame_features(frames, self._images)
        paired = slice(None, None, csim.EVERY)
        seen = np.where(features.found[paired, None, None], features.landmarks[paired], np.nan)
        arrays["faces"] = self._faces(frames[paired], seen)
        arrays["lips"], arrays["sound"] = self._sync_embeddings(frames, features, audio)
        arrays["audio_beats"] = bas.audio_beats(audio, fps=FPS)
        return Measured(features, arrays)

    def _sync_embeddings(
        self, frames: NDArray[np.uint8], features: Features, audio: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        side = self._sync.side
        if not features.found.any():
            return lse.embeddings(self._sync, np.empty((0, side, side, 3), np.uint8), audio)
        return lse.embeddings(self._sync, mouth_crops(frames, features.landmarks, features.found, side), audio)

    def weights(self) -> dict[str, str]:
        """SHA-256 of every file of weights, by network."""
        predictor, network = dlib_face.weights_paths()
        files = {
            i3d.NAME: i3d.weights_path(),
            efficientnet.NAME: efficientnet.weights_path(),
            dlib_face.NAME: network,
            f"{dlib_face.NAME}/predictor": predictor,
            syncnet.NAME: self._syncnet_weights,
        }
        return {name: sha256_file(path) for name, path in files.items()}


def parameters() -> dict[str, Any]:
    """Every choice that moves a number and is no key of the configuration."""
    return {
        "fvd": {"windows": list(fvd.WINDOWS), "stride": "the window", "ddof": 1, "side": i3d.SIDE},
        "fd_efficientnet": {"every": fd_efficientnet.EVERY, "ddof": 1, "side": efficientnet.SIDE},
        "csim_dlib": {"every": csim.EVERY, "side": dlib_face.SIDE},
        "lse": {"vshift": lse.VSHIFT, "crop": "tracked mouth", "crop_scale": SCALE, "crop_smoothing": SMOOTHING},
        "bas": {"sigma": bas.SIGMA, "smoothing": bas.SMOOTHING, "motion": "yaw, pitch, roll in degrees"},
        "blink": {"detector": blink.NAME},
    }


def versions() -> dict[str, str]:
    """Versions of the libraries that numbers depend on."""
    names = ("torch", "numpy", "scipy", "librosa", "mediapipe", "dlib-bin", "av", "opencv-contrib-python")
    return {name: importlib.metadata.version(name) for name in names}
