"""Journal of preparation: one outcome per clip, so that an interrupted or repeated run skips finished clips."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from dawn.media.files import atomic_path, sha256_file

Outcome = dict[str, str]  # {"sha256": hash of the clip's file} or {"reason": why it has none}


class JsonLines:
    """File of JSON lines: a header, then `rows`, appended one at a time.

    A file with another header counts as empty, and is overwritten once a row is added. An incomplete last line, left by
    a kill, is ignored.
    """

    def __init__(self, path: Path, header: dict[str, str]) -> None:
        self._path, self._header, self._started = path, header, False
        first, *rows = _whole_lines(path) or [None]
        self.rows: list[Any] = rows if first == header else []

    def add(self, row: Any) -> None:
        """Append one row."""
        if not self._started:
            self.write([*self.rows, row])
            return
        self.rows.append(row)
        with open(self._path, "a", encoding="utf-8") as stream:
            stream.write(_line(row))

    def write(self, rows: list[Any]) -> None:
        """Replace all rows."""
        with atomic_path(self._path) as aside:
            aside.write_text("".join(map(_line, (self._header, *rows))), encoding="utf-8")
        self.rows, self._started = rows, True


class Journal:
    """Outcomes by clip, in the file `path`.

    `fingerprint` covers settings and code: a journal of another fingerprint counts as empty. An outcome is valid only
    while the clip's `source` hash is the same, and its file (`target(clip)`) has the recorded hash. Files in the
    journals of `other_shards` count too: another number of shards moves clips from shard to shard.
    """

    def __init__(
        self, path: Path, fingerprint: str, target: Callable[[str], Path], other_shards: Iterable[Path] = ()
    ) -> None:
        self._target = target
        header = {"fingerprint": fingerprint}
        self._lines = JsonLines(path, header)
        others = [row for other in other_shards if other != path for row in JsonLines(other, header).rows]
        rows = [row for row in others if "sha256" in row] + self._lines.rows
        self._rows = {(row["clip"], row["source"]): row for row in rows}

    def outcome(self, clip: str, source: str) -> Outcome | None:
        """Return the recorded outcome of `clip` if it is still valid, else None."""
        row = self._rows.get((clip, source))
        if row is None:
            return None
        if "reason" in row:
            return {"reason": row["reason"]}
        file = self._target(clip)
        return {"sha256": row["sha256"]} if file.is_file() and sha256_file(file) == row["sha256"] else None

    def add(self, clip: str, source: str, outcome: Outcome) -> None:
        """Record one more outcome."""
        self._lines.add({"clip": clip, "source": source, **outcome})

    def finish(self, outcomes: Iterable[tuple[str, str, Outcome]]) -> None:
        """Rewrite the journal with the files of a finished shard's `outcomes` (clip, source, outcome), without rejects.

        A new run thus retries rejects. Files that this shard wrote earlier and that now belong to another shard stay
        recorded.
        """
        rows = [{"clip": clip, "source": source, **outcome} for clip, source, outcome in outcomes]
        current = {row["clip"] for row in rows}
        rows += [row for row in self._lines.rows if row["clip"] not in current and self._target(row["clip"]).is_file()]
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
