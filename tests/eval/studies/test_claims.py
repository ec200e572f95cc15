"""The paper's claims, tested on written scores and features, and the page of their verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.comparisons import Experiments
from dawn.paths import Paths
from eval.extract.cache import FeatureCache
from eval.extract.features import VideoFeatures
from eval.metrics.registry import get_metric
from eval.report.claims import write_claims_page
from eval.studies.claims import evaluate_claims, write_claim_tests
from tests.support.scores import CLIPS, write_row_scores


def test_verdicts_of_claims_follow_the_scores(experiments: Experiments, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stages are better than one alone, PBNet is worse than none, and all windows are equal."""
    quality = {"smoke-curriculum-stage1": 1.0, "smoke-curriculum-stage2": 1.0, "smoke-no-pbnet": 0.0}
    generator = np.random.default_rng(0)
    true = {name: generator.normal(size=(6, 3)).astype(np.float32) for name in CLIPS}
    noise = {name: 0.01 * generator.normal(size=(6, 3)).astype(np.float32) for name in CLIPS}
    stored: dict[Path, dict[str, NDArray[np.float32]]] = {}
    for table in ("table2", "table3", "table4", "table5", "table7", "table8"):
        write_row_scores(experiments, table)
        for row in experiments.rows(table):
            config = experiments.runs.configs[row.run]
            shift = np.float32(quality.get(row.run, 0.5))
            paths = Paths.of(config)
            stored.setdefault(paths.clips, true)
            stored[paths.videos(row.method)] = {name: true[name] + shift + noise[name] for name in CLIPS}
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
                VideoFeatures("", {name: {"rows": stored[video.parent][video.stem]} for name in specs})
                for video in videos
            ]

    monkeypatch.setattr("eval.studies.run_scores.RunExtractors", Extractors)
    monkeypatch.setattr("eval.studies.resampled.video_path", lambda folder, name: folder / f"{name}.mp4")
    tests = evaluate_claims(experiments, [], FeatureCache(Path("cache")))
    found = {(test.claim, test.metric): test.verdict for test in tests}
    assert found["Two stages are better than stage 2 alone", "fvd16"] == "supported"
    assert found["Two stages are better than stage 1 alone, except for single frames", "lse_d_own"] == "supported"
    assert found["Stage 1 alone has the best single frames", "fd_efficientnet"] == "contradicted"
    assert found["PBNet improves every metric", "fvd32"] == "contradicted"
    assert found["PBNet improves every metric", "lse_c_own"] == "contradicted"
    none = "A window of twice the training clip is better than none"
    assert found[none, "fvd16"] == found[none, "lse_c_own"] == "cannot tell"
    assert found["Quality is stable from the shortest to the longest inference", "fvd16"] == "supported"
    assert found["Higher resolution preserves identity", "csim_dlib"] == "supported"
    steady = "Degradation of non-autoregressive generation does not increase with length"
    assert found[steady, "dr25_efficientnet"] == "supported"  # the same videos in both rows: no spread at all
    assert found[steady, "dr50_efficientnet"] == "cannot tell"  # clips of 30 frames
    rated = next(test for test in tests if (test.claim, test.metric) == (steady, "dr25_efficientnet"))
    assert rated.difference == rated.low == rated.high == 0 and rated.remark.startswith("distance ")
    write_claim_tests(tests, Path("results/claims.json"))
    write_claims_page(experiments.runs.base, Path("results/claims.json"), Path("results/claims.md"))
    text = Path("results/claims.md").read_text()
    assert "## Two stages are better than stage 2 alone (4.5, Table 4): supported" in text
    assert "## PBNet improves every metric (4.5, Table 4): contradicted" in text
    assert "None of these systems has scores here." in text and "There are no ratings" in text
    assert len(json.loads(Path("results/claims.json").read_text())) == len(tests)
