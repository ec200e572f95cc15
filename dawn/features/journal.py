"""What a shard has done so far, a line a clip, so that one that was killed goes on at the next clip."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dawn.media.files import atomic_path, sha256_file

Made = dict[str, str]  # {"sha256": of the clip's file} or {"reason": why it has none}


class Journal:
    """Outcomes by clip, appended to file `path` as they come.

    `cause` is a digest of settings and code: lines of another one are forgotten. A line also counts only as long as
    the clip's `source` digest is the same, and its file (`target(clip)`) is there with the bytes that were made.
    """

    def __init__(self, path: Path, cause: str, target: Callable[[str], Path]) -> None:
        self._path, self._target = path, target
        self._begun = False
        self._head = {"cause": cause}
        self._lines: dict[str, dict[str, str]] = {}
        head, *rows = _whole_lines(path) or [None]
        if head == self._head:
            self._lines = {row["clip"]: row for row in rows}

    def known(self, clip: str, source: str) -> Made | None:
        """What was made of `clip`, if that still holds."""
        row = self._lines.get(clip)
        if row is None or row["source"] != source:
            return None
        if "reason" in row:
            return {"reason": row["reason"]}
        file = self._target(clip)
        return {"sha256": row["sha256"]} if file.is_file() and sha256_file(file) == row["sha256"] else None

    def add(self, clip: str, source: str, made: Made) -> None:
        """Keep one more outcome."""
        if not self._begun:  # anew, without a line that a kill cut in the middle, or those of another cause
            with atomic_path(self._path) as aside:
                aside.write_text("".join(map(_line, (self._head, *self._lines.values()))), encoding="utf-8")
            self._begun = True
        with open(self._path, "a", encoding="utf-8") as stream:
            stream.write(_line({"clip": clip, "source": source, **made}))

    def remove(self) -> None:
        """Forget everything: the shard's report says it now."""
        self._path.unlink(missing_ok=True)


def _line(row: dict[str, str]) -> str:
    return json.dumps(row) + "\n"


def _whole_lines(path: Path) -> list[Any]:
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    rows = []
    for line in text.split("\n")[:-1]:
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows
