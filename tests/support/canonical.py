"""Cases of the canonical metric implementations (``tests/golden/metrics/vectors.json``), by section.

The names of the cases come from the file itself, and a test of a case has to read each of its numbers, so that a
number that is added and covered by no test fails.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tests.support import golden

VECTORS: dict[str, Any] = json.loads((golden.FOLDER / "metrics" / "vectors.json").read_text(encoding="utf-8"))
# Keys that describe a case, and are no numbers to reproduce.
WORDS = {"name", "recipe", "note", "closed_form", "compare", "fps", "librosa"}


class Case(dict[str, Any]):
    """One case that remembers which of its values were read."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.used: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.used.add(key)
        return super().__getitem__(key)

    def unused(self) -> set[str]:
        """Keys of numbers that were not read."""
        return set(self) - self.used - WORDS


def _rows(section: str, rows: list[dict[str, Any]], *keys: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in rows:
        yield f"{section}/{' '.join(str(row[key]) for key in keys)}", row


def _cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every case of the file under a name that begins with its section; an unknown section is one case."""
    for section, value in VECTORS.items():
        if section == "meta" or isinstance(value, str):
            continue
        if isinstance(value, list):
            yield from _rows(section, value, "name")
        elif section == "degradation_rate":
            yield from _rows(section, value["rows"], "n")
            yield from ((f"{section}/formula {row['dr']}", row) for row in value["trivial"])
        elif section in ("lse", "face_tracks"):
            yield from _rows(section, value["rows"], "name")
        elif section == "lse_padding_effect":
            yield from _rows(section, value["rows"], "T")
        elif section == "bas":
            yield from _rows(section, value["rows"], "name")
            yield from _rows(f"{section}/head_pose", value["head_pose"]["rows"], "seed", "gauss_sigma")
            yield f"{section}/joints24", value["joints24"]
            yield f"{section}/empty_motion_beats", {"error": value["empty_motion_beats"]}
        elif section == "blink":
            yield from _rows(section, value["rows"], "name")
            yield from ((f"{section}/{key}", found) for key, found in value.items() if key != "rows")
        elif section == "resize":
            yield from ((f"{section}/{key}", {"pixels": found}) for key, found in value.items() if key != "recipe")
        else:
            yield section, value


NAMES = [name for name, _ in _cases()]
CASES = dict(_cases())


def names(section: str) -> list[str]:
    """Names, ``SECTION/NAME``, of the cases of a section of the file."""
    return [name for name in CASES if name.partition("/")[0] == section]


@contextmanager
def case(name: str) -> Iterator[tuple[str, Case]]:
    """The name of a case within its section, and the case, each number of which has to be read inside the block."""
    values = Case(CASES[name])
    yield name.partition("/")[2], values
    assert not values.unused(), f"no test reads {sorted(values.unused())} of {name}"


def normal(seed: int, *shape: int) -> np.ndarray:
    """Normal numbers of NumPy's legacy generator, which the canonical inputs are drawn with."""
    return np.random.RandomState(seed).randn(*shape)
