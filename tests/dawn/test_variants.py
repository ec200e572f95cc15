"""Runs that differ from a configuration in a few keys: names, shared stages and corpora, and errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawn.comparisons import TABLES, experiments_of
from dawn.config import Config, ConfigError, load
from dawn.fingerprint import fingerprint
from dawn.schedules import total_steps
from dawn.stages import (
    STAGES,
    cores_of,
    gpus_of,
    needs_of,
    networks_of,
    owners_of,
    schedule_of,
    settings_of,
    stages_of,
    syncnet_seed_of,
    syncnet_settings_of,
)
from dawn.variants import RunSet, sweep_rows
from tests.support.repository import REPOSITORY

SWEEPS = REPOSITORY / "config/sweeps"


@pytest.fixture
def base() -> Config:
    return load(REPOSITORY / "config/demo.yaml")


def sweep(folder: Path, text: str) -> Path:
    path = folder / "mine.csv"
    path.write_text(text)
    return path


def trained(runs: RunSet) -> set[tuple[str, str]]:
    """(run, stage) of the stages that DAWN needs trained, without those of other strategies."""
    owners = owners_of(runs.configs)
    return {
        (run, stage) for run, config in runs.configs.items() for stage in stages_of(config) if owners[run, stage] == run
    }


def test_a_window_trains_nothing_and_a_curriculum_only_its_stages(base: Config) -> None:
    runs = RunSet(base)
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


def test_a_single_stage_trains_on_as_many_frames_as_both(base: Config) -> None:
    runs = RunSet(base)

    def frames(config: Config) -> float:
        stages = [stage for stage in stages_of(config) if stage.startswith("a2v")]
        total = 0.0
        for stage in stages:
            schedule, clips = schedule_of(config, stage), getattr(config.a2v, stage.removeprefix("a2v_"))
            total += total_steps(schedule, 100) * schedule.batch * (clips.frames_min + clips.frames_max) / 2
        return total

    for name in ("demo", "hdtf128"):
        base = load(REPOSITORY / f"config/{name}.yaml")
        runs = RunSet(base)
        for stage in ("stage1", "stage2"):
            single = runs.configs[runs.add(stage, {"a2v.curriculum": stage}, "test")]
            assert frames(single) == pytest.approx(frames(base), rel=2e-3)
            assert networks_of(single) == ("lfg", "pbnet", f"a2v_{stage}")
            assert needs_of(single, f"a2v_{stage}") == ("lfg",)


def test_without_pbnet_only_the_flow_generator_is_shared(base: Config) -> None:
    runs = RunSet(base)
    run = runs.add("free", {"a2v.pose_blink": False}, "test")
    assert stages_of(runs.configs[run]) == ("lfg", "a2v_stage1", "a2v_stage2")
    assert {stage for name, stage in trained(runs) if name == run} == {"a2v_stage1", "a2v_stage2"}


def test_keys_of_variants_leave_the_settings_of_older_networks_alone(base: Config) -> None:
    for stage in stages_of(base):
        keys = settings_of(base, stage).get("a2v", {})
        assert not {"curriculum", "pose_blink"} & keys.keys()


def test_comparisons_train_with_their_number_of_processes(base: Config) -> None:
    assert (base.a2v.stage2.processes, base.compare.processes) == (2, 1)
    runs = RunSet(base)
    default = runs.configs[runs.add("default", {"a2v.curriculum": "stage2"}, "test")]
    four = runs.configs[runs.add("four", {"a2v.curriculum": "stage2", "a2v.stage2.processes": 4}, "test")]
    assert [cores_of(config, schedule_of(config, "a2v_stage2")) for config in (base, default, four)] == [2, 1, 4]
    loading = four.model_copy(update={"data": four.data.model_copy(update={"workers": 3})})
    assert cores_of(loading, schedule_of(loading, "a2v_stage2")) == 4 * (1 + 3)
    assert [gpus_of(schedule_of(config, "a2v_stage2")) for config in (base, four)] == [2, 4]
    assert settings_of(default, "a2v_stage2") == settings_of(four, "a2v_stage2")  # the same weights: trained once
    assert runs.add("base", {}, "test") == "demo"  # no change: the run of the configuration


def test_runs_with_equal_corpora_share_a_folder(base: Config, tmp_path: Path) -> None:
    runs = RunSet(base)
    text = "name,corpus.resolution,generate.window\na,96,24\nb,96,6\nc,64,6\n"
    a, b, c = (runs.configs[row.run] for row in sweep_rows(runs, sweep(tmp_path, text)))
    assert a.corpus.name == b.corpus.name == "demo-mine-a"
    assert c.corpus == base.corpus
    assert ("demo-mine-b", "lfg") not in trained(runs) and ("demo-mine-a", "lfg") in trained(runs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("generate.windw\n6\n", "row 1: generate.windw: unknown key; known keys: steps"),
        ("name,generate.window\na,6\nb,7\n", "row 2: generate: window must be even, got 7"),
        ("generate.window.x\n6\n", "row 1: generate.window.x: window is a value, not a section"),
        ("name,generate.window\na,6\na,12\n", "row 2: name: an earlier row is called 'a'"),
        ("generate.window,method\n6,dwan\n", "row 1: method: unknown method 'dwan'; known: dawn"),
        ("generate.window,method\n6\n", "row 1: the number of cells differs"),
        ("generate.window\n", "holds no rows"),
        ("name,generate.window\na b,8\na-b,14\n", "row 2: run 'demo-mine-a-b' exists with different settings"),
    ],
)
def test_an_invalid_sweep_is_one_line_with_file_and_row(base: Config, tmp_path: Path, text: str, message: str) -> None:
    path = sweep(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        sweep_rows(RunSet(base), path)
    line = str(caught.value)
    assert line.startswith(str(path)) and message in line and "\n" not in line
    experiments = experiments_of(base, tmp_path)  # the other comparisons remain available
    assert experiments.rows("table8")
    with pytest.raises(ConfigError, match=r"mine\.csv, row|holds no rows"):
        experiments.rows("mine")


def test_repetitions_train_every_network_anew_and_share_corpus_and_syncnet(base: Config, tmp_path: Path) -> None:
    experiments = experiments_of(base, tmp_path)
    rows, configs = experiments.repetitions, experiments.runs.configs
    assert [(row.name, row.run) for row in rows] == [
        ("Seed 1234", "demo"), ("Seed 1", "demo-seed-1"), ("Seed 2", "demo-seed-2"),
        ("Seed 1234, threads 2", "demo-threads-2"),
    ]  # fmt: skip
    repeated = {row.run: configs[row.run] for row in rows}
    owners = owners_of(repeated)
    assert all(owners[run, stage] == run for run, config in repeated.items() for stage in stages_of(config))
    assert {config.corpus.model_dump_json() for config in repeated.values()} == {base.corpus.model_dump_json()}
    assert [config.seed for config in repeated.values()] == [1234, 1, 2, 1234]
    assert {fingerprint(syncnet_settings_of(config)) for config in repeated.values()} == {
        fingerprint(syncnet_settings_of(base))
    }
    threads = [[schedule_of(config, stage).threads for stage in STAGES] for config in repeated.values()]
    assert threads == [[1] * len(STAGES)] * 3 + [[2] * len(STAGES)]
    assert configs["demo-threads-2"].evaluate.syncnet.train.threads == base.evaluate.syncnet.train.threads


def test_repetitions_with_the_settings_of_the_run_are_the_run(base: Config, tmp_path: Path) -> None:
    compare = base.compare.model_copy(update={"repeat_seeds": (1234, 7, 7), "repeat_threads": (1, 1)})
    rows = experiments_of(base.model_copy(update={"compare": compare}), tmp_path).repetitions
    assert [row.run for row in rows] == ["demo", "demo-seed-7"]


def test_the_syncnet_of_repetitions_keeps_a_seed_of_its_own(base: Config, tmp_path: Path) -> None:
    syncnet = base.evaluate.syncnet.model_copy(update={"seed": 5})
    own = base.model_copy(update={"evaluate": base.evaluate.model_copy(update={"syncnet": syncnet})})
    experiments = experiments_of(own, tmp_path)
    assert {syncnet_seed_of(experiments.runs.configs[row.run]) for row in experiments.repetitions} == {5}


@pytest.mark.parametrize("name", ["demo", "smoke", "crema128", "hdtf128", "hdtf256"])
def test_every_configuration_allows_every_comparison(name: str) -> None:
    experiments = experiments_of(load(REPOSITORY / f"config/{name}.yaml"), SWEEPS)
    assert experiments.errors == {}
    paper_rows = (REPOSITORY / "eval/report/paper.csv").read_text()
    for table in TABLES:
        for row in experiments.rows(table):
            if row.paper is not None:
                method, condition = row.paper
                assert f",{method},{condition}," in paper_rows, row
