"""Table 1: our rows and the paper's, baselines, ranks and notes; scores of other provenance are refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from dawn import config as settings
from dawn.config import Config
from dawn.errors import InputError
from dawn.media.json_files import write_json
from eval.metrics.registry import METRICS
from eval.report.tables import TableCell, grouped, notes, ranking, read_table, write_table, write_table1
from tests.support import baselines
from tests.support.scores import write_scores
from tests.support.stand_ins import STAND_INS

CONFIG = settings.parse({"evaluate": {"bootstrap": 50}})
CLIP_MEANS = {"lse_c_own": 0.3, "lse_d_own": 2.5, "csim_dlib": 0.9, "bas": 0.2, "bas_null": 0.1, "blink_per_s": 0.6}
FVD = {"value": 268.81, "low": 200.0, "high": 330.0, "n": 3, "backbone": "i3d-kinetics400-logits", "samples": 6}


@pytest.fixture
def scored(tmp_path: Path) -> dict[str, Path]:
    """Folders of scores: the true videos have no distance to themselves."""
    values = {"gt": CLIP_MEANS} | {
        method: CLIP_MEANS | {"fd_efficientnet": 40.0, "fvd16": FVD, "fvd32": 900.0} for method in ("still", "dawn")
    }
    return {method: write_scores(tmp_path / method, CONFIG, method, values[method]) for method in values}


def test_table_1_has_our_rows_and_the_papers(scored: dict[str, Path], tmp_path: Path) -> None:
    cells = write_table1(CONFIG, scored, tmp_path / "table1")
    keys = [(cell.dataset, cell.method, cell.source, cell.metric, pytest.approx(cell.value)) for cell in cells]
    stored = read_table(tmp_path / "table1.csv")
    assert [(cell.dataset, cell.method, cell.source, cell.metric, cell.value) for cell in stored] == keys
    paper = [cell for cell in cells if cell.source == "paper"]
    assert {cell.dataset for cell in paper} == {"crema", "hdtf"}
    assert [c.value for c in paper if (c.dataset, c.method, c.metric) == ("hdtf", "dawn", "fvd16")] == [60.34]
    assert not {cell.metric for cell in paper} & {"csim_dlib", "lse_c_own", "lse_d_own", "fd_efficientnet"}
    assert not {cell.metric for cell in cells if cell.source == "ours"} & {"fid", "csim", "lse_c", "lse_d"}
    nested = json.loads((tmp_path / "table1.json").read_text())
    assert list(nested) == sorted(scored)
    assert isinstance(nested["dawn"]["fvd16"], float)
    markdown = (tmp_path / "table1.md").read_text()
    header, rule, *rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert "CSIM (dlib)" in header and "CSIM (ArcFace)" in header
    assert all(row.count("|") == header.count("|") == rule.count("|") for row in rows)
    assert "| demo | DAWN |" in markdown and "| hdtf (paper) | DAWN |" in markdown
    assert "| 158.85 |" in markdown and "| 0.032 |" in markdown  # the paper's values as printed
    assert "i3d-kinetics400-logits" in markdown
    ours = next(cell for cell in cells if (cell.method, cell.metric, cell.source) == ("dawn", "fvd16", "ours"))
    assert ours.samples == 6 and ours.bias is None
    latex = (tmp_path / "table1.tex").read_text()
    assert latex.count(r"\\") == 1 + len(rows)
    assert latex.startswith(r"\begin{tabular}") and r"\toprule" in latex


def test_table_1_states_the_expected_bias_of_few_samples(scored: dict[str, Path], tmp_path: Path) -> None:
    write_scores(scored["dawn"], CONFIG, "dawn", {"fvd16": FVD | {"bias": 101.26, "samples": 64}})
    write_table1(CONFIG, scored, tmp_path / "t")
    assert "FVD16: bias expected from 64 samples: DAWN 101.3 of 268.8." in (tmp_path / "t.md").read_text()
    with (tmp_path / "t.csv").open() as stream:
        rows = {(row["method"], row["metric"]): row for row in csv.DictReader(stream) if row["source"] == "ours"}
    assert (rows["dawn", "fvd16"]["samples"], rows["dawn", "fvd16"]["bias"]) == ("64", "101.26")


def test_notes_state_the_available_share_of_the_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "data" / CONFIG.corpus.name / "coverage.json"
    place.parent.mkdir(parents=True)
    sentence = f"Corpus {CONFIG.corpus.name}: 301 of 355 listed videos were available, 340 of 436 clips."
    for videos in (None, {"listed": 355, "had": 301}):
        write_json(place, {"clips": {"listed": 436, "had": 340}, "videos": videos})
        assert (sentence in notes(CONFIG, [])) == (videos is not None)


def test_table_1_can_show_one_data_set_of_the_paper(scored: dict[str, Path], tmp_path: Path) -> None:
    tree = CONFIG.model_dump()
    tree["evaluate"]["paper_dataset"] = "crema"
    tree["evaluate"]["metrics"] = ["fvd16", "bas"]
    cells = write_table1(settings.parse(tree), scored, tmp_path / "t")
    assert {cell.dataset for cell in cells if cell.source == "paper"} == {"crema"}
    assert {cell.metric for cell in cells if cell.source == "ours"} == {"fvd16", "bas", "bas_null"}


@pytest.mark.parametrize("key", ["settings", "clips", "real", "weights", "code"])
def test_scores_with_other_provenance_are_refused(scored: dict[str, Path], tmp_path: Path, key: str) -> None:
    write_scores(scored["dawn"], CONFIG, "dawn", CLIP_MEANS, **{key: "something else"})
    with pytest.raises(InputError, match=rf"dawn/scores\.json: {key} differ"):
        write_table1(CONFIG, scored, tmp_path / "t")
    assert not (tmp_path / "t.csv").exists()


def test_swapped_or_missing_scores_are_refused(scored: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="given as 'dawn'"):
        write_table1(CONFIG, {"dawn": scored["still"]}, tmp_path / "t")
    with pytest.raises(InputError):
        write_table1(CONFIG, {"dawn": tmp_path / "nowhere"}, tmp_path / "t")
    with pytest.raises(InputError, match="at least one"):
        write_table1(CONFIG, {}, tmp_path / "t")


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("clip,value\na,1\n")
    for name in ("clips.csv", "absent.csv"):
        with pytest.raises(InputError, match=f"{name}: not a table"):
            read_table(tmp_path / name)


def test_ranks_follow_the_direction_of_each_metric() -> None:
    """References are not ranked; BAS is best near the true videos, a degradation rate near zero."""
    values = {
        "gt": {"bas": 0.25},
        "still": {"fvd16": 1.0, "lse_c_own": 9.0},
        "dawn": {"fvd16": 20.0, "lse_c_own": 5.0, "bas": 0.125, "dr25_efficientnet": -0.1},
        "sar": {"fvd16": 30.0, "lse_c_own": 6.0, "bas": 0.0, "dr25_efficientnet": 0.05},
        "ar": {"fvd16": 20.0, "lse_c_own": 4.0, "bas": 0.5, "dr25_efficientnet": 0.2},
    }
    rows = {
        method: {metric: TableCell("demo", method, "ours", metric, value) for metric, value in row.items()}
        for method, row in values.items()
    }
    assert ranking(rows, list(METRICS.values())) == {
        ("dawn", "fvd16"): 1, ("ar", "fvd16"): 1,
        ("sar", "lse_c_own"): 1, ("dawn", "lse_c_own"): 2,
        ("dawn", "bas"): 1, ("sar", "bas"): 2, ("ar", "bas"): 2,
        ("sar", "dr25_efficientnet"): 1, ("dawn", "dr25_efficientnet"): 2,
    }  # fmt: skip


def _scores(folder: Path, method: str, config: Config, value: float) -> Path:
    entry = {"value": value, "low": value - 1, "high": value + 1, "n": 2, "backbone": "test"}
    return write_scores(folder, config, method, {"bas": entry} if method == "gt" else {"fvd16": entry, "bas": entry})


def test_a_baseline_adds_its_measured_row_and_no_other(tmp_path: Path) -> None:
    values = {"gt": 5, "still": 1, "wav2lip": 2, "sadtalker": 9, "hallo": 6, "dawn": 7}
    scores = {name: _scores(tmp_path / name, name, baselines.CONFIG, value) for name, value in values.items()}
    write_table1(baselines.CONFIG, scores, tmp_path / "with")
    without = {name: folder for name, folder in scores.items() if name != "sadtalker"}
    write_table1(baselines.CONFIG, without, tmp_path / "without")
    lines = (tmp_path / "with.csv").read_text().splitlines()
    gone = set(lines) - set((tmp_path / "without.csv").read_text().splitlines())
    assert (
        gone == {line for line in lines if line.startswith(f"{baselines.CONFIG.corpus.name},sadtalker,ours,")}
        and len(gone) == 2
    )
    papers = {cell.method for cell in read_table(tmp_path / "without.csv") if cell.source == "paper"}
    assert set(STAND_INS) <= papers
    text = (tmp_path / "with.md").read_text()
    rows = {
        line.split(" | ")[1]: line
        for line in text.splitlines()
        if line.startswith(f"| {baselines.CONFIG.corpus.name} |")
    }
    assert "**6.0** [5.0, 7.0]" in rows["Hallo"] and "<u>7.0</u> [6.0, 8.0]" in rows["DAWN"]
    assert not any("**" in rows[name] or "<u>" in rows[name] for name in ("Wav2Lip", "Still image", "True videos"))
    assert "- Wav2Lip: moves the lips" in text
    latex = (tmp_path / "with.tex").read_text()
    assert r"\textbf{6.0} {\scriptsize [5.0, 7.0]}" in latex and r"\underline{7.0}" in latex
    assert json.loads((tmp_path / "with.json").read_text()).keys() == scores.keys()
    legend = next(line for line in text.splitlines() if line.startswith("- Bold:"))
    assert legend.endswith("Not ranked: True videos; Still image; Wav2Lip.")
    assert latex.splitlines()[-1] == f"% {legend.removeprefix('- ')}"


def test_only_tables_with_marks_explain_them(tmp_path: Path) -> None:
    """Differences are not ranked, nor is a single row."""
    differences = [TableCell("", name, "difference", "fvd16", value) for name, value in (("a", 1.0), ("b", 2.0))]
    cells = [TableCell("demo", "dawn", "ours", "fvd16", 20.0), *differences]
    remarks = notes(baselines.CONFIG, cells)
    write_table(cells, remarks, tmp_path / "t")
    for suffix in ("md", "tex"):
        text = (tmp_path / f"t.{suffix}").read_text()
        assert not any(word in text for word in ("Bold", "**", "<u>", "textbf", "underline"))


def test_the_papers_rows_are_ranked_as_in_the_paper(tmp_path: Path) -> None:
    scores = {"gt": _scores(tmp_path / "gt", "gt", baselines.CONFIG, 1)}
    by_block = grouped(write_table1(baselines.CONFIG, scores, tmp_path / "t"))
    second = {
        ("crema", method, metric)
        for (method, metric), rank in ranking(by_block["paper", "crema"], list(METRICS.values())).items()
        if rank == 2
    } | {
        ("hdtf", method, metric)
        for (method, metric), rank in ranking(by_block["paper", "hdtf"], list(METRICS.values())).items()
        if rank == 2
    }
    printed = {
        ("crema", "sadtalker", "lse_c"),
        ("crema", "dawn", "blink_per_s"),
        ("hdtf", "hallo", "fid"),
        ("hdtf", "dawn", "fvd16"),
        ("hdtf", "hallo", "fvd32"),
        ("hdtf", "audio2head", "lse_c"),
        ("hdtf", "dawn", "lse_d"),
        ("hdtf", "sadtalker", "blink_per_s"),
    }
    assert printed <= second
    assert not any(method == "wav2lip" for _, method, _ in second)
