"""Fixtures of several subpackages of the evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dawn.comparisons import Experiments, experiments_of
from dawn.config import load
from tests.support.repository import REPOSITORY

if TYPE_CHECKING:
    from torch import nn


@pytest.fixture
def experiments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiments:
    """Runs of the smoke configuration, with results below an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return experiments_of(load(REPOSITORY / "config/smoke.yaml"), REPOSITORY / "config/sweeps")


@pytest.fixture(scope="module")
def original_syncnet() -> nn.Module:
    """The original's SyncNet with random weights."""
    from tests.support import published_syncnet

    return published_syncnet.original()


@pytest.fixture(scope="module")
def published_syncnet(original_syncnet: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of :func:`original_syncnet` as the published file holds them."""
    from tests.support import published_syncnet

    return published_syncnet.save(original_syncnet, tmp_path_factory.mktemp("syncnet") / "syncnet_v2.model")
