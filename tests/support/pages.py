"""Parts of a documentation page: fenced blocks, and the tables of quantities and their values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.repository import REPOSITORY

DOCS = REPOSITORY / "docs"
_FENCE = re.compile(r"^```(?P<language>[\w-]*)(?P<attributes>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its title (empty for none) and its lines."""

    language: str
    title: str
    text: str


@dataclass(frozen=True)
class Page:
    """One page by its path below docs/."""

    path: Path
    text: str = field(repr=False)

    @classmethod
    def read(cls, name: str) -> Page:
        """The page docs/`name`."""
        path = DOCS / name
        return cls(path, path.read_text(encoding="utf-8"))

    def blocks(self, language: str | None = None) -> list[Block]:
        """Fenced blocks in order; of one language only, if given."""
        found = []
        for match in _FENCE.finditer(self.text):
            title = _TITLE.search(match["attributes"])
            found.append(Block(match["language"], title[1] if title else "", match["text"]))
        return [block for block in found if language in (None, block.language)]

    def data(self) -> dict[str, Any]:
        """Names that the page's Python blocks define, executed in order in one namespace."""
        names: dict[str, Any] = {}
        for block in self.blocks("python"):
            exec(compile(block.text, str(self.path), "exec"), names)
        return names

    def values(self) -> dict[str, list[Printed]]:
        """Rows of the tables headed ``quantity``: name of the quantity, without code marks -> its printed numbers."""
        rows: dict[str, list[Printed]] = {}
        inside = False
        for line in self.text.splitlines():
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if line.startswith("| quantity |"):
                inside = True
            elif not line.startswith("|"):
                inside = False
            elif inside and not set(cells[0]) <= set("-: "):
                name = cells[0].replace("`", "")
                assert name not in rows, f"{self.path}: two rows {name!r}"
                rows[name] = [Printed(number) for number in cells[1].replace(",", " ").split()]
        return rows


@dataclass(frozen=True)
class Printed:
    """A number as a page prints it."""

    text: str

    @property
    def value(self) -> float:
        """The number."""
        return float(self.text)

    @property
    def rounding(self) -> float:
        """Half a unit of the last printed digit."""
        mantissa, _, exponent = self.text.lower().partition("e")
        decimals = len(mantissa.partition(".")[2])
        return 0.5 * 10.0 ** (int(exponent or 0) - decimals) * (1 + 1e-9)


def metric_page(name: str) -> tuple[dict[str, Any], dict[str, list[Printed]]]:
    """Example data and printed values of the metric page `name`."""
    page = Page.read(f"reference/metrics/{name}.md")
    return page.data(), page.values()


def assert_printed(printed: list[Printed], numbers: Any, slack: float = 1.0) -> None:
    """`numbers` (one or several) round to what the page prints; `slack` times half a unit is allowed."""
    given = [float(number) for number in (numbers if hasattr(numbers, "__len__") else [numbers])]
    assert len(printed) == len(given)
    for shown, number in zip(printed, given, strict=True):
        assert number == pytest.approx(shown.value, abs=slack * shown.rounding, rel=0), shown.text
