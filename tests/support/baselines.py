"""Configuration and names of the clips that tests of baselines use."""

from __future__ import annotations

from collections.abc import Callable

from dawn import config
from dawn.baselines.declaration import Baseline
from dawn.baselines.setup import Setup

SIDE, FRAMES = 64, 20
CONFIG = config.parse({"name": "run", "corpus": {"name": "corpus", "resolution": SIDE}, "evaluate": {"bootstrap": 10}})
CLIPS = ("anna.0", "ben-1")  # a dot in a name must not reach programs that split names at dots

Install = Callable[[str], tuple[Baseline, Setup]]  # what the fixture `install` gives
