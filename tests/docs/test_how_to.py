"""The how-to pages, followed literally: what they promise happens, and nothing else has to be edited."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from dawn.demo import generate_truth, render_clip
from dawn.media.json_files import read_json
from tests.support.followed import FollowedPage


def write_talking_head(path: Path, person: int = 0) -> None:
    """A drawn person who speaks for a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    render_clip(generate_truth(1234, person, 0, 1.2), 128, path)


def test_a_metric_is_one_file_and_one_test(tmp_path: Path) -> None:
    followed = FollowedPage("metric", tmp_path)
    module, test = followed.write_files()
    assert module.parent.name == "metrics" and test.name == f"test_{module.name}"
    for side, person in (("real", 0), ("generated", 1)):
        write_talking_head(followed.root / side / "clip.mp4", person)
    pytest_command, listing, measuring, table = followed.commands()
    assert "1 passed" in followed.run(pytest_command)
    assert "Yaw range" in followed.run(listing)
    assert "yaw_range" in followed.run(measuring)
    report = read_json(followed.root / "report" / "report.json")["metrics"]["yaw_range"]
    assert report["n"] == 1 and 0 < report["value"] < 90
    assert table.endswith("results/table1.csv")  # needs a trained run: not run here


def test_a_strategy_is_one_file_and_one_test(tmp_path: Path) -> None:
    followed = FollowedPage("strategy", tmp_path)
    followed.write_files()
    tests, choices, sweep = followed.commands()
    assert "3 passed" in followed.run(tests)
    assert "smoothed" in followed.run(choices)
    assert sweep.endswith("results/sweeps/smoothing.csv")  # needs a trained run: not run here
    planned = followed.run(sweep.replace("snakemake", "snakemake -n --quiet rules"))
    assert "videos" in planned and "score" in planned


def test_a_corpus_is_a_folder_or_one_file_and_one_test(tmp_path: Path) -> None:
    followed = FollowedPage("corpus", tmp_path)
    followed.write_files()
    for place, person in (("mine/anna/one", 0), ("mine/ben/two", 1), ("listed/one", 0), ("listed/two", 1)):
        write_talking_head(followed.root / f"data/raw/{place}.mp4", person)
    for command in followed.commands():
        followed.run(followed_make(command))
    assert '"listed"' in (followed.root / "config/schema.json").read_text()
    for name, side in (("mine", 128), ("listed", 64)):
        with open(followed.root / f"data/{name}/clips.csv", newline="") as stream:
            clips = {row["clip"]: row for row in csv.DictReader(stream)}
        assert {row["identity"] for row in clips.values()} == {"anna", "ben"}
        assert {row["split"] for row in clips.values()} == {"train", "test"}
        written = (followed.root / f"data/{name}/{side}/clips").glob("*/*.mp4")
        assert sorted(path.stem for path in written) == sorted(clips)


def test_a_setting_is_a_field_its_use_and_a_test(tmp_path: Path) -> None:
    followed = FollowedPage("setting", tmp_path)
    followed.write_files()
    schema, test = followed.commands()
    followed.run(followed_make(schema))
    described = json.loads((followed.root / "config/schema.json").read_text())["$defs"]["Generate"]["properties"]
    assert described["blink_scale"]["default"] == 1.0
    assert "1 passed" in followed.run(test)


def followed_make(command: str) -> str:
    """`make` with the environment of this test in place of the copy's, which would have to be installed first."""
    return command.replace("make ", 'make READY= BIN="$(dirname "$(command -v python)")" ', 1)
