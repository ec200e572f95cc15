"""Mean opinion scores of a user study (paper, Table 6): mean of ratings from 1 to 5 for each method and question.

The confidence interval is a bootstrap clustered by rater and by video: raters and videos are both resampled, each with
all its scores, because scores of one rater, and of one video, are correlated. Scores are not computed from videos:
``dawn-eval opinion`` and Table 6 read them from a CSV file of ratings.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from dawn.errors import InputError
from dawn.media.csv_files import write_rows
from eval.metrics.registry import Metric
from eval.stats import bootstrap

LOWEST, HIGHEST = 1.0, 5.0
_COLUMNS = ("rater", "video", "method", "question", "score")


@dataclass(frozen=True)
class Rating:
    """Score of one rater for one method's video and one question, from 1 (bad) to 5 (excellent)."""

    rater: str
    video: str
    method: str
    question: str
    score: float


@dataclass(frozen=True)
class Opinion:
    """Mean score of one method for one question with its interval, and numbers of scores, raters and videos.

    The interval is NaN for a single rater or video.
    """

    method: str
    question: str
    mean: float
    low: float
    high: float
    scores: int
    raters: int
    videos: int


def read_ratings(path: Path) -> list[Rating]:
    """Read ratings from a CSV file with the columns rater, video, method, question, score.

    Raises InputError with the line for a missing or empty cell, a score outside 1 to 5, or a duplicate.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"{path}: no column {', '.join(missing)}; needed are {', '.join(_COLUMNS)}")
            ratings = [_rating(row, f"{path}, line {reader.line_num}") for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error})") from None
    if not ratings:
        raise InputError(f"{path}: contains no ratings")
    (what, times), *_ = Counter((r.rater, r.video, r.method, r.question) for r in ratings).most_common(1)
    if times > 1:
        raise InputError(f"{path}: {times} scores of {' / '.join(what)}; keep one")
    return ratings


def opinions(
    ratings: Sequence[Rating], *, resamples: int = 2000, seed: int = 0, coverage: float = 0.95
) -> list[Opinion]:
    """Compute the mean opinion score of each method and question, in order of appearance; all share the same resamples.

    Raises InputError without ratings.
    """
    raters = {name: k for k, name in enumerate(dict.fromkeys(r.rater for r in ratings))}
    videos = {name: k for k, name in enumerate(dict.fromkeys(r.video for r in ratings))}
    if not ratings:
        raise InputError("there are no ratings")
    drawn_raters = bootstrap.draws(len(raters), resamples, seed)
    drawn_videos = bootstrap.draws(len(videos), resamples, seed + 1)
    found = []
    for method, question in dict.fromkeys((r.method, r.question) for r in ratings):
        selected = [r for r in ratings if (r.method, r.question) == (method, question)]
        scores = np.asarray([r.score for r in selected])
        rater, video = np.asarray([(raters[r.rater], videos[r.video]) for r in selected]).T
        weights = drawn_raters[:, rater] * drawn_videos[:, video]
        total = weights.sum(axis=1)
        resampled = (weights @ scores)[total > 0] / total[total > 0]
        counts = len(set(rater.tolist())), len(set(video.tolist()))
        low, high = bootstrap.interval(resampled, coverage) if min(counts) > 1 else (math.nan, math.nan)
        found.append(Opinion(method, question, float(scores.mean()), low, high, len(selected), *counts))
    return found


def write_opinions(path: Path, found: Sequence[Opinion]) -> None:
    """Write a CSV table with one row for each method and question; undefined intervals are empty cells."""
    cells = (["" if isinstance(v, float) and math.isnan(v) else v for v in astuple(one)] for one in found)
    write_rows(path, [field.name for field in fields(Opinion)], cells)


def _rating(row: dict[str, str | None], where: str) -> Rating:
    cells = {column: (row[column] or "").strip() for column in _COLUMNS}
    empty = [column for column, cell in cells.items() if not cell]
    if empty:
        raise InputError(f"{where}: no {', '.join(empty)}")
    try:
        score = float(cells.pop("score"))
    except ValueError:
        score = math.nan
    if not LOWEST <= score <= HIGHEST:
        raise InputError(f"{where}: score {row['score']!r} is not a number from {LOWEST:g} to {HIGHEST:g}")
    return Rating(**cells, score=score)


def _question(name: str, title: str, note: str, order: int) -> Metric:
    return Metric(name=name, title=title, better="up", note=note, digits=2, backbone="people", order=order)


METRICS = (
    _question("l_sync", "L-Sync", "lips and sound, from 1 to 5", 160),
    _question("o_nat", "O-Nat", "overall naturalness, from 1 to 5", 161),
    _question("m_viv", "M-Viv", "vividness of head motion, from 1 to 5", 162),
    _question("v_qual", "V-Qual", "quality of the picture, from 1 to 5", 163),
)
