"""Which sources a measured number depends on. No heavy imports: the workflow reads it."""

from __future__ import annotations

# Code that a measured number depends on; tables and pictures are made anew without measuring again.
_FILES = (
    "bas", "bias", "blink", "bootstrap", "cache", "csim", "degradation", "faces", "fd_efficientnet", "fid", "footage",
    "frechet", "fvd", "judges", "kid", "lse", "measure", "mouth", "parts", "pooling", "reading", "rows", "tracks",
)  # fmt: skip
MEASURING = ("dawn/features", "dawn/media", "eval/backbones", *(f"eval/{name}.py" for name in _FILES))
