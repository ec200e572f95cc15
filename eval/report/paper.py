"""Values printed in the paper's Tables 1 to 8 (``paper.csv``)."""

from __future__ import annotations

from pathlib import Path

from dawn.media.csv_files import read_rows

READS = ("paper.csv",)


def paper_rows(table: str) -> list[dict[str, str]]:
    """Read the paper's values of a table, such as ``table2``: rows with dataset, method, condition, metric and
    value."""
    return [row for row in read_rows(Path(__file__).with_name(READS[0])) if row["table"] == table]
