"""Journal of preparation: one outcome per clip, so that an interrupted or repeated run skips finished clips."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator
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
        self.rows: list[Any] = list(_rows(path, header))

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
    journals that `other_shards` lists count too, since another number of shards moves clips from shard to shard; these
    are read only if a file exists that this journal lacks.
    """

    def __init__(
        self,
        path: Path,
        fingerprint: str,
        target: Callable[[str], Path],
        other_shards: Callable[[], Iterable[Path]] = tuple,
    ) -> None:
        self._path, self._target, self._other_shards = path, target, other_shards
        self._header = {"fingerprint": fingerprint}
        self._lines = JsonLines(path, self._header)
        self._own = {(row["clip"], row["source"]): row for row in self._lines.rows}

    def outcome(self, clip: str, source: str) -> Outcome | None:
        """Return the recorded outcome of `clip` if it is still valid, else None."""
        row = self._own.get((clip, source))
        if row is not None and "reason" in row:
            return {"reason": row["reason"]}
        file = self._target(clip)
        if not file.is_file():
            return None
        recorded = self._others.get((clip, source)) if row is None else row["sha256"]
        return {"sha256": recorded} if recorded is not None and sha256_file(file) == recorded else None

    @functools.cached_property
    def _others(self) -> dict[tuple[str, str], str]:
        """Hashes of the files in the journals of other shards, by clip and source."""
        paths = [path for path in self._other_shards() if path != self._path]
        rows = (row for path in paths for row in _rows(path, self._header))
        return {(row["clip"], row["source"]): row["sha256"] for row in rows if "sha256" in row}

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


def _rows(path: Path, header: dict[str, str]) -> Iterator[Any]:
    """Read the whole rows of a file, up to the first that is damaged; none if it is missing or has another header."""
    if not path.is_file():
        return
    with open(path, encoding="utf-8", errors="replace") as stream:
        lines = (line for line in stream if line.endswith("\n"))
        try:
            if json.loads(next(lines, "null")) != header:
                return
            for line in lines:
                yield json.loads(line)
        except ValueError:
            return
