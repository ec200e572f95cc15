"""What was done so far, a line a clip: what was killed goes on, and what runs again makes only what is new."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from dawn.media.files import atomic_path, sha256_file

Made = dict[str, str]  # {"sha256": of the clip's file} or {"reason": why it has none}


class Lines:
    """`rows` of JSON under a head in a file, one appended at a time.

    A file with another head counts as empty, and is lost once a row is added; so is a line that a kill cut short.
    """

    def __init__(self, path: Path, head: dict[str, str]) -> None:
        self._path, self._head, self._begun = path, head, False
        first, *rows = _whole_lines(path) or [None]
        self.rows: list[Any] = rows if first == head else []

    def add(self, row: Any) -> None:
        """Put one more row on the disk."""
        if not self._begun:
            self.write([*self.rows, row])
            return
        self.rows.append(row)
        with open(self._path, "a", encoding="utf-8") as stream:
            stream.write(_line(row))

    def write(self, rows: list[Any]) -> None:
        """Put `rows` in the place of all."""
        with atomic_path(self._path) as aside:
            aside.write_text("".join(map(_line, (self._head, *rows))), encoding="utf-8")
        self.rows, self._begun = rows, True


class Journal:
    """Outcomes by clip in the file `path`, as they come.

    `cause` is a digest of settings and code: lines of another one are forgotten. A line also counts only as long as
    the clip's `source` digest is the same, and its file (`target(clip)`) is there with the bytes that were made. What
    the journals `beside` say of files counts too: one more clip moves others from shard to shard.
    """

    def __init__(self, path: Path, cause: str, target: Callable[[str], Path], beside: Iterable[Path] = ()) -> None:
        self._target = target
        self._lines = Lines(path, {"cause": cause})
        others = [row for other in beside if other != path for row in Lines(other, {"cause": cause}).rows]
        rows = [row for row in others if "sha256" in row] + self._lines.rows
        self._known = {(row["clip"], row["source"]): row for row in rows}

    def known(self, clip: str, source: str) -> Made | None:
        """What was made of `clip`, if that still holds."""
        row = self._known.get((clip, source))
        if row is None:
            return None
        if "reason" in row:
            return {"reason": row["reason"]}
        file = self._target(clip)
        return {"sha256": row["sha256"]} if file.is_file() and sha256_file(file) == row["sha256"] else None

    def add(self, clip: str, source: str, made: Made) -> None:
        """Keep one more outcome."""
        self._lines.add({"clip": clip, "source": source, **made})

    def settle(self, outcomes: Iterable[tuple[str, str, Made]]) -> None:
        """The shard is done: keep what its `outcomes` (clip, source, made) made. Rejects are tried if it runs again.

        Files that it made before, and that are another shard's now, stay on record.
        """
        rows = [{"clip": clip, "source": source, **made} for clip, source, made in outcomes]
        now = {row["clip"] for row in rows}
        rows += [row for row in self._lines.rows if row["clip"] not in now and self._target(row["clip"]).is_file()]
        self._lines.write([row for row in rows if "sha256" in row])


def _line(row: Any) -> str:
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
