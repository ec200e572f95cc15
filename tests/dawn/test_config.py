"""The configuration: validation and its error messages, and the paper's values in the shipped files."""

from __future__ import annotations

from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
import torch

from dawn.config import Config, ConfigError, Diffusion, LfgModel, PbnetModel, Section, UnetModel, load, loads, parse
from dawn.models.pose_blink import normalise
from tests.support.repository import REPOSITORY

FILES = sorted((REPOSITORY / "config").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shipped_files_load_under_their_own_name_and_round_trip(path: Path) -> None:
    config = load(path)
    assert config.name == path.stem
    assert loads(config.dump()) == config


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"corpus": {"resoluton": 64}}, "corpus.resoluton: unknown key; known keys: name, kind, resolution"),
        ({"corpus": {"resolution": 65}}, "corpus: resolution must be a multiple of 32, got 65"),
        (
            {"corpus": {"crema": {"test_actors": [1015, 15]}}},
            "corpus.crema.test_actors.1: Input should be greater",
        ),
        ({"corpus": {"kind": "folder", "face_height": 0.9}}, "corpus.face_height: Input should be less than or equal"),
        (
            {"corpus": {"kind": "folder", "face_height": 0.1}},
            "corpus.face_height: Input should be greater than or equal",
        ),
        ({"corpus": {"kind": "demo", "face_height": 0.5}}, "drawn people have 0.58; leave it out for kind 'demo'"),
        ({"corpus": {"fps": 30}}, "corpus.fps: Input should be 25"),
        ({"lfg": {"train": {"steps": 5, "epochs": 5}}}, "give exactly one of steps and epochs"),
        ({"lfg": {"train": {"steps": 0}}}, "lfg.train.steps"),
        ({"features": {"speech": {"dim": 7}}}, "dim must be mels * context = 256 for logmel, got 7"),
        ({"a2v": {"stage1": {"steps": 1, "frames_min": 9, "frames_max": 8}}}, "frames_min = 9 exceeds frames_max = 8"),
        ({"a2v": {"stage2": {"steps": 1, "frames_min": 8}}}, "paper 3.5: K_min > K'"),
        ({"a2v": {"model": {"dim": 12}}}, "must be a multiple of groups"),
        ({"a2v": {"model": {"temporal_levels": [4]}}}, "names level 4"),
        ({"pbnet": {"pose_min": [90] * 6}}, "pose_min must differ from pose_max"),
        ({"generate": {"window": 41}}, "window must be even, got 41"),
        (
            {"generate": {"speech_guidance": 2}, "a2v": {"stage2": {"steps": 1, "drop_speech": 0.1}}},
            "networks that know motion without speech: set a2v.stage1.drop_speech",
        ),
        (
            {"pbnet": {"train": {"steps": 9, "validation": {"every": 3}}}},
            "pbnet.train.validation needs held-out clips: set data.validation_fraction",
        ),
        ({"data": {"validation_fraction": 1}}, "data.validation_fraction: Input should be less than 1"),
        ({"name": "../up"}, "name"),
        ({"seed": "many"}, "seed"),
    ],
)
def test_an_impossible_value_is_one_line_that_names_the_key(tree: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(tree, "config/mine.yaml")
    assert str(caught.value).startswith("config/mine.yaml: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "absent.yaml")
    (tmp_path / "list.yaml").write_text("- a\n- b\n")
    with pytest.raises(ConfigError, match="expected keys and values"):
        load(tmp_path / "list.yaml")
    (tmp_path / "torn.yaml").write_text("a: [1,\n")
    with pytest.raises(ConfigError, match="not YAML"):
        load(tmp_path / "torn.yaml")


@pytest.mark.parametrize(("name", "side"), [("crema128", 128), ("hdtf128", 128), ("hdtf256", 256)])
def test_paper_files_carry_the_papers_numbers(name: str, side: int) -> None:
    config = load(REPOSITORY / f"config/{name}.yaml")
    assert (config.corpus.resolution, config.corpus.fps) == (side, 25)
    assert (config.generate.window, config.generate.pbnet_window) == (80, 400)
    assert config.pbnet.train.frames == 200
    assert (config.lfg.train.epochs, config.pbnet.train.epochs) == (400, 1600)
    assert (config.a2v.stage1.epochs, config.a2v.stage2.epochs) == (500, 500)
    assert config.a2v.stage1.loss.lip == config.a2v.stage2.loss.lip == 1
    loss = config.pbnet.train.loss
    assert (loss.reconstruction, loss.gan, loss.kl, loss.kl_start) == (1, 0.6, 0.01, 400 / 1600)
    assert (config.a2v.stage1.source, config.a2v.stage2.source) == ("first", "random")
    assert config.a2v.stage2.frames_max == 40
    assert config.a2v.diffusion.objective == "noise"
    assert config.lfg.train.repeats == (25 if name.startswith("hdtf") else 1)
    ours = config.lfg.train.loss
    assert (
        ours.landmark_guidance == ours.mouth == ours.eyes == config.lfg.train.blinks == config.a2v.stage1.loss.eyes == 0
    )


def test_the_network_trained_on_voxceleb_fits_those_that_start_from_it() -> None:
    before = load(REPOSITORY / "config/voxceleb128.yaml")
    assert before.corpus.kind == "voxceleb"
    for name in ("crema128", "hdtf128", "hdtf256"):
        assert load(REPOSITORY / f"config/{name}.yaml").lfg.model == before.lfg.model


def test_sections_hold_values_and_compute_nothing() -> None:
    """Fingerprints of code leave dawn.config out: values of settings count, so nothing there may compute a result."""
    allowed = {"dump", "scored"}  # text of the values, names of metrics

    def functions(section: type) -> set[str]:
        validators = section.__pydantic_decorators__.model_validators.keys()
        members = vars(section).items()
        return {name for name, member in members if isinstance(member, FunctionType | property)} - validators

    sections, found = [Section], set()
    while sections:
        section = sections.pop()
        sections += section.__subclasses__()
        if section.__module__.startswith("dawn.config."):
            found |= functions(section)
    assert {name for name in found if not name.startswith("__")} == allowed


def test_every_key_is_described() -> None:
    def undescribed(node: Any, where: str) -> list[str]:
        missing = []
        for name, field in node.model_fields.items():
            inner = field.annotation
            if hasattr(inner, "model_fields"):
                missing += undescribed(inner, f"{where}{name}.")
            elif not field.description:
                missing.append(f"{where}{name}")
        return missing

    assert undescribed(Config, "") == []


@pytest.mark.parametrize(
    ("side", "epochs", "batch", "lr"), [(128, 1000, 82, 4e-4), (256, 400, 20, 6e-4)], ids=["128", "256"]
)
def test_released_files_carry_the_published_choices(side: int, epochs: int, batch: int, lr: float) -> None:
    config = load(REPOSITORY / f"config/released{side}.yaml")
    paper = load(REPOSITORY / f"config/hdtf{side}.yaml")
    assert config.corpus.resolution == side
    assert config.features.speech == paper.features.speech
    assert config.lfg.model == LfgModel() and config.a2v.model == UnetModel(train_mask_embedder=False)
    assert config.pbnet.model == PbnetModel(rope_dim=4)
    assert config.a2v.diffusion == Diffusion(objective="noise", flow="absolute", flow_range=1, threshold_quantile=0.9)
    assert config.generate == paper.generate.model_copy(update={"threads": 2})
    assert not config.pbnet.joint
    assert (config.lfg.train.epochs, config.lfg.train.batch, config.lfg.train.lr) == (epochs, batch, lr)
    first, second = config.a2v.stage1, config.a2v.stage2
    assert (first.steps, first.batch, first.frames_min, first.frames_max) == (250_000, 20, 20, 20)
    assert (second.steps, second.batch, second.frames_min, second.frames_max) == (125_000, 40, 30, 40)
    assert first.lr == second.lr == 2e-4 and first.clip_norm == second.clip_norm == 2
    assert first.loss == second.loss and first.loss.lip_mean
    loss = config.pbnet.train.loss
    assert (config.pbnet.train.epochs, loss.gan, loss.kl, loss.kl_start) == (100_000, 1, 0.004, 0.1)


def test_released_pose_is_in_published_units() -> None:
    """Our usual head maps to the fallback state of the published code, and changes scale alike."""
    config = load(REPOSITORY / "config/released128.yaml")
    ours = torch.tensor([10.0, -5, 2, 0.74, 0.5, 0.375])
    low, high = (torch.tensor(value) for value in ([-90.0, -90, -90, 0, 0, 0], [90.0, 90, 90, 1, 720, 1080]))
    published = normalise(ours, torch.tensor([0.3, 0.3]), config)[:6] * (high - low) + low
    torch.testing.assert_close(published, torch.tensor([10, -5, 2, 4.79e-4, 56.5, 64.9]), rtol=1e-4, atol=1e-4)
    change = torch.tensor([3.0, 2, 1, 0.074, 0.1, 0.1])
    moved = normalise(ours + change, torch.tensor([0.3, 0.3]), config)[:6] * (high - low) + low
    torch.testing.assert_close(
        change / change.new_tensor(config.a2v.pose_unit), moved - published, rtol=1e-3, atol=1e-4
    )
    torch.testing.assert_close(moved - published, torch.tensor([3, 2, 1, 4.79e-5, 12, -12]), rtol=1e-3, atol=1e-4)
