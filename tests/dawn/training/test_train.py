"""Which weights and settings a stage is trained from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dawn.config import Config, load, parse
from dawn.errors import InputError
from dawn.features.versions import VERSIONS
from dawn.media.json_files import write_json
from dawn.models.lfg import LatentFlowGenerator
from dawn.models.weights_io import save_weights
from dawn.paths import Paths
from dawn.stages import settings_of, starts_of
from dawn.training import train
from dawn.training.loop import Weights
from tests.support.clips import InMemoryClips
from tests.support.repository import REPOSITORY


def _config(curriculum: str = "both", **starts: str) -> Config:
    """The smoke configuration with the `start` weights of sections named in `starts`."""
    tree = load(REPOSITORY / "config/smoke.yaml").model_dump()
    tree["a2v"]["curriculum"] = curriculum
    for section, start in starts.items():
        tree[section]["start"] = start
    return parse(tree)


def test_the_lfg_can_start_from_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paper A.2: from a checkpoint that was trained on VoxCeleb."""
    plain, started = _config(), _config(lfg=str(tmp_path / "vox.safetensors"))
    trainings: list[Any] = []
    monkeypatch.setattr(train, "training_clips", lambda *_: InMemoryClips(plain))

    def note(task: Any, *_: object, **options: Any) -> Weights:
        trainings.append(SimpleNamespace(task=task, **options))
        return {}

    monkeypatch.setattr(train, "train", note)
    paths = Paths.of(plain, tmp_path / "data", tmp_path / "results")
    paths.dataset.parent.mkdir(parents=True)
    write_json(paths.dataset.with_suffix(".json"), {"digest": "of the data"})
    with pytest.raises(InputError, match=r"vox\.safetensors: no such weights"):
        train.train_stage(started, paths, "lfg")
    torch.manual_seed(7)
    other = LatentFlowGenerator(plain.lfg.model)
    save_weights(tmp_path / "vox.safetensors", {"lfg": other.state_dict()}, {})
    for config in (plain, started):
        train.train_stage(config, paths, "lfg")
    random, loaded = (training.task.networks["lfg"].state_dict() for training in trainings)
    assert all(torch.equal(value, loaded[name]) for name, value in other.state_dict().items())
    assert not all(torch.equal(value, random[name]) for name, value in other.state_dict().items())
    assert trainings[0].fingerprint != trainings[1].fingerprint


def test_start_weights_of_other_pose_units_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = tmp_path / "pbnet.safetensors"
    config = _config(pbnet=str(start))
    monkeypatch.setattr(train, "training_clips", lambda *_: InMemoryClips(config))
    save_weights(start, {}, {"stage": "pbnet", "extractor": VERSIONS["3ddfa"]})
    with pytest.raises(InputError, match=f"trained on head poses of {VERSIONS['3ddfa']}"):
        train.train_stage(config, Paths.of(config, tmp_path / "data", tmp_path / "results"), "pbnet")


@pytest.mark.parametrize("curriculum", ["both", "stage2"])
def test_start_weights_belong_to_the_settings_of_their_stage_alone(curriculum: str) -> None:
    """The second A2V stage starts from the first, whatever that started from."""
    first = {"both": "a2v_stage1", "stage2": "a2v_stage2"}[curriculum]
    plain = _config(curriculum=curriculum)
    for section, stage in (("lfg", "lfg"), ("pbnet", "pbnet"), ("a2v", first)):
        started = _config(curriculum=curriculum, **{section: "weights"})
        assert starts_of(started, stage) == (Path("weights"),) and starts_of(plain, stage) == ()
        assert settings_of(started, stage) == settings_of(plain, stage) | {"starts": ["weights"]}
        for other in {"lfg", "pbnet", "a2v_stage1", "a2v_stage2", "ttr_sparse"} - {stage}:
            assert settings_of(started, other) == settings_of(plain, other) and starts_of(started, other) == ()
