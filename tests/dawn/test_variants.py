"""Runs that differ from a configuration in a few keys: what they are called, what they share, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawn.comparisons import ROWS, family_of
from dawn.config import Config, ConfigError, load
from dawn.stages import cores_of, needs_of, networks_of, owners_of, schedule_of, settings_of, stages_of
from dawn.variants import Runs, sweep_rows
from tests.support.repository import REPOSITORY

SWEEPS = REPOSITORY / "config/sweeps"


@pytest.fixture
def base() -> Config:
    return load(REPOSITORY / "config/demo.yaml")


def sweep(folder: Path, text: str) -> Path:
    path = folder / "mine.csv"
    path.write_text(text)
    return path


def trained(runs: Runs) -> set[tuple[str, str]]:
    """What DAWN itself needs trained; the stages of other strategies are asked for by them alone."""
    owners = owners_of(runs.configs)
    return {(run, stage) for run, one in runs.configs.items() for stage in stages_of(one) if owners[run, stage] == run}


def test_a_window_trains_nothing_and_a_curriculum_only_its_stages(base: Config) -> None:
    runs = Runs(base)
    before = trained(runs)
    assert before == {("demo", stage) for stage in ("lfg", "pbnet", "a2v_stage1", "a2v_stage2")}
    windows = sweep_rows(runs, SWEEPS / "window.csv")
    assert [row.run for row in windows if row.run == "demo"] == ["demo"]  # the window of the configuration itself
    assert len({row.run for row in windows}) == len(windows) == 5
    assert runs.configs["demo-window-none"].generate.window is None
    assert trained(runs) == before
    sweep_rows(runs, SWEEPS / "curriculum.csv")
    added = {("demo-curriculum-stage1", "a2v_stage1"), ("demo-curriculum-stage2", "a2v_stage2")}
    assert trained(runs) - before == added


def test_one_stage_alone_sees_as_many_frames_as_both(base: Config) -> None:
    runs = Runs(base)

    def frames(config: Config) -> float:
        stages = [stage for stage in stages_of(config) if stage.startswith("a2v")]
        total = 0.0
        for stage in stages:
            schedule, own = schedule_of(config, stage), getattr(config.a2v, stage.removeprefix("a2v_"))
            total += schedule.total_steps(100) * schedule.batch * (own.frames_min + own.frames_max) / 2
        return total

    for name in ("demo", "hdtf128"):
        base = load(REPOSITORY / f"config/{name}.yaml")
        runs = Runs(base)
        for which in ("stage1", "stage2"):
            one = runs.configs[runs.add(which, {"a2v.curriculum": which}, "test")]
            assert frames(one) == pytest.approx(frames(base), rel=2e-3)
            assert networks_of(one) == ("lfg", "pbnet", f"a2v_{which}")
            assert needs_of(one, f"a2v_{which}") == ("lfg",)


def test_without_pbnet_only_the_flow_generator_is_shared(base: Config) -> None:
    runs = Runs(base)
    run = runs.add("free", {"a2v.pose_blink": False}, "test")
    assert stages_of(runs.configs[run]) == ("lfg", "a2v_stage1", "a2v_stage2")
    assert {stage for name, stage in trained(runs) if name == run} == {"a2v_stage1", "a2v_stage2"}


def test_keys_of_variants_leave_the_settings_of_older_networks_alone(base: Config) -> None:
    for stage in stages_of(base):
        keys = settings_of(base, stage).get("a2v", {})
        assert not {"curriculum", "pose_blink"} & keys.keys()


def test_comparisons_are_trained_with_a_number_of_processes_of_their_own(base: Config) -> None:
    assert (base.a2v.stage2.processes, base.compare.processes) == (2, 1)
    runs = Runs(base)
    alone = runs.configs[runs.add("alone", {"a2v.curriculum": "stage2"}, "test")]
    asked = runs.configs[runs.add("asked", {"a2v.curriculum": "stage2", "a2v.stage2.processes": 4}, "test")]
    assert [cores_of(schedule_of(one, "a2v_stage2")) for one in (base, alone, asked)] == [2, 1, 4]
    assert settings_of(alone, "a2v_stage2") == settings_of(asked, "a2v_stage2")  # the same networks: trained once
    assert runs.add("base", {}, "test") == "demo"  # and a run that changes nothing is none of its own


def test_another_corpus_has_its_own_folder_which_equal_ones_share(base: Config, tmp_path: Path) -> None:
    runs = Runs(base)
    text = "name,corpus.resolution,generate.window\na,96,24\nb,96,6\nc,64,6\n"
    a, b, c = (runs.configs[row.run] for row in sweep_rows(runs, sweep(tmp_path, text)))
    assert a.corpus.name == b.corpus.name == "demo-mine-a"
    assert c.corpus == base.corpus
    assert ("demo-mine-b", "lfg") not in trained(runs) and ("demo-mine-a", "lfg") in trained(runs)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("generate.windw\n6\n", "row 1: generate.windw: unknown key; known keys: steps"),
        ("name,generate.window\na,6\nb,7\n", "row 2: generate: window must be even, got 7"),
        ("generate.window.x\n6\n", "row 1: generate.window.x: window is a value, no section"),
        ("name,generate.window\na,6\na,12\n", "row 2: name: 'a' is the name of an earlier row"),
        ("generate.window,method\n6,dwan\n", "row 1: method: no method 'dwan'; methods are dawn"),
        ("generate.window,method\n6\n", "row 1: has not as many cells"),
        ("generate.window\n", "holds no rows"),
        ("name,generate.window\na b,8\na-b,14\n", "row 2: there is another run 'demo-mine-a-b' with other settings"),
    ],
)
def test_a_bad_sweep_is_one_line_with_file_and_row(base: Config, tmp_path: Path, text: str, says: str) -> None:
    path = sweep(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        sweep_rows(Runs(base), path)
    message = str(caught.value)
    assert message.startswith(str(path)) and says in message and "\n" not in message
    family = family_of(base, tmp_path)  # it stops nobody who does not ask for it
    assert family.rows("table8")
    with pytest.raises(ConfigError, match=r"mine\.csv, row|holds no rows"):
        family.rows("mine")


@pytest.mark.parametrize("name", ["demo", "smoke", "crema128", "hdtf128", "hdtf256"])
def test_every_comparison_of_every_configuration_can_be(name: str) -> None:
    family = family_of(load(REPOSITORY / f"config/{name}.yaml"), SWEEPS)
    assert family.wrong == {}
    papers = (REPOSITORY / "eval/report/paper.csv").read_text()
    for table in ROWS:
        for row in family.rows(table):
            if row.paper is not None:
                method, condition = row.paper
                assert f",{method},{condition}," in papers, row
