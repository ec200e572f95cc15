"""Mean opinion scores: clustered intervals, and ratings that are refused."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from dawn.errors import InputError
from eval.cli import main
from eval.metrics.opinion import Rating, opinions, read_ratings


def _study(raters: int, videos: int, seed: int, mean: float = 3.0) -> list[Rating]:
    """Raters and videos that differ more than the scores of one pair do."""
    rng = np.random.default_rng(seed)
    rater, video = rng.normal(0, 0.4, raters), rng.normal(0, 0.4, videos)
    return [
        Rating(str(i), str(j), "dawn", "lips", mean + rater[i] + video[j] + rng.normal(0, 0.1))
        for i in range(raters)
        for j in range(videos)
    ]


def test_intervals_have_their_stated_coverage() -> None:
    covered, narrow = 0, 0
    for seed in range(100):
        ratings = _study(23, 10, seed)
        (got,) = opinions(ratings, resamples=200, seed=seed)
        covered += got.low <= 3.0 <= got.high
        scores = np.asarray([rating.score for rating in ratings])
        narrow += abs(scores.mean() - 3) <= 1.96 * scores.std() / len(scores) ** 0.5
    assert covered >= 82
    assert narrow < 65  # taking every score for itself


def test_methods_are_separate_and_missing_scores_are_left_out() -> None:
    ratings = [*_study(4, 3, 0), Rating("0", "0", "gt", "lips", 5.0), Rating("1", "0", "gt", "lips", 4.0)]
    dawn, true = opinions(ratings, resamples=50)
    assert (dawn.method, dawn.scores, dawn.raters, dawn.videos) == ("dawn", 12, 4, 3)
    assert (true.mean, true.scores, true.raters, true.videos) == (4.5, 2, 2, 1)
    assert np.isnan([true.low, true.high]).all()  # one video says nothing about others


def test_the_command_writes_a_row_for_each_method(tmp_path: Path) -> None:
    lines = "rater,video,method,question,score\na,v,dawn,lips,4\nb,w,dawn,lips,2\na,v,gt,lips,5\n"
    (tmp_path / "ratings.csv").write_text(lines)
    assert main(["opinion", str(tmp_path / "ratings.csv"), "--out", str(tmp_path / "mos.csv")]) == 0
    with open(tmp_path / "mos.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["method"], row["mean"], row["low"]) for row in rows] == [("dawn", "3.0", "2.0"), ("gt", "5.0", "")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rater,video,method,score\n", "no column question"),
        ("rater,video,method,question,score\n", "no ratings"),
        ("rater,video,method,question,score\na,v,m,q,6\n", "line 2: score '6'"),
        ("rater,video,method,question,score\na,v,m,q,good\n", "score 'good'"),
        ("rater,video,method,question,score\na,,m,q,3\n", "line 2: no video"),
        ("rater,video,method,question,score\na,v,m,q,3\na,v,m,q,4\n", "2 scores of a / v / m / q"),
    ],
)
def test_bad_ratings_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_ratings(path)
    assert main(["opinion", str(path), "--out", str(tmp_path / "mos.csv")]) == 2
    assert not (tmp_path / "mos.csv").exists()
