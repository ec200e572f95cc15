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
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

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


class CachedFeature(NamedTuple):
    """Arrays of a feature, and the name of the device that computed them."""

    arrays: Arrays
    device: str


@dataclass(frozen=True)
class FeatureCache:
    """Cache of feature arrays below `folder`, by SHA-256 of the video, name and fingerprint of the feature."""

    folder: Path

    def path(self, sha256: str, name: str, fingerprint: str) -> Path:
        """Return the path of a video's cached feature; it need not exist."""
        return self.folder / sha256[:2] / sha256 / f"{name.replace(':', '-')}-{fingerprint[:16]}.safetensors"

    def load(self, sha256: str, name: str, fingerprint: str) -> CachedFeature | None:
        """Load a feature; None where the file is absent or damaged."""
        try:
            with safe_open(self.path(sha256, name, fingerprint), "numpy") as file:
                device = json.loads(file.metadata()["about"])["device"]
                return CachedFeature({key: file.get_tensor(key) for key in file.keys()}, device)  # noqa: SIM118
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None

    def save(
        self, sha256: str, name: str, fingerprint: str, feature: CachedFeature, settings: Mapping[str, Any]
    ) -> None:
        """Write the arrays of `feature`, with its device and settings as metadata.

        Raises InputError when the file cannot be written.
        """
        metadata = {"about": json.dumps({"device": feature.device, "settings": settings}, sort_keys=True)}
        contiguous = {key: np.ascontiguousarray(value) for key, value in feature.arrays.items()}
        try:
            with atomic_path(self.path(sha256, name, fingerprint)) as aside:
                save_file(contiguous, aside, metadata=metadata)
        except (OSError, SafetensorError) as error:
            raise InputError(f"{self.folder}: cannot be written ({error}); give another folder with --cache") from None
