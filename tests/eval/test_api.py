"""The Python interface: its documented lines run, its names of metrics, and a light import."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import eval
from dawn.errors import InputError
from dawn.media.video_writer import write_video
from eval.studies.perturb import read_clip
from tests.support.real_clips import GRID
from tests.support.repository import REPOSITORY


def documented_lines() -> str:
    """The code block of the package's docstring, which README shows."""
    assert eval.__doc__ is not None
    block = re.search(r"::\n\n((?:    .*\n|\n)+)", eval.__doc__)
    assert block is not None
    return textwrap.dedent(block.group(1))


def test_the_documented_lines_run(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in GRID:
        clip = read_clip(real / "clips" / f"{name}.mpg")
        for folder, frames in (("real", clip.frames[:16]), ("generated", clip.frames[1:17])):
            write_video(tmp_path / folder / f"{name}.mp4", frames, audio=clip.audio[: 16 * 640])
    variables: dict[str, object] = {}
    exec(documented_lines(), variables)
    report = variables["report"]
    assert isinstance(report, eval.Report)
    shown = capsys.readouterr().out
    assert "fvd16" in shown and "csim_dlib" in shown and GRID[0] in shown
    assert list(report.metrics.index) == ["fvd16", "csim_dlib", "blink"]
    assert report.metrics.loc["fvd16", "value"] > 0 and report.metrics.loc["csim_dlib", "n"] == 2
    assert report.clips["csim_dlib"].mean() == pytest.approx(report.metrics.loc["csim_dlib", "value"])
    assert eval.Report.load("report").data == report.data
    written = pandas.read_csv(tmp_path / "report/report.csv", index_col="metric")
    assert written["value"].to_numpy() == pytest.approx(report.metrics["value"].to_numpy(np.float64))
    assert "2 pairs" in report.table()


def test_metrics_are_names_a_preset_or_the_default(tmp_path: Path) -> None:
    from eval.studies.evaluate import metric_names

    assert metric_names("offline")[0] == "fd_efficientnet"
    assert metric_names("fvd16") == ["fvd16"]
    assert set(metric_names(None)) > set(metric_names("paper"))
    with pytest.raises(InputError, match="no metric is called 'best'"):
        eval.evaluate(tmp_path, tmp_path, "best")
    assert eval.METRICS["fvd16"].better == "down"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"metrics": []}, "metrics: give at least one name"),
        ({"metrics": [eval.METRICS["blink"]]}, "metrics: give at least one name"),
        ({"coverage": 95}, "coverage: must be between 0 and 1, got 95"),
        ({"threads": 0}, "threads: must be at least 1, got 0"),
        ({"detect_side": -1}, "detect_side: must be at least 1, got -1"),
        ({"resamples": 0}, "resamples: must be at least 1, got 0"),
        ({"seed": 0.5}, "seed: must be an integer"),
        ({"shard": (2, 2)}, "shard: must be"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        eval.evaluate(tmp_path, tmp_path, **options)


def test_columns_have_one_type_with_and_without_values() -> None:
    data = {"metrics": {}, "not_computed": {"blink": "no face"}, "made": {"metrics": ["blink"]}}
    empty = eval.Report(data | {"clips": [{"clip": "a", "blink": None}]})
    found = {"metrics": {"blink": {"value": 0.5, "low": 0, "high": 1, "n": 3}}, "not_computed": {}}
    full = eval.Report(data | found | {"clips": [{"clip": "a", "blink": 0.5}]})
    for report in (empty, full):
        assert report.metrics["value"].dtype == report.clips["blink"].dtype == np.float64
        assert report.metrics["n"].dtype == pandas.Int64Dtype()


def test_importing_loads_no_heavy_library() -> None:
    code = (
        "import sys, eval; heavy = {'numpy', 'torch', 'pandas', 'pydantic'} & set(sys.modules);"
        "assert 'evaluate' in dir(eval) and eval.METRICS; sys.exit(' '.join(heavy) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
