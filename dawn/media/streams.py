"""Opening media files, with errors that a person can act on; used by video.py and audio.py."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer

from dawn.errors import InputError


@contextlib.contextmanager
def open_media(path: str | os.PathLike[str], wanted: str) -> Iterator[InputContainer]:
    """The opened container; any failure to open, demux or decode inside the block becomes an InputError.

    `wanted` names what the caller needs, for the message ("a video", "a sound file").
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give {wanted}")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; give {wanted}")
    try:
        with av.open(str(path), mode="r", metadata_errors="replace") as container:
            yield container
    except InputError:
        raise
    except (av.error.FFmpegError, ValueError) as error:  # PyAV's own refusals are plain ValueErrors
        reason = " ".join((getattr(error, "strerror", None) or str(error)).split())
        raise InputError(f"{path}: damaged, or not {wanted} ({reason})") from None


def start_time(container: InputContainer) -> float | None:
    """Seconds on the container's clock at which its picture starts (its sound, in a file without picture).

    Frame 0 and sample 0 are both this moment, so that sound and picture read from one file stay together.
    """
    for stream in (*container.streams.video[:1], *container.streams.audio[:1]):
        if stream.start_time is not None and stream.time_base is not None:
            return float(stream.start_time * stream.time_base)
    return None
