"""Folders of speech encoders, and versions of their content, which features and trained networks state.

Imports no network library: the workflow imports this module.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

from dawn import pretrained
from dawn.config import Config, Speech
from dawn.errors import InputError
from dawn.media.files import sha256_file

FILES = ("config.json", "preprocessor_config.json", "model.safetensors")  # of an encoder that this project trains
RECORD = "training.json"  # beside them: how the encoder was trained, and its accuracy
# Files of a local folder that transformers loads: settings, and weights in either format, whole or in parts.
_LOADED = ("config.json", "preprocessor_config.json", "model*.safetensors*", "pytorch_model*.bin*")


def encoder_folder(name: str) -> Path | None:
    """Return the local folder that ``features.speech.encoder`` names, None for ``logmel`` and for a hub name.

    Raises InputError for ``pretrained:NAME`` where this package holds no such encoder.
    """
    if name == "logmel":
        return None
    return pretrained.encoder_folder(name) or (Path(name) if Path(name).is_dir() else None)


def encoder_beside(config: Config, run: Path) -> Config:
    """Return the configuration of the run in folder `run` with the place of its encoder.

    A relative path is one from the folder that holds ``results``, which is the working folder in training alone. In a
    folder of pre-trained networks outside the package, as ``dawn ship --out`` writes, ``pretrained:NAME`` is its own.
    """
    speech = config.features.speech
    place = run.absolute().parent.parent / speech.encoder
    if (run / pretrained.CARD).is_file() and run.resolve() != pretrained.folder().resolve():
        place = pretrained.encoder_folder(speech.encoder, run) or place
    elif encoder_folder(speech.encoder) is not None:
        return config
    if not (place / "config.json").is_file():
        return config
    speech = speech.model_copy(update={"encoder": str(place)})
    return config.model_copy(update={"features": config.features.model_copy(update={"speech": speech})})


def encoder_files(folder: Path) -> list[Path]:
    """Return the files of an encoder's folder that its features depend on, in a fixed order."""
    return sorted({path for pattern in _LOADED for path in folder.glob(pattern)})


def encoder_version(cfg: Speech) -> str:
    """Return what identifies the encoder: a digest of the content of a local folder, otherwise the name.

    Raises InputError as :func:`encoder_folder`.
    """
    folder = encoder_folder(cfg.encoder)
    if folder is None:
        return cfg.encoder
    total = hashlib.sha256()
    for path in encoder_files(folder):
        stat = path.stat()
        total.update(f"{path.name}\0{_hash_of(path, stat.st_size, stat.st_mtime_ns)}\0".encode())
    return f"sha256:{total.hexdigest()[:16]}"


def check_encoder(weights: Path, metadata: Mapping[str, str], cfg: Speech, expected: str | None = None) -> None:
    """Raise InputError unless the networks of the file `weights` were trained on features of the encoder of `cfg`.

    `metadata` is that of the file; weights that state no encoder, such as those of earlier versions, pass. `expected`
    is the version of the encoder, by default the present one.
    """
    trained = metadata.get("encoder")
    version = expected or encoder_version(cfg)
    if trained not in (None, version):
        present = cfg.encoder if version == cfg.encoder else f"{cfg.encoder} ({version})"
        raise InputError(
            f"{weights}: trained on speech features of the encoder {trained}, but features.speech.encoder is {present}"
            ", which is another or is not on this machine; name the encoder of the training, or train the stage again"
        )


@functools.lru_cache(maxsize=64)
def _hash_of(path: Path, size: int, changed: int) -> str:
    """Compute the SHA-256 of a file once per process, as long as its size and modification time stay the same."""
    return sha256_file(path)
