"""The registry of metrics: what each declares, and a new metric that is found everywhere from one file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dawn.config import DEFAULT_METRICS
from dawn.errors import InputError
from dawn.media.video_writer import write_video
from eval.backbones.syncnet import SyncNet
from eval.metrics.registry import METRICS, Metric, computed, discover, get_metric, of_preset, presets
from eval.report.paper import paper_rows
from tests.support import canonical, programs
from tests.support.repository import REPOSITORY, copy_repository

# A metric in one file: a feature, and its mean over clips.
PLUG_IN = '''
"""Mean brightness of a video: mean over frames and pixels of the red, green and blue values, 0 to 255."""

from __future__ import annotations

import numpy as np

from eval.extract.spec import Arrays, Extractor, ExtractorOptions, Features, FeatureSpec
from eval.extract.video import DecodedVideo
from eval.metrics.clip_set import mean_over_clips
from eval.metrics.registry import Metric


def _load(_: ExtractorOptions) -> Extractor:
    def levels(video: DecodedVideo, _: Features) -> Arrays:
        return {"rows": video.frames.mean(axis=(1, 2, 3))}

    return levels


def _brightness(features: Features) -> tuple[float, str]:
    return float(np.mean(features["brightness"]["rows"])), ""


SPEC = FeatureSpec("brightness", lambda _: {"channels": "mean of RGB"}, _load)
METRICS = (
    Metric(
        name="brightness",
        title="Brightness",
        better="near",
        note="mean level of the pixels, 0 to 255",
        protocol="mean over pixels, channels and frames",
        backbone="pixels",
        digits=1,
        real=(SPEC,),
        fake=(SPEC,),
        compute=mean_over_clips(_brightness),
        per_clip=True,
    ),
)
'''


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with the new metric's file, and two folders of videos."""
    root = tmp_path_factory.mktemp("checkout")
    copy_repository(root, without=("tests/", "docs/", "benchmarks/", "workflow/"))
    (root / "eval/metrics/brightness.py").write_text(PLUG_IN)
    audio = np.random.default_rng(0).normal(0, 0.1, 10 * 640).astype(np.float32)
    for side, level in (("real", 100), ("fake", 60)):
        for k in range(2):
            frames = [np.full((64, 64, 3), level + 10 * k, np.uint8)] * 10
            write_video(root / f"{side}/{k}.mp4", frames, audio=audio)
    return root


def run(checkout: Path, *commands: list[str]) -> str:
    """Standard output of ``dawn-eval`` commands in the copy."""
    environment, printed = programs.environment(checkout), ""
    for words in commands:
        done = subprocess.run(
            ["dawn-eval", *words], cwd=checkout, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        printed += done.stdout
    return printed


def test_a_new_metric_is_listed_and_reported(checkout: Path) -> None:
    measure = ["real", "fake", "--metrics", "brightness", "--out", "report", "--cache", "cache"]
    assert "brightness             Brightness: mean over pixels, channels and frames" in run(
        checkout, ["list"], measure
    )
    entry = json.loads((checkout / "report/report.json").read_text())["metrics"]["brightness"]
    assert entry["value"] == pytest.approx(65, abs=2) and entry["real"] == pytest.approx(105, abs=2)
    assert entry["parts"] == {"brightness": {"channels": "mean of RGB"}}


def test_a_new_metric_is_a_column_of_table_1(checkout: Path) -> None:
    """The configuration's list of columns names it, and nothing else has to be edited."""
    settings = {"metrics": ["fvd16", "brightness"], "bootstrap": 20, "threads": 1}
    (checkout / "run.json").write_text(json.dumps({"evaluate": settings | {"syncnet": {"side": 48, "width": 0.25}}}))
    torch.manual_seed(0)
    SyncNet(48, 0.25).save(checkout / "syncnet.safetensors")
    (checkout / "clips.txt").write_text("0\n1\n")
    common = ["--config", "run.json", "--real", "real", "--fake", "fake", "--clips", "clips.txt", "--cache", "cache"]
    scored = ["--syncnet", "syncnet.safetensors", "--metrics", "brightness"]
    scores = [["score", *common, *scored, "--method", name, "--out", f"scores/{name}"] for name in ("gt", "dawn")]
    folders = [f"{name}=scores/{name}" for name in ("gt", "dawn")]
    run(checkout, *scores, ["tables", "--config", "run.json", "--scores", *folders, "--out", "table1"])
    table = (checkout / "table1.md").read_text()
    assert "| Brightness |" in table.splitlines()[0]
    assert "Brightness: mean level of the pixels, 0 to 255 (pixels)." in table
    rows = json.loads((checkout / "table1.json").read_text())
    assert (rows["gt"]["brightness"], rows["dawn"]["brightness"]) == pytest.approx((105, 65), abs=2)


def test_every_metric_is_declared_completely() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name and metric.title and metric.tex and metric.note, name
        assert (metric.compute is None) == (not metric.specs), name
        if metric.compute is not None:
            assert metric.protocol and metric.backbone, name
        assert all(metric.parameters().values()) if metric.parameters() else True, name


@pytest.mark.parametrize("text", ["METRICS = (\n", "import a_package_that_is_absent\n"])
def test_a_module_that_cannot_be_imported_is_one_line(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import eval.metrics

    (tmp_path / "broken.py").write_text(text)
    monkeypatch.setattr(eval.metrics, "__path__", [*eval.metrics.__path__, str(tmp_path)])
    with pytest.raises(InputError, match=r"eval/metrics/broken.py: cannot be imported \((SyntaxError|ModuleNotFound)"):
        discover()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("METRIC = ()\n", "misspelt.py: defines no METRICS"),
        ("METRICS = ['fid']\n", "misspelt.py: METRICS is a list; define a tuple"),
        ("METRICS = ('fid',)\n", "misspelt.py: METRICS contains 'fid', which is not a Metric"),
    ],
)
def test_a_module_without_metrics_is_an_error(
    text: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import eval.metrics

    (tmp_path / "misspelt.py").write_text(text)
    monkeypatch.setattr(eval.metrics, "__path__", [*eval.metrics.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "eval.metrics.misspelt", raising=False)
    with pytest.raises(InputError, match=problem):
        discover()


def test_columns_of_the_papers_tables_and_of_the_workflow_are_metrics() -> None:
    for table in (f"table{k}" for k in range(1, 9)):
        assert all(get_metric(row["metric"]).column == row["metric"] for row in paper_rows(table)), table
    assert [metric.column for metric in computed(DEFAULT_METRICS)] == list(DEFAULT_METRICS)
    for name, preset in presets().items():
        assert preset["about"] and computed(of_preset(name)), name


def test_keys_are_names_or_columns_and_others_are_refused() -> None:
    assert get_metric("blink_per_s") is get_metric("blink") is METRICS["blink"]
    assert [metric.name for metric in computed(["blink", "fvd16", "blink_per_s"])] == ["blink", "fvd16"]
    with pytest.raises(InputError, match="no metric is called 'fad'; 'dawn-eval list' names them"):
        computed(["fvd16", "fad"])
    with pytest.raises(InputError, match="'time_s' is not computed from videos"):
        computed(["time_s"])
    with pytest.raises(InputError, match="no preset is called 'best'"):
        of_preset("best")


def test_two_metrics_cannot_share_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    from eval.metrics import kid

    monkeypatch.setattr(kid, "METRICS", (Metric("mine", "Mine", "up", column="blink_per_s"),))
    with pytest.raises(
        InputError, match=r"two metrics are called 'blink_per_s', in blink\.py and kid\.py of eval/metrics"
    ):
        discover()


def test_the_registry_needs_no_heavy_library() -> None:
    code = (
        "import sys; from eval.metrics.registry import METRICS; assert len(METRICS) > 40;"
        "heavy = {'torch', 'cv2', 'av', 'librosa', 'mediapipe', 'scipy', 'pydantic', 'pandas', 'dawn.config'};"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)


def test_presets_consist_of_metrics() -> None:
    for name, preset in presets().items():
        assert preset["about"] and preset["metrics"], name
        assert set(preset["metrics"]) <= set(METRICS)


def test_every_section_of_canonical_numbers_has_a_test() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests/eval").rglob("test_*.py")]
    tested = [section for text in texts for section in re.findall(r'canonical\.names\("(\w+)"\)', text)]
    assert len(canonical.NAMES) == len(canonical.CASES)
    assert sorted(tested) == sorted({name.partition("/")[0] for name in canonical.CASES})
