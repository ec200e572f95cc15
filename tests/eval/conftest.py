"""Fixtures of several rooms of the evaluation."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawn.comparisons import Experiments, experiments_of
from dawn.config import load
from tests.support.repository import REPOSITORY


@pytest.fixture
def experiments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiments:
    """Runs of the smoke configuration, with results below an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return experiments_of(load(REPOSITORY / "config/smoke.yaml"), REPOSITORY / "config/sweeps")
