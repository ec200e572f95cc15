"""``dawn plan``: its arithmetic, its sources of numbers, and what it prints."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dawn.cli import main
from dawn.config import Config, load, parse
from dawn.corpora.manifest import Clip, write_manifest
from dawn.errors import InputError
from dawn.paths import Paths
from dawn.plan import estimate, training
from dawn.plan.cards import Card, card_named, card_of, cards
from dawn.plan.corpus import CorpusSize, corpus_size, published
from dawn.plan.estimate import Plan, StagePlan, make_plan
from dawn.plan.measurements import PUBLISHED, StepMeasurement, measurements, network_of, read_steps
from dawn.stages import stages_of
from dawn.training.loader import MOST
from eval.studies import train_syncnet
from tests.support.repository import REPOSITORY

PARTS = ("folder", "finetune", "pretrain64")  # not complete without a corpus or another file
CONFIGS = sorted(path for path in (REPOSITORY / "config").glob("*.yaml") if path.stem not in PARTS)
CORPUS = CorpusSize(train=100, test=10, frames=50, source="test")
COLUMNS = 100


def small(**changes: Any) -> Config:
    """Networks of the published sizes; stage 1 takes 1,000 steps of 10 clips of 20 frames at 64 pixels."""
    tree = load(REPOSITORY / "config/crema128.yaml").model_dump(mode="json")
    tree["corpus"]["resolution"] = 64
    tree["a2v"]["stage1"] |= {"steps": 1000, "epochs": None, "batch": 10, "compile": False}
    for key, value in changes.items():
        section, _, name = key.partition("__")
        (tree["a2v"] if section == "stage1" else tree)[section][name] = value
    return parse(tree)


def step(**changes: Any) -> StepMeasurement:
    """A measured step of stage 1: 0.5 s for 20 clips at 128 pixels on an H200, 0.1 s of it drawing."""
    values: dict[str, Any] = {"device": "NVIDIA H200", "torch": "2.14.0", "code": "abc", "stage": "a2v_stage1"}
    values |= {"network": PUBLISHED, "side": 128, "batch": 20, "frames": 20, "precision": "bfloat16"}
    values |= {"seconds": 0.5, "drawing": 0.1, "peak_gib": 21.0}
    return StepMeasurement.model_validate(values | changes)


def stage_of(plan: Plan, name: str) -> StagePlan:
    return next(line for line in plan.stages if line.stage == name)


def table_of(text: str, first: str) -> dict[str, list[str]]:
    """The rows of a printed table, by their first cell."""
    block = next(part for part in text.split("\n\n") if part.startswith(first))
    return {row.split()[0]: row.split() for row in block.splitlines()[1:]}


def test_a_step_is_the_measured_one_times_samples_pixels_and_bandwidth() -> None:
    """10 of 20 samples and a quarter of the pixels: 0.0125 s to draw, and 0.05 s times the ratio of bandwidths."""
    ratio = 4800 / 1008
    plan = make_plan(small(), CORPUS, card_named("4090"), dollars=2.0, own=[step()])
    line = stage_of(plan, "a2v_stage1")
    assert line.step_seconds == pytest.approx(0.05 * ratio + 0.0125)
    assert line.gpu_hours == line.hours == pytest.approx(1000 * (0.05 * ratio + 0.0125) / 3600)
    assert line.dollars == pytest.approx(2 * (line.gpu_hours or 0))
    assert line.basis == "scaled" and "x 0.5 samples, x 0.25 pixels, x 4.76 bandwidth" in line.how
    assert plan.gpu_hours == pytest.approx(sum(one.gpu_hours or 0 for one in plan.stages))
    assert plan.core_hours == pytest.approx(sum(one.core_hours or 0 for one in plan.stages))
    same = make_plan(load(REPOSITORY / "config/crema128.yaml"), CORPUS, card_named("h200"), own=[step()])
    assert stage_of(same, "a2v_stage1").basis == "measured" and stage_of(same, "a2v_stage1").step_seconds == 0.5


def test_the_hours_of_hdtf_are_steps_times_measured_seconds() -> None:
    plan = make_plan(load(REPOSITORY / "config/hdtf128.yaml"), published()["hdtf"], card_named("h200"))
    hours = {line.stage: line.gpu_hours for line in plan.stages}
    steps = {line.stage: line.steps for line in plan.stages}
    assert (steps["lfg"], steps["pbnet"], steps["a2v_stage1"], steps["a2v_stage2"]) == (46219, 379000, 236875, 118437)
    assert hours["a2v_stage1"] == pytest.approx(236875 * 0.391 / 3600)
    assert hours["a2v_stage2"] == pytest.approx(118437 * 1.179 * 35 / 34 / 3600)
    assert hours["lfg"] == pytest.approx(46219 * 0.299 * 82 / 100 / 3600)
    assert stage_of(plan, "a2v_stage1").basis == "measured" and stage_of(plan, "pbnet").basis == "estimated"
    assert "bfloat16 was not measured" in stage_of(plan, "lfg").how
    assert "without compilation" in stage_of(plan, "a2v_stage1").how
    assert plan.unknown == () and plan.dollars is None


def test_every_stage_has_a_row_in_the_order_of_the_pipeline() -> None:
    plan = make_plan(load(REPOSITORY / "config/hdtf128.yaml"), published()["hdtf"], card_named("h100"))
    trained = ["lfg", "pbnet", "a2v_stage1", "a2v_stage2"]
    assert [line.stage for line in plan.stages] == ["prepare", "speech", "pack", *trained, "judge", "videos", "scores"]
    assert [needs.stage for needs in plan.needs] == trained
    assert all(line.gpu_hours or line.core_hours for line in plan.stages)
    rate = 356 * 20 / 0.357 * 3350 / 4800  # GFLOP/s of A2V's stage 1 in TensorFloat-32
    judge = stage_of(plan, "judge")
    assert judge.gpu_hours == pytest.approx(50000 * (9.14 * 64 / rate + 162 * 15e-6) / 3600)
    assert judge.basis == "estimated"
    assert stage_of(plan, "speech").core_hours == pytest.approx(421 * 3495 / 25 * 0.68 / 3600)


def test_gpus_divide_a_batch_with_the_stated_efficiency() -> None:
    config, card = load(REPOSITORY / "config/crema128.yaml"), card_named("h200")
    plan = make_plan(config, CORPUS, card, gpus=4, own=[step()])
    line = stage_of(plan, "a2v_stage1")
    assert line.step_seconds == pytest.approx(0.5 / 4 / 0.95)
    assert line.gpu_hours == pytest.approx(4 * (line.hours or 0))
    assert plan.efficiency is not None and 0.8 < plan.efficiency < 0.95
    uneven = stage_of(make_plan(config, CORPUS, card, gpus=3, own=[step()]), "a2v_stage1")
    assert uneven.step_seconds == pytest.approx(0.5 * 7 / 20 / 0.95)
    most = stage_of(make_plan(config, CORPUS, card, gpus=20, own=[step()]), "a2v_stage1")
    assert most.step_seconds == pytest.approx(4912 * 15e-6 / 0.95)  # one sample: its kernels are launched as slowly
    assert stage_of(plan, "videos").gpu_hours == stage_of(plan, "videos").hours
    with pytest.raises(InputError, match="a batch of 20 has no sample for each of 21 GPUs"):
        make_plan(config, CORPUS, card, gpus=21)


def test_passes_are_doubled_until_a_card_holds_them() -> None:
    """1 GiB is fixed, and 1 GiB for each of 20 samples; 0.9 of the card may be taken."""
    config, known = load(REPOSITORY / "config/crema128.yaml"), measurements()
    found = {gb: memory_of(config, "a2v_stage1", card(gb), [step()]) for gb in (24.0, 14.0, 7.0, 2.0)}
    assert [(found[gb].passes, found[gb].gib) for gb in found] == [(1, 21.0), (2, 11.0), (4, 6.0), (None, None)]
    less = known.counts.kept_gib_a_frame - known.counts.recomputing_gib_a_frame
    assert found[24.0].recompute_gib == pytest.approx(21 - 400 * less)
    assert memory_of(config, "a2v_stage1", card(7), [step()], gpus=4).passes == 1
    plan = make_plan(config, CORPUS, card(2.0), own=[step()])
    assert "a2v_stage1" in plan.unknown and "does not fit" in stage_of(plan, "a2v_stage1").how


def memory_of(config: Config, stage: str, card: Card, own: Sequence[StepMeasurement], gpus: int = 1) -> training.Memory:
    return training.Training(config, stage, card, gpus, CORPUS.frames, measurements(), own).memory()


def card(gb: float) -> Card:
    return Card(title="test", device="test", memory=gb, bandwidth=1000, source="test")


def test_the_longest_clip_decides_memory_and_recompute_takes_time() -> None:
    config = load(REPOSITORY / "config/crema128.yaml")
    own = [step(stage="a2v_stage2", frames=20, batch=40, peak_gib=41.0)]
    assert memory_of(config, "a2v_stage2", card(200), own).one_pass_gib == pytest.approx(1 + 40 * 2)
    tree = config.model_dump(mode="json")
    tree["a2v"]["stage1"]["recompute"] = True
    for own, seconds in (([step()], 0.1 + 0.4 * 1.25), ([step(recompute=True)], 0.5)):
        line = stage_of(make_plan(parse(tree), CORPUS, card_named("h200"), own=own), "a2v_stage1")
        assert line.step_seconds == pytest.approx(seconds)
    tree["a2v"]["stage1"] |= {"recompute": False, "accumulate": 2}
    assert memory_of(parse(tree), "a2v_stage1", card(200), [step()]).passes == 2
    plan = make_plan(parse(tree), CORPUS, card(10), own=[step()])
    assert "does not fit the card's memory with accumulate: 2" in stage_of(plan, "a2v_stage1").how


def test_clips_that_are_shorter_than_a_sequence_of_pbnet_count_as_they_are() -> None:
    config = load(REPOSITORY / "config/crema128.yaml")
    seconds = {
        frames: stage_of(make_plan(config, CORPUS.model_copy(update={"frames": frames}), card_named("h200")), "pbnet")
        for frames in (50, 200, 400)
    }
    assert seconds[50].step_seconds == pytest.approx(744 * 15e-6 + 40 * 3.47 / 4 * 0.357 / (356 * 20))
    assert (
        seconds[200].step_seconds
        == seconds[400].step_seconds
        == pytest.approx(744 * 15e-6 + 40 * 3.47 * 0.357 / (356 * 20))
    )


def test_training_waits_for_loading_where_that_takes_longer() -> None:
    config, own = load(REPOSITORY / "config/crema128.yaml"), [step(seconds=0.02, drawing=0)]
    tree = config.model_dump(mode="json")
    seconds = {}
    for store, workers in (("raw", 8), ("none", 8), ("none", 2), ("raw", 0)):
        tree["data"] |= {"store": store, "workers": workers}
        plan = make_plan(parse(tree), CORPUS, card_named("h200"), own=own)
        seconds[store, workers] = stage_of(plan, "a2v_stage1").step_seconds
    loading = measurements().loading.stores
    assert seconds["raw", 8] == pytest.approx(0.02)
    assert seconds["none", 2] == pytest.approx(20 * 21 / 40 * loading["none"].a2v / 2)
    assert seconds["none", 8] == pytest.approx(20 * 21 / 40 * loading["none"].a2v / 8)
    assert seconds["raw", 0] == pytest.approx(0.02 + 20 * 21 / 41 * loading["raw"].a2v)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_json_has_the_numbers_of_the_table(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["plan", str(path), "--card", "a100", "--gpus", "2", "--dollars", "1.5"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines()) <= COLUMNS
    assert main([*arguments, "--json"]) == 0
    (plan,) = json.loads(capsys.readouterr().out)
    rows = table_of(text, "stage ")
    for line in plan["stages"]:
        shown = rows[line["stage"]]
        for cell, key in zip(
            shown[1:], ("steps", "batch", None, "hours", "gpu_hours", "core_hours", "dollars"), strict=False
        ):
            if key is None or line[key] is None:
                assert key is None or cell == "-"
            else:
                assert float(cell.replace(",", "")) == pytest.approx(line[key], rel=0.05, abs=0.006)
        assert shown[-1] == line["basis"]
    total = rows["known" if plan["unknown"] else "sum"]
    assert float(total[2].replace(",", "")) == pytest.approx(plan["gpu_hours"], rel=0.05, abs=0.006)
    for space in plan["disk"]:
        shown = table_of(text, "disk ")[space["files"]]
        assert float(shown[1].replace(",", "")) == pytest.approx(space["gb"], abs=0.06)


def test_several_cards_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    names = [word for name in cards() for word in ("--card", name)]
    assert main(["plan", str(REPOSITORY / "config/hdtf128.yaml"), *names, "--dollars", "2"]) == 0
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines()) <= COLUMNS
    hours = [float(cell.replace(",", "")) for cell in table_of(text, "GPU hours")["sum"][1:]]
    faster = {name: one.bandwidth or 0 for name, one in cards().items()}
    assert [hour for _, hour in sorted(zip(faster.values(), hours, strict=True), reverse=True)] == sorted(hours)


def test_the_hours_of_the_documentation_are_those_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    names = {"LFG": "lfg", "PBNet": "pbnet", "A2V stage 1": "a2v_stage1", "A2V stage 2": "a2v_stage2"}
    names |= {"test videos": "videos", "**sum**": "sum"}
    page = (REPOSITORY / "docs/explanation/scale.md").read_text(encoding="utf-8")
    options = [word for card in ("h200", "h100", "a100", "a40", "4090") for word in ("--card", card)]
    printed: dict[str, list[str]] = {}
    compared = 0
    for line in page.split("**GPU hours**")[1].split("**Your own card.**")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 7 or cells[1] not in names:
            continue
        if cells[0]:
            config = cells[0].split("`")[1]
            assert main(["plan", str(REPOSITORY / f"config/{config}.yaml"), *options]) == 0
            printed = table_of(capsys.readouterr().out, "GPU hours")
        assert [cell.strip("*") for cell in cells[2:]] == printed[names[cells[1]]][1:], line
        compared += 1
    assert compared == 14


def test_plans_of_all_configurations_need_neither_torch_nor_a_network() -> None:
    blocked = dict.fromkeys(("torch", "av", "cv2", "mediapipe", "pandas", "requests", "scipy"))
    paths = [str(path) for path in CONFIGS]
    code = (
        f"import sys, socket; sys.modules.update({blocked!r}); socket.socket.connect = None\n"
        f"from dawn.cli import main\nsys.exit(sum(main(['plan', path]) for path in {paths!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("GPU h") >= len(paths)


def test_networks_that_were_not_measured_have_no_hours(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(REPOSITORY / "config/smoke.yaml")]) == 0
    text = capsys.readouterr().out
    assert "Not in the sums, since their time is not known: lfg, pbnet, a2v_stage1, a2v_stage2, videos." in text
    assert table_of(text, "stage ")["lfg"][4] == "-"


def write_steps(path: Path, steps: Sequence[StepMeasurement]) -> Path:
    with open(path, "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(StepMeasurement.model_fields))
        writer.writeheader()
        writer.writerows(one.model_dump() for one in steps)
    return path


def test_a_users_own_card_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown card: its stages are measured, those that were not measured on it have no hours."""
    own = step(device="Some GPU", seconds=0.25, drawing=0, compiled=True, peak_gib=None)
    file = write_steps(tmp_path / "stages.csv", [own, own.model_copy(update={"compiled": False, "seconds": 0.5})])
    assert main(["plan", str(REPOSITORY / "config/crema128.yaml"), "--measured", str(file), "--json"]) == 0
    (plan,) = json.loads(capsys.readouterr().out)
    lines = {line["stage"]: line for line in plan["stages"]}
    assert plan["card"]["title"] == "Some GPU"
    assert lines["a2v_stage1"]["step_seconds"] == 0.25 and lines["a2v_stage1"]["basis"] == "measured"
    assert plan["unknown"] == ["lfg", "pbnet", "a2v_stage2", "judge", "videos"]
    known = write_steps(tmp_path / "known.csv", [step(device="NVIDIA A40", drawing=0)])
    assert main(["plan", str(REPOSITORY / "config/crema128.yaml"), "--measured", str(known), "--json"]) == 0
    (plan,) = json.loads(capsys.readouterr().out)
    assert plan["card"]["title"] == "A40" and plan["unknown"] == []
    assert card_of("NVIDIA A40") == card_named("A40")


def test_measured_steps_of_other_networks_do_not_count() -> None:
    config = load(REPOSITORY / "config/demo.yaml")
    own = step(network=network_of(config, "a2v_stage1"), side=64, batch=8, frames=20, drawing=0)
    assert own.network != PUBLISHED
    plan = make_plan(config, CORPUS, card_named("h200"), own=[own, step(stage="a2v_stage2")])
    assert stage_of(plan, "a2v_stage1").gpu_hours and stage_of(plan, "a2v_stage2").gpu_hours is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"seconds": "-1"}, "row 2, column seconds"),
        ({"precision": "half"}, "row 2, column precision"),
        ({"batch": ""}, "row 2, column batch"),
        ({"more": "1"}, "row 2, column more"),
        (None, "no measured step"),
    ],
)
def test_a_file_without_steps_is_one_line(changes: dict[str, str] | None, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "stages.csv"
    row = {} if changes is None else {key: str(value) for key, value in step().model_dump().items()} | changes
    with open(file, "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(row) or ["stage"])
        writer.writeheader()
        writer.writerows([row] if row else [])
    with pytest.raises(InputError, match=problem):
        read_steps(file)
    with pytest.raises(InputError, match="several devices"):
        read_steps(write_steps(file, [step(), step(device="other")]))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--card", "v100"], "no card 'v100'; known are h200, h100, a100, l40s, a40, 4090, 3090"),
        (["--gpus", "64"], "pbnet: a batch of 40 has no sample for each of 64 GPUs"),
        (["--frames", "100", "--hours", "2"], "--frames and --hours both"),
        (["--gpus", "0"], "--gpus"),
        (["--measured", "absent.csv"], "absent.csv"),
    ],
)
def test_wrong_options_end_with_one_line(words: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(REPOSITORY / "config/crema128.yaml"), *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1 and problem in printed.err


def test_the_size_of_a_corpus_is_prepared_given_or_published(tmp_path: Path) -> None:
    config = load(REPOSITORY / "config/crema128.yaml")
    paths = Paths.of(config, data=tmp_path / "data")
    size = corpus_size(config, paths)
    assert (size.train, size.test, size.frames) == (6622, 820, 63)
    given = corpus_size(config, paths, clips=900, hours=1.0)
    assert (given.train, given.test, given.frames) == (900, 100, 100) and given.hours == pytest.approx(1.0)
    assert corpus_size(config, paths, frames=80).train == 6622
    frames = (40, 60, 110)
    clips = [
        Clip(f"c{k}", "someone", "test" if k == 2 else "train", length, length / 25, "c.mp4", "0" * 64)
        for k, length in enumerate(frames)
    ]
    paths.manifest.parent.mkdir(parents=True)
    write_manifest(paths.manifest, clips)
    size = corpus_size(config, paths)
    assert (size.train, size.test, size.frames, size.source) == (2, 1, 70, str(paths.manifest))
    folder = parse({"corpus": {"kind": "folder", "name": "own"}})
    absent = Paths.of(folder, data=tmp_path / "data")
    with pytest.raises(InputError, match="give --clips with --frames or --hours"):
        corpus_size(folder, absent)
    with pytest.raises(InputError, match="give --frames"):
        corpus_size(folder, absent, clips=10)
    with pytest.raises(InputError, match="give --clips"):
        corpus_size(folder, absent, frames=10)


def test_the_data_covers_the_papers_configurations_and_states_sources() -> None:
    known = measurements()
    for name in ("crema128", "hdtf128", "hdtf256", "voxceleb128", "released128"):
        config = load(REPOSITORY / f"config/{name}.yaml")
        assert {network_of(config, stage) for stage in stages_of(config)} == {PUBLISHED}
        for stage in ("lfg", "a2v_stage1", "a2v_stage2"):
            assert any(one.stage == stage for one in known.steps)
    assert all(card.source and card.memory and card.bandwidth for card in cards().values())
    assert all(size.source for size in published().values())
    assert {store for store in known.loading.stores} == {"raw", "jpeg", "none"}


def test_numbers_of_other_rooms_are_theirs(capsys: pytest.CaptureFixture[str]) -> None:
    assert estimate.JUDGE_CLIPS == train_syncnet.PER_CLIP
    assert training.WORKERS == MOST
    assert main(["plan", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in cards())


def test_recompute_and_kernels_are_those_that_the_benchmark_counts() -> None:
    """Bytes of 20 clips of 20 frames, which take seconds to count; the data has those of the batch of stage 2."""
    import torch

    from benchmarks.launches import kept_recomputing, training_step

    counts, kept = training_step(20, 20, torch.bfloat16)
    known = measurements().counts
    assert counts.total() == pytest.approx(known.kernels["a2v_stage1"], rel=0.02)
    assert kept / 2**30 / 400 == pytest.approx(known.kept_gib_a_frame, rel=0.02)
    assert math.isclose(
        kept_recomputing(20, 20, torch.bfloat16) / 2**30 / 400, known.recomputing_gib_a_frame, rel_tol=0.02
    )


def test_numbers_that_are_not_finite_and_more_gpus_than_samples_are_errors(capsys: pytest.CaptureFixture[str]) -> None:
    config = str(REPOSITORY / "config/hdtf128.yaml")
    for option in ("--hours", "--frames", "--dollars"):
        assert main(["plan", config, option, "inf"]) == 2
        assert f"{option} inf: give a finite number" in capsys.readouterr().err
    assert main(["plan", str(REPOSITORY / "config/smoke.yaml"), "--gpus", "8"]) == 2
    assert "has no sample for each of 8 GPUs" in capsys.readouterr().err
