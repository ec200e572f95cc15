"""Which sources a measured number depends on. No heavy imports: the workflow reads it."""

from __future__ import annotations

# Code that a measured number depends on; tables and pictures are made anew without measuring again.
MEASURING = (
    "dawn/features", "dawn/media", "eval/backbones", "eval/stats", "eval/extract", "eval/metrics",
    "eval/studies/run_scores.py",
)  # fmt: skip
