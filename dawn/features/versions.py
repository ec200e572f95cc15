"""Versions of the extractors of landmarks and head pose, which features and trained networks state.

They change whenever the same frame gives other numbers. The units of a network's pose are those of its extractor.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dawn import config
from dawn.errors import InputError

VERSIONS = {"mediapipe": "mediapipe-face-landmarker-v2", "3ddfa": "3ddfa_v2-mb05"}


def extractor_version(cfg: config.Features) -> str:
    """Return the version of the extractor that `cfg` selects."""
    version = VERSIONS[cfg.landmarks]
    return version if cfg.pose == cfg.landmarks else f"{version}, pose {VERSIONS[cfg.pose]}"


def check_extractor(weights: Path, metadata: Mapping[str, str], expected: str) -> None:
    """Raise InputError unless the networks of the file `weights` were trained on features of the extractor `expected`.

    `metadata` is that of the file.
    """
    trained = metadata.get("extractor", "an extractor that it does not state")
    if trained != expected:
        raise InputError(
            f"{weights}: trained on head poses of {trained}, whose units differ from those of {expected}; train the "
            "stage again, or set features.pose and features.landmarks as in training"
        )
