"""Which weights and settings a stage is trained from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dawn.config import Config, load, loads, parse
from dawn.errors import InputError
from dawn.features.versions import VERSIONS
from dawn.fingerprint import fingerprint
from dawn.media.json_files import write_json
from dawn.models.discriminator import ImageDiscriminator
from dawn.models.lfg import LatentFlowGenerator
from dawn.models.weights_io import save_weights
from dawn.paths import Paths
from dawn.stages import settings_of, starts_of, syncnet_settings_of
from dawn.training import train
from dawn.training.batch_shard import BatchShard
from tests.support import packed
from tests.support.clips import InMemoryClips
from tests.support.repository import REPOSITORY


def _config(curriculum: str = "both", **starts: str) -> Config:
    """The smoke configuration with the `start` weights of sections named in `starts`."""
    tree = load(REPOSITORY / "config/smoke.yaml").model_dump()
    tree["a2v"]["curriculum"] = curriculum
    for section, start in starts.items():
        tree[section]["start"] = start
    return parse(tree)


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Captures what would be trained, in place of training it on clips in memory."""
    captured: list[Any] = []

    def capture(task: Any, *_: Any, **options: Any) -> dict[str, Any]:
        captured.append(SimpleNamespace(task=task, **options))
        return {}

    monkeypatch.setattr(train, "training_clips", lambda *_: InMemoryClips(_config()))
    monkeypatch.setattr(train, "train", capture)
    return captured


def _paths(config: Config, place: Path) -> Paths:
    paths = Paths.of(config, place / "data", place / "results")
    paths.dataset.parent.mkdir(parents=True)
    write_json(paths.dataset.with_suffix(".json"), {"digest": "of the data"})
    return paths


def test_the_lfg_can_start_from_another_run(tmp_path: Path, trainings: list[Any]) -> None:
    """Paper A.2: from a checkpoint that was trained on VoxCeleb."""
    plain, started = _config(), _config(lfg=str(tmp_path / "vox.safetensors"))
    paths = _paths(plain, tmp_path)
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


def test_a_discriminator_starts_from_the_weights_where_they_hold_one(tmp_path: Path, trainings: list[Any]) -> None:
    tree = _config(lfg=str(tmp_path / "start.safetensors")).model_dump()
    tree["lfg"]["train"]["loss"]["adversarial"] = 1
    config = parse(tree)
    paths = _paths(config, tmp_path)
    torch.manual_seed(7)
    states = {
        "lfg": LatentFlowGenerator(config.lfg.model).state_dict(),
        "discriminator": ImageDiscriminator().state_dict(),
    }
    for held in (("lfg",), ("lfg", "discriminator")):
        save_weights(tmp_path / "start.safetensors", {name: states[name] for name in held}, {})
        train.train_stage(config, paths, "lfg")
    equal = [
        torch.equal(training.task.networks["discriminator"].last.weight, states["discriminator"]["last.weight"])
        for training in trainings
    ]
    assert equal == [False, True]


def test_the_lfg_can_start_from_weights_of_the_package(
    tmp_path: Path, trainings: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in half precision, training is not; other content is another training, another place is not."""
    config = _config(lfg="pretrained:lfg64")
    paths = _paths(config, tmp_path)
    for seed, place in ((7, "package"), (7, "moved"), (8, "package")):
        monkeypatch.setattr("dawn.pretrained.folder", lambda place=place: tmp_path / place)
        torch.manual_seed(seed)
        shipped = {key: value.half() for key, value in LatentFlowGenerator(config.lfg.model).state_dict().items()}
        save_weights(tmp_path / place / "lfg64/weights.safetensors", {"lfg": shipped}, {})
        train.train_stage(config, paths, "lfg")
        started = trainings[-1].task.networks["lfg"].state_dict()
        assert all(torch.equal(started[key].half(), value) for key, value in shipped.items())
        assert {value.dtype for value in started.values()} == {torch.float32, torch.int64}
    fingerprints = [training.fingerprint for training in trainings]
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


def test_start_weights_of_other_pose_units_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = tmp_path / "pbnet.safetensors"
    config = _config(pbnet=str(start))
    monkeypatch.setattr(train, "training_clips", lambda *_: InMemoryClips(config))
    save_weights(start, {}, {"stage": "pbnet", "extractor": VERSIONS["3ddfa"]})
    with pytest.raises(InputError, match=f"trained on head poses of {VERSIONS['3ddfa']}"):
        train.train_stage(config, Paths.of(config, tmp_path / "data", tmp_path / "results"), "pbnet")


def test_start_weights_of_another_speech_encoder_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = tmp_path / "pbnet.safetensors"
    config = _config(pbnet=str(start))
    monkeypatch.setattr(train, "training_clips", lambda *_: InMemoryClips(config))
    save_weights(start, {}, {"stage": "pbnet", "extractor": "test", "encoder": "sha256:0123456789abcdef"})
    with pytest.raises(InputError, match=r"features of the encoder sha256:0123456789abcdef, but .* is logmel"):
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


def test_validation_belongs_to_the_settings_only_where_it_is_on() -> None:
    plain = _config()
    keys = {"every": 5, "batches": 2, "patience": 3}
    tree = plain.model_dump()
    tree["data"]["validation_fraction"] = 0.5
    held_out = parse(tree)
    tree["lfg"]["train"]["validation"] = tree["evaluate"]["syncnet"]["train"]["validation"] = keys
    validated = parse(tree)
    assert loads(validated.dump()) == validated
    assert "validation:" not in plain.dump() and "start" not in plain.model_dump()["evaluate"]["syncnet"]
    for stage in ("lfg", "pbnet", "a2v_stage1", "a2v_stage2", "ttr_sparse"):
        # Training draws fewer clips, whether or not the stage itself validates.
        expected = settings_of(plain, stage) | {"held_out": [0.5, plain.corpus.seed]}
        assert settings_of(held_out, stage) == expected != settings_of(plain, stage)
        assert (settings_of(validated, stage) == expected) == (stage != "lfg")
    assert settings_of(validated, "lfg")["lfg"]["train"]["validation"] == keys
    settings = [fingerprint(syncnet_settings_of(config)) for config in (plain, held_out, validated)]
    assert len(set(settings)) == 3


@pytest.mark.parametrize("stage", ["lfg", "a2v_stage1"])
def test_a_stage_draws_no_validation_clip(stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = packed.configuration("none").model_dump()
    tree["data"]["validation_fraction"] = 0.5
    smoke = _config().model_dump()
    schedule = {"validation": {"every": 5}, "batch": 64}
    tree |= {"lfg": smoke["lfg"], "a2v": smoke["a2v"]}
    tree["lfg"]["train"] |= schedule
    tree["a2v"]["stage1"] |= schedule | {"frames_min": 4, "frames_max": 4}
    config, paths = parse(tree), packed.prepare(tmp_path)
    write_json(paths.dataset.with_suffix(".json"), {"digest": "of the data"})
    lfg = {"lfg": LatentFlowGenerator(config.lfg.model).state_dict()}
    save_weights(paths.weights("lfg"), lfg, {})
    trainings: list[Any] = []

    def capture(task: Any, *_: Any, **options: Any) -> dict[str, Any]:
        trainings.append([task.sampler, options["validation_task"].sampler])
        return lfg

    monkeypatch.setattr(train, "train", capture)
    train.train_stage(config, paths, stage)
    drawn: list[set[int]] = []
    for sampler in trainings[0]:
        clips = sampler.clips
        lengths = [clips.length(index) for index in range(len(clips))]
        sampler.clips = Recording(clips)
        sampler(BatchShard(0, stage, 0, 64, range(64)))
        drawn.append({lengths[index] for index in sampler.clips.drawn})
    assert drawn[0] | drawn[1] == set(packed.LENGTHS.values()) and not drawn[0] & drawn[1]


class Recording:
    """Clips that keep the indices whose frames are read."""

    def __init__(self, clips: Any) -> None:
        self.clips = clips
        self.drawn: set[int] = set()

    def __len__(self) -> int:
        return len(self.clips)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.clips, name)

    def frames(self, index: int, which: Any = slice(None)) -> Any:
        self.drawn.add(index)
        return self.clips.frames(index, which)
