"""MP4 files whose edit list trims what a player shows, as phones and editors write them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path


def trim(source: Path, out: Path, start: float, seconds: float) -> None:
    """Copy an MP4 with an edit list of one entry a track; the copy shows `seconds` from second `start` on.

    Pictures and sound stay in the file: only the durations, and the starts of the edits, are others.
    """
    content = bytearray(source.read_bytes())
    [(header, _)] = _boxes(content, ["moov", "mvhd"])
    [clock] = struct.unpack_from(">I", content, header + 20)
    duration = struct.pack(">I", round(seconds * clock))
    content[header + 24 : header + 28] = duration
    for track in _boxes(content, ["moov", "trak"]):
        [(media, _)] = _boxes(content, ["mdia", "mdhd"], track)
        [(edit, _)] = _boxes(content, ["edts", "elst"], track)
        [(place, _)] = _boxes(content, ["tkhd"], track)
        [rate] = struct.unpack_from(">I", content, media + 20)
        entries, _, before = struct.unpack_from(">IIi", content, edit + 12)
        assert entries == 1
        content[edit + 16 : edit + 24] = duration + struct.pack(">i", before + round(start * rate))
        content[place + 28 : place + 32] = duration
    out.write_bytes(content)


def _boxes(content: bytearray, path: list[str], within: tuple[int, int] | None = None) -> Iterator[tuple[int, int]]:
    """Yield start and end of the boxes at `path` below the box `within`, or below the file."""
    start, stop = (0, len(content)) if within is None else (within[0] + 8, within[1])
    while start < stop:
        size, kind = struct.unpack_from(">I4s", content, start)
        box = (start, start + size)
        if kind.decode("latin-1") == path[0]:
            yield from [box] if len(path) == 1 else _boxes(content, path[1:], box)
        start += size
