"""Mean opinion scores of a user study (paper, Table 6), with intervals for other raters and other videos.

Scores of one rater are alike, and so are those of one video: an interval that took every score for itself would be far
too narrow. Raters and videos are therefore both resampled, each with all its scores.
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
from eval.stats import bootstrap

LOWEST, HIGHEST = 1.0, 5.0
_COLUMNS = ("rater", "video", "method", "question", "score")


@dataclass(frozen=True)
class Rating:
    """What one rater gave one method's video for one question, from 1 (bad) to 5 (excellent)."""

    rater: str
    video: str
    method: str
    question: str
    score: float


@dataclass(frozen=True)
class Opinion:
    """Mean score of one method for one question, its interval, and what is behind it.

    The interval is NaN for a single rater or video: nothing can be said about others.
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
    """Ratings of a CSV file with the columns rater, video, method, question, score.

    Raises InputError with the line for a missing or empty cell, a score outside 1 to 5, or a second score for the same.
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
        raise InputError(f"{path}: holds no ratings")
    (what, times), *_ = Counter((r.rater, r.video, r.method, r.question) for r in ratings).most_common(1)
    if times > 1:
        raise InputError(f"{path}: {times} scores of {' / '.join(what)}; keep one")
    return ratings


def opinions(
    ratings: Sequence[Rating], *, resamples: int = 2000, seed: int = 0, coverage: float = 0.95
) -> list[Opinion]:
    """Every method and question in order of appearance; each resample draws the same raters and videos for all."""
    raters = {name: k for k, name in enumerate(dict.fromkeys(r.rater for r in ratings))}
    videos = {name: k for k, name in enumerate(dict.fromkeys(r.video for r in ratings))}
    if not ratings:
        raise InputError("there are no ratings")
    drawn_raters = bootstrap.draws(len(raters), resamples, seed)
    drawn_videos = bootstrap.draws(len(videos), resamples, seed + 1)
    found = []
    for method, question in dict.fromkeys((r.method, r.question) for r in ratings):
        own = [r for r in ratings if (r.method, r.question) == (method, question)]
        scores = np.asarray([r.score for r in own])
        by, of = np.asarray([raters[r.rater] for r in own]), np.asarray([videos[r.video] for r in own])
        weights = drawn_raters[:, by] * drawn_videos[:, of]
        total = weights.sum(axis=1)
        spread = (weights @ scores)[total > 0] / total[total > 0]
        counts = len(set(by.tolist())), len(set(of.tolist()))
        low, high = bootstrap.interval(spread, coverage) if min(counts) > 1 else (math.nan, math.nan)
        found.append(Opinion(method, question, float(scores.mean()), low, high, len(own), *counts))
    return found


def write_opinions(path: Path, found: Sequence[Opinion]) -> None:
    """One row a method and question; an empty cell for an interval that is not known."""
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
        raise InputError(f"{where}: score {row['score']!r} is no number from {LOWEST:g} to {HIGHEST:g}")
    return Rating(**cells, score=score)
