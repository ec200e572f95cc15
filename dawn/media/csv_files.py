"""Tables of results as CSV files, all written in one way."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from dawn.media.files import atomic_path


def write_rows(out: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV file in UTF-8 with the columns `head`; None is an empty cell. Written aside and renamed."""
    with atomic_path(out) as aside, open(aside, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)
