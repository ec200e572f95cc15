"""Tables 2 to 8, sweeps and claims, from runs whose scores are written here: what is shown, what is refused."""

from __future__ import annotations

import csv
import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.comparisons import Experiments, experiments_of
from dawn.config import Config, load
from dawn.errors import InputError
from dawn.fingerprint import fingerprint
from dawn.media.files import sha256_file
from dawn.media.json_files import read_json, write_json
from dawn.paths import Paths
from eval.cli import main
from eval.extract.cache import FeatureCache
from eval.extract.features import VideoFeatures
from eval.metrics.registry import get_metric
from eval.report.claims import VERDICTS, overall, write_claims
from eval.report.page import write_page
from eval.report.paper_tables import write_comparison
from eval.report.sweep import write_sweep
from eval.studies.run_settings import settings_digest
from tests.support.repository import REPOSITORY

CLIPS = tuple(f"c{k}" for k in range(12))
SWEEPS = REPOSITORY / "config/sweeps"
METRICS = (
    "fd_efficientnet",
    "fvd16",
    "fvd32",
    "lse_c_own",
    "lse_d_own",
    "csim_dlib",
    "bas",
    "blink_per_s",
    "dr25_efficientnet",
    "dr50_efficientnet",
)


@pytest.fixture
def experiments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiments:
    monkeypatch.chdir(tmp_path)
    return experiments_of(load(REPOSITORY / "config/smoke.yaml"), SWEEPS)


def write_scores(config: Config, method: str, value: float = 1.0, **causes: str) -> Path:
    """Scores of a method of a run, as measured; all its metrics `value`."""
    paths = Paths.of(config)
    folder = paths.scores(method)
    files = {name: f"{config.name} {method} {name}" for name in CLIPS}
    shared = {
        "clips": "clips",
        "real": config.corpus.name,
        "weights": config.corpus.name,
        "code": "c",
        "parameters": {},
    }
    entry = {"value": value, "low": value - 0.5, "high": value + 0.5, "n": len(CLIPS), "backbone": "b"}
    provenance = {"settings": settings_digest(config), "measured": fingerprint(files), "seed": 1, **shared, **causes}
    metrics = {key: entry for key in METRICS}
    write_json(
        folder / "scores.json",
        {"method": method, "dataset": config.corpus.name, "metrics": metrics, "provenance": provenance},
    )
    if method != "gt":
        write_json(paths.videos_report(method), {"files": files, "digest": fingerprint(files)})
    return folder / "scores.json"


def write_rows(experiments: Experiments, name: str, value: Callable[[int], float] = lambda _: 1.0) -> list[Path]:
    return [
        write_scores(experiments.runs.configs[row.run], row.method, value(k))
        for k, row in enumerate(experiments.rows(name))
    ]


def test_ours_the_papers_and_the_difference(experiments: Experiments) -> None:
    write_rows(experiments, "table8", lambda k: 60.0 + k)
    write_comparison(experiments, "table8", Path("results/table8"))
    with open("results/table8.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    ours = [row for row in rows if row["source"] == "ours"]
    assert [row["method"] for row in ours if row["metric"] == "fvd16"] == [
        "Window 6", "Window 12", "Window 24", "Window 60", "No window",
    ]  # fmt: skip
    assert len([row for row in rows if row["source"] == "paper"]) == 25
    differences = {(row["method"], row["metric"]): float(row["value"]) for row in rows if row["source"] == "difference"}
    assert differences["Window 24", "fvd16"] == pytest.approx(62 - 52.05)
    assert {metric for _, metric in differences} == {"fvd16", "fvd32"}  # the others are measured by other networks
    text = Path("results/table8.md").read_text()
    assert "| smoke | Window 6 |" in text and "**60.0**" in text and "<u>61.0</u>" in text
    assert "| hdtf (paper) | DAWN, window 80, true pose and blink |" in text and "ours less the paper's" in text
    assert "+10.0" in text and "Window 24: DAWN, window 80" in text
    assert r"\underline{61.0}" in Path("results/table8.tex").read_text()
    assert json.loads(Path("results/table8.json").read_text())["No window"]["fvd16"] == 64


def test_every_table_can_be_made(experiments: Experiments) -> None:
    for table in ("table2", "table3", "table4", "table5", "table7"):
        write_rows(experiments, table)
        figures = write_comparison(experiments, table, Path("results") / table)
        assert {figure.source for figure in figures} >= {"ours", "paper"}, table
        page = Path("results/index.html")
        write_page(experiments.runs.base, figures, [], Path("real"), {}, page, more=[Path(f"results/{table}.csv")])
        shown = page.read_text(encoding="utf-8").partition(f"<h2>{table.replace('table', 'Table ')}</h2>")[2]
        assert all(f"<td>{html.escape(row.name)}</td>" in shown for row in experiments.rows(table)), table


def test_of_long_videos_everything_is_measured_that_their_tables_show(experiments: Experiments) -> None:
    for table in ("table2", "table3", "table4", "table5", "table7", "table8"):
        write_rows(experiments, table)
        shown = {
            one.metric for one in write_comparison(experiments, table, Path("results") / table) if one.source == "ours"
        }
        assert all(shown <= set(row.metrics) for row in experiments.rows(table)), table
        if table in ("table3", "table5"):
            assert all(shown == set(row.metrics) for row in experiments.rows(table)), table


def test_table_7_says_what_else_its_runs_differ_in(experiments: Experiments) -> None:
    base = experiments.runs.base
    compare = base.compare.model_copy(
        update={"resolution_changes": {"lfg.start": "lfg.safetensors", "lfg.train.steps": 9}}
    )
    other = experiments_of(base.model_copy(update={"compare": compare}), SWEEPS)
    write_rows(other, "table7")
    write_comparison(other, "table7", Path("results/table7"))
    words = "Beside its resolution, a run other than smoke has lfg.start lfg.safetensors, lfg.train.steps 9."
    assert words in Path("results/table7.md").read_text()
    configs = [other.runs.configs[row.run] for row in other.rows("table7")]
    assert {(one.corpus.resolution, one.lfg.start, one.lfg.train.steps) for one in configs} == {
        (64, None, base.lfg.train.steps), (96, "lfg.safetensors", 9),
    }  # fmt: skip


def test_the_user_study_needs_ratings_and_the_papers_rows_none(experiments: Experiments) -> None:
    figures = write_comparison(experiments, "table6", Path("results/table6"))
    assert {figure.source for figure in figures} == {"paper"} and len(figures) == 24
    Path("ratings.csv").write_text(
        "rater,video,method,question,score\na,1,dawn,l_sync,5\na,2,dawn,l_sync,4\nb,1,dawn,l_sync,4\nb,2,dawn,l_sync,3\n"
    )
    tree = experiments.runs.base.model_dump()
    rated = experiments_of(
        Config.model_validate(tree | {"compare": tree["compare"] | {"ratings": "ratings.csv"}}), SWEEPS
    )
    figures = write_comparison(rated, "table6", Path("results/table6"))
    (ours,) = (figure for figure in figures if figure.source == "ours")
    (less,) = (figure for figure in figures if figure.source == "difference")
    assert (ours.value, ours.n) == (4, 4) and less.value == pytest.approx(4 - 4.57)


def test_seconds_stand_in_table_2(experiments: Experiments) -> None:
    write_rows(experiments, "table2")
    write_json(
        Path("results/smoke/timing.json"), {"methods": {"dawn": {"value": 3.0, "low": 2.0, "high": 4.0, "n": 5}}}
    )
    figures = write_comparison(experiments, "table2", Path("results/table2"))
    assert [figure.value for figure in figures if (figure.source, figure.metric) == ("ours", "time_s")] == [3.0]


@pytest.mark.parametrize("case", ["code", "settings", "videos", "networks", "window", "method", "weights"])
def test_a_foreign_artefact_is_named_and_nothing_is_written(experiments: Experiments, case: str) -> None:
    paths = write_rows(experiments, "table8")
    config = experiments.runs.configs["smoke-window-12"]
    foreign = paths[1]
    place = Paths.of(config)
    sidecar = place.videos("commanded") / f"{CLIPS[0]}.json"
    if case == "code":
        write_scores(config, "commanded", code="other")
    elif case == "weights":
        write_scores(config, "commanded", weights="other")
    elif case == "settings":
        other = config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"bootstrap": 17})})
        write_scores(other, "commanded")
    elif case == "videos":  # scores of another run put in place
        foreign.write_bytes(paths[0].read_bytes())
    elif case == "method":
        tree = read_json(foreign)
        write_json(foreign, tree | {"method": "dawn"})
    else:
        weights = place.weights("lfg")
        weights.parent.mkdir(parents=True)
        weights.write_text("weights")
        made: dict[str, Any] = {"weights": {"lfg": sha256_file(weights)}, "window": config.generate.window}
        write_json(sidecar, made)
        write_comparison(experiments, "table8", Path("results/right"))
        write_json(sidecar, made | ({"weights": {"lfg": "0"}} if case == "networks" else {"window": 6}))
        foreign = sidecar
    with pytest.raises(InputError) as caught:
        write_comparison(experiments, "table8", Path("results/table8"))
    assert str(foreign) in str(caught.value)
    assert not list(Path("results").glob("table8*"))


def test_a_sweep_is_a_table_with_its_keys_and_a_plot(experiments: Experiments) -> None:
    write_rows(experiments, "window", lambda k: float(k))
    write_sweep(experiments.runs, experiments.rows("window"), Path("results/sweeps/window"))
    with open("results/sweeps/window.csv", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["metric"] == "fvd16"]
    assert [(row["name"], row["run"], row["generate.window"], float(row["value"])) for row in rows] == [
        ("6", "smoke-window-6", "6", 0), ("12", "smoke-window-12", "12", 1), ("24", "smoke", "24", 2),
        ("60", "smoke-window-60", "60", 3), ("none", "smoke-window-none", "none", 4),
    ]  # fmt: skip
    nested = json.loads(Path("results/sweeps/window.json").read_text())
    assert nested["none"]["changes"] == {"generate.window": None} and nested["12"]["metrics"]["fvd16"] == 1
    assert Path("results/sweeps/window.png").read_bytes().startswith(b"\x89PNG")
    assert "true pose and blink" in Path("results/sweeps/window.md").read_text()


def test_a_sweep_that_was_not_measured_says_what_is_missing(
    experiments: Experiments, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(REPOSITORY / "config/smoke.yaml")
    words = ["sweep", str(SWEEPS / "window.csv"), "--config", config, "--out", "results/sweeps/window"]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "results/smoke-window-6/scores/commanded/scores.json" in error and len(error.splitlines()) == 1


def test_claims_follow_the_numbers(experiments: Experiments, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stages made better than one alone, PBNet worse than none, windows all the same."""
    quality = {"smoke-curriculum-stage1": 1.0, "smoke-curriculum-stage2": 1.0, "smoke-no-pbnet": 0.0}
    generator = np.random.default_rng(0)
    true = {name: generator.normal(size=(6, 3)).astype(np.float32) for name in CLIPS}
    noise = {name: 0.01 * generator.normal(size=(6, 3)).astype(np.float32) for name in CLIPS}
    seen: dict[Path, dict[str, NDArray[np.float32]]] = {}
    for table in ("table2", "table3", "table4", "table5", "table7", "table8"):
        write_rows(experiments, table)
        for row in experiments.rows(table):
            config = experiments.runs.configs[row.run]
            shift = np.float32(quality.get(row.run, 0.5))
            paths = Paths.of(config)
            seen.setdefault(paths.clips, true)
            seen[paths.videos(row.method)] = {name: true[name] + shift + noise[name] for name in CLIPS}
            lines = ["clip,csim_dlib,lse_c_own,lse_d_own"]
            for k, name in enumerate(CLIPS):
                lines.append(f"{name},{0.9 + 0.01 * k},{5 - shift + 0.1 * k},{8 + shift + 0.1 * k}")
            (paths.scores(row.method) / "clips.csv").write_text("\n".join(lines) + "\n")

    class Extractors:
        """In place of networks and cache: the features above."""

        def __init__(self, *_: Any) -> None:
            pass

        def extract(self, videos: list[Path]) -> list[VideoFeatures]:
            specs = [get_metric(key).fake[0].name for key in ("fvd16", "fvd32", "fd_efficientnet")]
            return [
                VideoFeatures("", {name: {"rows": seen[video.parent][video.stem]} for name in specs})
                for video in videos
            ]

    monkeypatch.setattr("eval.studies.run_scores.RunExtractors", Extractors)
    monkeypatch.setattr("eval.studies.resampled.video_path", lambda folder, name: folder / f"{name}.mp4")
    tests = write_claims(experiments, [], Path("results/claims"), FeatureCache(Path("cache")))
    found = {(test.says, test.metric): test.verdict for test in tests}
    assert found["Two stages beat stage 2 alone", "fvd16"] == "supported"
    assert found["Two stages beat stage 1 alone, but for single frames", "lse_d_own"] == "supported"
    assert found["Stage 1 alone makes the best single frames", "fd_efficientnet"] == "contradicted"
    assert found["PBNet improves every metric", "fvd32"] == "contradicted"
    assert found["PBNet improves every metric", "lse_c_own"] == "contradicted"
    assert found["... and none", "fvd16"] == found["... and none", "lse_c_own"] == "cannot tell"
    assert found["Quality is stable from the shortest to the longest inference", "fvd16"] == "supported"
    assert found["Higher resolution keeps identity", "csim_dlib"] == "supported"
    steady = "Degradation of non-autoregressive generation does not rise with length"
    assert found[steady, "dr25_efficientnet"] == "supported"  # the same videos in both rows: no spread at all
    assert found[steady, "dr50_efficientnet"] == "cannot tell"  # clips of 30 frames
    rated = next(test for test in tests if (test.says, test.metric) == (steady, "dr25_efficientnet"))
    assert rated.difference == rated.low == rated.high == 0 and rated.why.startswith("distance ")
    text = Path("results/claims.md").read_text()
    assert "## Two stages beat stage 2 alone (4.5, Table 4): supported" in text
    assert "## PBNet improves every metric (4.5, Table 4): contradicted" in text
    assert "None of them was measured here." in text and "No ratings are given" in text
    assert len(json.loads(Path("results/claims.json").read_text())) == len(tests)


def test_one_verdict_of_many() -> None:
    supported, contradicted, unknown = VERDICTS
    assert overall([supported, supported]) == supported
    assert overall([contradicted, unknown]) == contradicted
    assert overall([supported, unknown]) == overall([supported, contradicted]) == unknown
