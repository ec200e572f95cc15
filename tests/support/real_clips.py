"""Names of real clips that several tests use."""

from __future__ import annotations

GRID = ("grid_lbax4n", "grid_lrwp9a")  # two people, 75 frames each, with sound
