"""Tables 2 to 8 from written scores: our rows, the paper's rows, differences and remarks."""

from __future__ import annotations

import csv
import html
import json
from pathlib import Path

import pytest

from dawn.comparisons import Experiments, experiments_of
from dawn.config import Config
from dawn.media.json_files import write_json
from eval.report.page import write_page
from eval.report.paper_tables import write_comparison
from tests.support.repository import REPOSITORY
from tests.support.scores import write_row_scores

SWEEPS = REPOSITORY / "config/sweeps"


def test_a_table_has_our_rows_the_papers_and_their_difference(experiments: Experiments) -> None:
    write_row_scores(experiments, "table8", lambda k: 60.0 + k)
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
    assert "| hdtf (paper) | DAWN, window 80, true pose and blink |" in text and "ours minus the paper's" in text
    assert "+10.0" in text and "Window 24: DAWN, window 80" in text
    assert r"\underline{61.0}" in Path("results/table8.tex").read_text()
    assert json.loads(Path("results/table8.json").read_text())["No window"]["fvd16"] == 64


def test_every_table_can_be_written(experiments: Experiments) -> None:
    for table in ("table2", "table3", "table4", "table5", "table7"):
        write_row_scores(experiments, table)
        cells = write_comparison(experiments, table, Path("results") / table)
        assert {cell.source for cell in cells} >= {"ours", "paper"}, table
        page = Path("results/index.html")
        write_page(experiments.runs.base, cells, [], Path("real"), {}, page, more=[Path(f"results/{table}.csv")])
        shown = page.read_text(encoding="utf-8").partition(f"<h2>{table.replace('table', 'Table ')}</h2>")[2]
        assert all(f"<td>{html.escape(row.name)}</td>" in shown for row in experiments.rows(table)), table


def test_rows_measure_every_metric_that_their_tables_show(experiments: Experiments) -> None:
    for table in ("table2", "table3", "table4", "table5", "table7", "table8"):
        write_row_scores(experiments, table)
        shown = {
            cell.metric
            for cell in write_comparison(experiments, table, Path("results") / table)
            if cell.source == "ours"
        }
        assert all(shown <= set(row.metrics) for row in experiments.rows(table)), table
        if table in ("table3", "table5"):
            assert all(shown == set(row.metrics) for row in experiments.rows(table)), table


def test_table_7_states_further_differences_of_its_runs(experiments: Experiments) -> None:
    base = experiments.runs.base
    compare = base.compare.model_copy(
        update={"resolution_changes": {"lfg.start": "lfg.safetensors", "lfg.train.steps": 9}}
    )
    other = experiments_of(base.model_copy(update={"compare": compare}), SWEEPS)
    write_row_scores(other, "table7")
    write_comparison(other, "table7", Path("results/table7"))
    words = "Besides the resolution, runs other than smoke differ in lfg.start lfg.safetensors, lfg.train.steps 9."
    assert words in Path("results/table7.md").read_text()
    configs = [other.runs.configs[row.run] for row in other.rows("table7")]
    assert {(one.corpus.resolution, one.lfg.start, one.lfg.train.steps) for one in configs} == {
        (64, None, base.lfg.train.steps), (96, "lfg.safetensors", 9),
    }  # fmt: skip


def test_our_row_of_the_user_study_needs_ratings_and_the_papers_do_not(experiments: Experiments) -> None:
    cells = write_comparison(experiments, "table6", Path("results/table6"))
    assert {cell.source for cell in cells} == {"paper"} and len(cells) == 24
    Path("ratings.csv").write_text(
        "rater,video,method,question,score\na,1,dawn,l_sync,5\na,2,dawn,l_sync,4\nb,1,dawn,l_sync,4\nb,2,dawn,l_sync,3\n"
    )
    tree = experiments.runs.base.model_dump()
    rated = experiments_of(
        Config.model_validate(tree | {"compare": tree["compare"] | {"ratings": "ratings.csv"}}), SWEEPS
    )
    cells = write_comparison(rated, "table6", Path("results/table6"))
    (ours,) = (cell for cell in cells if cell.source == "ours")
    (less,) = (cell for cell in cells if cell.source == "difference")
    assert (ours.value, ours.n) == (4, 4) and less.value == pytest.approx(4 - 4.57)


def test_table_2_shows_the_generation_time(experiments: Experiments) -> None:
    write_row_scores(experiments, "table2")
    write_json(
        Path("results/smoke/timing.json"), {"methods": {"dawn": {"value": 3.0, "low": 2.0, "high": 4.0, "n": 5}}}
    )
    cells = write_comparison(experiments, "table2", Path("results/table2"))
    assert [cell.value for cell in cells if (cell.source, cell.metric) == ("ours", "time_s")] == [3.0]
