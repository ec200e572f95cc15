"""Which sources a measured number depends on. No heavy imports: the workflow reads it."""

from __future__ import annotations

# Code that a measured number depends on; tables and pictures are made anew without measuring again.
_FILES = ("bas", "blink", "bootstrap", "csim", "faces", "fd_efficientnet", "frechet", "fvd", "judges", "lse", "mouth")
MEASURING = (
    "dawn/features",
    "dawn/media",
    "eval/backbones",
    "eval/measure.py",
    *(f"eval/{name}.py" for name in _FILES),
)
