"""Opening of media files for video.py and audio.py, with errors that name the file and the remedy."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer

from dawn.errors import InputError


@contextlib.contextmanager
def open_media(path: str | os.PathLike[str], expected: str) -> Iterator[InputContainer]:
    """Open a media file; any failure to open, demux or decode inside the block is raised as InputError.

    `expected` names the kind of file for the message ("a video", "a sound file").
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give {expected}")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; give {expected}")
    try:
        with av.open(str(path), mode="r", metadata_errors="replace") as container:
            yield container
    except InputError:
        raise
    except (av.error.FFmpegError, ValueError) as error:  # errors that PyAV itself raises are plain ValueErrors
        reason = " ".join((getattr(error, "strerror", None) or str(error)).split())
        raise InputError(f"{path}: damaged, or not {expected} ({reason})") from None


def start_time(container: InputContainer) -> float | None:
    """Return the start of the picture (of the sound, in a file without picture), seconds on the container's clock.

    Frame 0 and sample 0 are both at this time, so that picture and sound of one file are synchronous.
    """
    for stream in (*container.streams.video[:1], *container.streams.audio[:1]):
        if stream.start_time is not None and stream.time_base is not None:
            return float(stream.start_time * stream.time_base)
    return None
