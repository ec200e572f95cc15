"""The page of a run: scores with ranks, further results, links to videos; text is escaped, pictures are embedded."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from dawn import config as settings
from dawn.errors import InputError
from dawn.media.json_files import write_json
from eval.report.page import write_page
from eval.report.tables import TableCell

CONFIG = settings.parse({"name": "run1"})
CELLS = [
    TableCell("demo", "dawn", "ours", "fvd16", 200.0, 150.0, 260.0, 8, "i3d"),
    TableCell("demo", "a<b", "ours", "fvd16", 300.0, 250.0, 360.0, 8, "i3d"),
]


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    for method in ("real", "dawn"):
        (tmp_path / method).mkdir()
        (tmp_path / method / "c&1.mp4").touch()
    Image.new("RGB", (4, 4)).save(tmp_path / "figure4.png")
    return {"real": tmp_path / "real", "dawn": tmp_path / "dawn"}


def page_of(
    folders: dict[str, Path],
    picture: Path | None = None,
    more: tuple[Path, ...] = (),
    quality: tuple[Path, ...] = (),
) -> str:
    out = folders["real"].parent / "results" / "index.html"
    write_page(CONFIG, CELLS, ["c&1"], folders["real"], {"dawn": folders["dawn"]}, out, picture, more, quality)
    return out.read_text(encoding="utf-8")


def test_scores_have_ranks_and_intervals(folders: dict[str, Path]) -> None:
    page = page_of(folders)
    assert "<td><b>200.0</b><small>[150.0, 260.0]</small></td>" in page
    assert "<td><u>300.0</u><small>[250.0, 360.0]</small></td>" in page
    assert "<li>Bold: the best" in page
    assert '<tr class="main"><td>demo</td><td>DAWN</td>' in page


def test_names_are_escaped_and_videos_linked(folders: dict[str, Path]) -> None:
    page = page_of(folders)
    assert "Run “run1”" in page and "<td>a&lt;b</td>" in page and "a<b" not in page
    assert 'src="../real/c&amp;1.mp4"' in page and 'src="../dawn/c&amp;1.mp4"' in page
    assert "<h2>Samples</h2>" not in page


def test_further_results_have_sections_in_their_order(folders: dict[str, Path], tmp_path: Path) -> None:
    claims = [
        {"claim": "PBNet improves every metric", "section": "4.5, Table 4", "metric": metric, "verdict": verdict}
        for metric, verdict in (("fvd16", "supported"), ("lse_c_own", "cannot tell"))
    ]
    write_json(tmp_path / "claims.json", claims)
    page = page_of(folders, tmp_path / "figure4.png", (tmp_path / "claims.json", tmp_path / "figure4.png"))
    assert page.index("<h2>Samples</h2>") < page.index("<h2>The paper&#39;s claims</h2>") < page.index("<h2>Figure 4<")
    assert '<td>4.5, Table 4</td><td class="cannot tell">cannot tell</td>' in page
    assert page.count("data:image/png;base64,") == 2


@pytest.mark.parametrize("name", ["absent.png", "real"])
def test_only_pictures_are_embedded(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="not a picture"):
        page_of(folders, tmp_path / name)
    assert not (tmp_path / "results" / "index.html").exists()


def test_training_checks_of_runs_have_values_levels_and_marks(folders: dict[str, Path], tmp_path: Path) -> None:
    permuted = {"baseline": -0.04316, "baseline_is": "videos permuted among the clips"}
    sync = {"metric": "lse_d_own", "value": 11.875, "interval": [11.5, 12.2], "required": "lower", "passed": False}
    sync |= {"baseline": 11.86, "baseline_interval": [11.52, 12.21], "baseline_is": "other_speech"}
    silence = {"value": None, "baseline": None, "baseline_is": "<b>", "required": "at most 0.2", "passed": False}
    checks = {
        "yaw_correlation": permuted | {"value": 0.93759, "required": 0.6, "passed": True, "clips": [0.9]},
        "lip_sync": sync,
        "silence": silence | {"reason": "no clip"},
    }
    write_json(tmp_path / "one" / "quality.json", checks | {"clips": 3, "passed": False})
    write_json(tmp_path / "two" / "quality.json", {"yaw_correlation": checks["yaw_correlation"], "passed": True})
    page = page_of(folders, quality=(tmp_path / "one" / "quality.json", tmp_path / "two" / "quality.json"))
    assert '<caption>Run one: <span class="failed">✗ not passed (1 of 3 checks)</span></caption>' in page
    assert '<caption>Run two: <span class="passed">✓ passed (1 of 1 checks)</span></caption>' in page
    text = " ".join(page.split())
    yaw = '<th scope="row">yaw_correlation</th><td>0.938</td><td>-0.043<small>videos permuted among the clips</small>'
    assert f'{yaw}</td><td>at least 0.6</td> <td class="passed">✓ passed</td>' in text
    assert "lip_sync (lse_d_own)</th><td>11.9 [11.5, 12.2]</td><td>11.9 [11.5, 12.2]<small>DAWN, other speech<" in text
    assert '<td>-</td><td>-<small>&lt;b&gt;</small></td><td>at most 0.2</td> <td class="failed">✗ not passed' in text
    assert "<small>no clip</small>" in text
    assert "Training checks" not in page_of(folders)


@pytest.mark.parametrize("content", [[], {"passed": True, "yaw": {"value": 1.0}}, {"clips": 3}])
def test_another_file_than_training_checks_is_refused(
    folders: dict[str, Path], tmp_path: Path, content: object
) -> None:
    write_json(tmp_path / "quality.json", content)
    with pytest.raises(InputError, match=r"quality\.json: not a report of 'dawn-eval quality'"):
        page_of(folders, quality=(tmp_path / "quality.json",))
