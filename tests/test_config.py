"""The configuration: what is accepted, what is refused and how, and that the shipped files say what the paper says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY

from dawn.config import Config, ConfigError, load, loads, parse

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
        ({"corpus": {"fps": 30}}, "corpus.fps: Input should be 25"),
        ({"lfg": {"train": {"steps": 5, "epochs": 5}}}, "give exactly one of steps and epochs"),
        ({"lfg": {"train": {"steps": 0}}}, "lfg.train.steps"),
        ({"features": {"speech": {"dim": 7}}}, "dim must be mels * context = 256 for logmel, got 7"),
        ({"a2v": {"stage1": {"steps": 1, "frames_min": 9, "frames_max": 8}}}, "frames_min = 9 exceeds frames_max = 8"),
        ({"a2v": {"stage2": {"steps": 1, "frames_min": 8}}}, "paper 3.5: K_min > K'"),
        ({"a2v": {"model": {"dim": 12}}}, "must be a multiple of groups"),
        ({"a2v": {"model": {"temporal_levels": [4]}}}, "names level 4"),
        ({"pbnet": {"pose_min": [90] * 6}}, "pose_min must be below pose_max"),
        ({"generate": {"window": 41}}, "window must be even, got 41"),
        ({"evaluate": {"metrics": ["fid"]}}, "unknown metric 'fid'"),
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
    assert ours.landmark_guidance == ours.mouth == ours.eyes == config.lfg.train.blinks == config.a2v.stage1.loss.eyes == 0


def test_epochs_count_samples_of_the_training_split() -> None:
    schedule = parse({"lfg": {"train": {"epochs": 400, "repeats": 25, "batch": 82}}}).lfg.train
    assert schedule.total_steps(369) == 400 * 25 * 369 // 82


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
