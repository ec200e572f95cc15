"""Features of videos, kept so that nothing is computed twice: one file for each video and part.

A file is found by the hash of the video and the key of the part (:mod:`eval.extract.features`), so it is never out of
date. It is written aside and renamed: two processes that compute the same write the same. Everything in it can be
removed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from dawn.errors import InputError
from dawn.media.files import atomic_path

Arrays = dict[str, NDArray[Any]]


def default_folder() -> Path:
    """``DAWN_EVAL_CACHE``, else ``dawn/features`` in the user's cache folder; it need not exist."""
    if chosen := os.environ.get("DAWN_EVAL_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "dawn" / "features"


@dataclass(frozen=True)
class Cache:
    """Arrays by hash of the video, name and key of the part, below `folder`."""

    folder: Path

    def path(self, sha256: str, name: str, key: str) -> Path:
        """Where the arrays lie."""
        return self.folder / sha256[:2] / sha256 / f"{name.replace(':', '-')}-{key[:16]}.safetensors"

    def get(self, sha256: str, name: str, key: str) -> Arrays | None:
        """The arrays, or None when they are not there or damaged."""
        try:
            return load_file(self.path(sha256, name, key))
        except (OSError, SafetensorError):
            return None

    def has(self, sha256: str, name: str, key: str) -> bool:
        """Whether they are there; they are not read."""
        return self.path(sha256, name, key).is_file()

    def put(self, sha256: str, name: str, key: str, arrays: Arrays, about: Mapping[str, Any]) -> None:
        """Keep `arrays`, with what made them as metadata. Raises InputError when that cannot be written."""
        made = {"made": json.dumps(about, sort_keys=True)}
        try:
            with atomic_path(self.path(sha256, name, key)) as aside:
                save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, aside, metadata=made)
        except (OSError, SafetensorError) as error:
            raise InputError(f"{self.folder}: cannot be written ({error}); give another folder with --cache") from None
