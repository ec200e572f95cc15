"""The quality report: what is followed, what is not, and that it cannot be fooled by a constant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dawn.errors import InputError
from dawn.media.json_files import write_json
from eval.studies.learned import _apart, _psnr, correlation, followed, mouth_opening


def test_correlation_of_known_signals() -> None:
    t = np.linspace(0, 6, 50)
    assert correlation(np.sin(t), 3 * np.sin(t) + 7) == pytest.approx(1)
    assert correlation(np.sin(t), -np.sin(t)) == pytest.approx(-1)
    assert correlation(np.sin(t), np.ones(50)) == 0
    assert correlation(np.sin(t), np.sin(t)[:30]) == pytest.approx(1)


def test_mouth_opening_does_not_depend_on_size_or_place() -> None:
    landmarks = np.random.default_rng(0).random((4, 68, 2)).astype(np.float32)
    assert mouth_opening(landmarks * 3 + 10) == pytest.approx(mouth_opening(landmarks), rel=1e-4)
    landmarks[:, [61, 62, 63]] = landmarks[:, [67, 66, 65]]
    assert mouth_opening(landmarks) == pytest.approx(np.zeros(4))


def test_following_is_told_from_moving_alike() -> None:
    rng = np.random.default_rng(0)
    given = [rng.standard_normal(60) for _ in range(9)]
    report = followed(given, [g + 0.3 * rng.standard_normal(60) for g in given], 0.8)
    assert report["passed"]
    assert abs(report["baseline"]) < 0.2
    assert not followed(given, given[1:] + given[:1], 0.8)["passed"]


def test_intervals_must_be_apart() -> None:
    def scores(low: float, value: float, high: float) -> dict[str, object]:
        return {"metrics": {"fvd16": {"value": value, "low": low, "high": high}}}

    assert _apart("fvd16", scores(1, 2, 3), "still", scores(4, 5, 6))["passed"]
    assert not _apart("fvd16", scores(1, 2, 4.5), "still", scores(4, 5, 6))["passed"]
    with pytest.raises(InputError, match="lse_d_own was not measured"):
        _apart("lse_d_own", scores(1, 2, 3), "still", scores(4, 5, 6))


def test_psnr_must_exceed_the_copy_by_the_margin(tmp_path: Path) -> None:
    for made, passed in ((26.1, True), (25.9, False)):
        write_json(tmp_path / "r.json", {"lfg": made, "copy": 20.0})
        assert _psnr(tmp_path / "r.json")["passed"] is passed
