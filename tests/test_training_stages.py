"""What a stage is trained from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import REPOSITORY

from dawn.config import Config, load, parse
from dawn.errors import InputError
from dawn.models.lfg import LatentFlowGenerator
from dawn.paths import Paths
from dawn.provenance import write_json
from dawn.training import stages
from dawn.training.checkpoint import save_weights
from dawn.training.settings import settings_of, starts_of


def _config(start: str | None) -> Config:
    tree = load(REPOSITORY / "config/smoke.yaml").model_dump()
    return parse(tree | {"lfg": tree["lfg"] | {"start": start}})


def test_the_lfg_can_start_from_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paper A.2: from a checkpoint that was trained on VoxCeleb."""
    seen: list[Any] = []
    monkeypatch.setattr(stages, "ClipStore", lambda *_: [None] * 4)
    monkeypatch.setattr(stages, "train", lambda task, *_, **told: seen.append(SimpleNamespace(task=task, **told)))
    plain, started = _config(None), _config(str(tmp_path / "vox.safetensors"))
    paths = Paths.of(plain, tmp_path / "data", tmp_path / "results")
    paths.dataset.parent.mkdir(parents=True)
    write_json(paths.dataset.with_suffix(".json"), {"digest": "of the data"})
    with pytest.raises(InputError, match=r"vox\.safetensors: no such weights"):
        stages.train_stage(started, paths, "lfg")
    torch.manual_seed(7)
    other = LatentFlowGenerator(plain.lfg.model)
    save_weights(tmp_path / "vox.safetensors", {"lfg": other.state_dict()}, {})
    for config in (plain, started):
        stages.train_stage(config, paths, "lfg")
    own, taken = (one.task.networks["lfg"].state_dict() for one in seen)
    assert all(torch.equal(value, taken[name]) for name, value in other.state_dict().items())
    assert not all(torch.equal(value, own[name]) for name, value in other.state_dict().items())
    assert seen[0].fingerprint != seen[1].fingerprint


def test_only_the_lfg_depends_on_where_it_starts() -> None:
    plain, started = _config(None), _config("vox.safetensors")
    assert "start" not in settings_of(plain, "lfg")["lfg"]
    assert settings_of(started, "lfg") != settings_of(plain, "lfg")
    assert starts_of(started, "lfg") == (Path("vox.safetensors"),) and starts_of(plain, "lfg") == ()
    for stage in ("pbnet", "a2v_stage1"):
        assert settings_of(started, stage) == settings_of(plain, stage) and starts_of(started, stage) == ()
