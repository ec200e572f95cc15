"""On-disk cache of features: one safetensors file per video and feature.

A file is addressed by the SHA-256 of the video and the fingerprint of the feature (:mod:`eval.extract.spec`), so that
it never has to be invalidated. It is written to a temporary name and renamed: two processes that compute the same
feature write the same file. Everything in the folder can be deleted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from dawn.errors import InputError
from dawn.media.files import atomic_path, user_cache
from eval.extract.spec import Arrays


def default_folder() -> Path:
    """Return the default cache folder: ``DAWN_EVAL_CACHE``, else ``dawn/features`` in the user's cache folder.

    It need not exist.
    """
    if chosen := os.environ.get("DAWN_EVAL_CACHE"):
        return Path(chosen).expanduser()
    return user_cache() / "dawn" / "features"


@dataclass(frozen=True)
class FeatureCache:
    """Cache of feature arrays below `folder`, by SHA-256 of the video, name and fingerprint of the feature."""

    folder: Path

    def path(self, sha256: str, name: str, fingerprint: str) -> Path:
        """Return the path of a video's cached feature; it need not exist."""
        return self.folder / sha256[:2] / sha256 / f"{name.replace(':', '-')}-{fingerprint[:16]}.safetensors"

    def load(self, sha256: str, name: str, fingerprint: str) -> Arrays | None:
        """Load the arrays of a feature; None where the file is absent or damaged."""
        try:
            return load_file(self.path(sha256, name, fingerprint))
        except (OSError, SafetensorError):
            return None

    def save(self, sha256: str, name: str, fingerprint: str, arrays: Arrays, settings: Mapping[str, Any]) -> None:
        """Write `arrays`, with the feature's settings as metadata.

        Raises InputError when the file cannot be written.
        """
        metadata = {"settings": json.dumps(settings, sort_keys=True)}
        contiguous = {key: np.ascontiguousarray(value) for key, value in arrays.items()}
        try:
            with atomic_path(self.path(sha256, name, fingerprint)) as aside:
                save_file(contiguous, aside, metadata=metadata)
        except (OSError, SafetensorError) as error:
            raise InputError(f"{self.folder}: cannot be written ({error}); give another folder with --cache") from None
