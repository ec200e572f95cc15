"""Decoding of videos, frame by frame."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from dawn.errors import InputError
from dawn.media.streams import open_media

Frame = NDArray[np.uint8]

# libswscale: bilinear, accurate rounding, full chroma. Its fast default is 1 to 1.5 levels too dark.
SCALER = 0x2 | 0x40000 | 0x2000
_SEEK = 24  # frames that are decoded rather than skipped, as seeking returns to the key frame before


@dataclass(frozen=True)
class VideoInfo:
    """Properties of a video, after rotation."""

    width: int
    height: int
    frames: int  # stored and shown: an edit list may leave out stored ones
    fps: float  # average
    seconds: float
    has_audio: bool


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """Determine size, length and frame rate of a video. Raises InputError when the file cannot be used as one."""
    with open_media(path, "a video") as container:
        stream = _video_stream(container, path)
        first = next(container.decode(stream), None)
        if first is None:
            raise InputError(f"{path}: contains no frames; give another video")
        height, width = _pixels(first).shape[:2]
    with open_media(path, "a video") as container:  # opened again: Flash video without an index cannot seek back
        stream = _video_stream(container, path)
        packets = [packet for packet in container.demux(stream) if packet.size and not packet.is_discard]
        stamps = sorted(p.pts * p.time_base for p in packets if p.pts is not None and p.time_base is not None)
        spacing = last = 1 / (stream.average_rate or Fraction(25))
        if len(stamps) == len(packets) > 1 and stamps[-1] > stamps[0]:
            spacing = Fraction(stamps[-1] - stamps[0]) / (len(stamps) - 1)
            last = Fraction(next(stamps[-1] - stamp for stamp in reversed(stamps) if stamp < stamps[-1]))
        sound = bool(container.streams.audio)
        seconds = (len(packets) - 1) * spacing + last  # the last frame lasts as long as the one before it
        return VideoInfo(width, height, len(packets), float(1 / spacing), float(seconds), sound)


def has_sound(path: str | os.PathLike[str]) -> bool:
    """Return whether a video has a sound track. Raises InputError when the file is missing, empty or damaged."""
    with open_media(path, "a video") as container:
        return bool(container.streams.audio)


def iter_frames(path: str | os.PathLike[str], fps: float | None = 25.0) -> Iterator[Frame]:
    """Decode the frames of a video, RGB uint8 (H, W, 3), rotated by its metadata.

    With `fps` the video is resampled to that rate, variable rates included: frame k is the stored frame whose time
    stamp is nearest to k / fps after the first. None gives the frames as stored. Raises InputError when the file is
    missing, is not a video or is damaged, at the latest when the damaged frame is reached.
    """
    with open_media(path, "a video") as container:
        stream = _video_stream(container, path)
        timed = _timed_frames(container, stream, path)
        if fps is None:
            for _, frame in timed:
                yield _pixels(frame)
            return
        step = 1 / Fraction(fps).limit_denominator(1001)
        count = 0
        current: tuple[Fraction, VideoFrame] | None = None
        spacing = 1 / (stream.average_rate or Fraction(25))
        for time, frame in timed:
            if current is not None:
                spacing = time - current[0]
                middle = (current[0] + time) / 2
                if count * step < middle:
                    pixels = _pixels(current[1])
                    while count * step < middle:
                        yield pixels.copy()
                        count += 1
            current = (time, frame)
        assert current is not None  # _timed_frames raises when there is none
        pixels = _pixels(current[1])
        # The last frame lasts as long as the one before it; the end is rounded to whole output frames.
        for _ in range(count, max(1, round((current[0] + spacing) / step))):
            yield pixels.copy()


def load_frames(path: str | os.PathLike[str]) -> Frame:
    """Decode all frames of a video at 25 fps, RGB uint8 (N, H, W, 3)."""
    return np.stack(list(iter_frames(path)))


def seek_frames(path: str | os.PathLike[str], indices: Sequence[int]) -> Frame:
    """Decode frames `indices` of a video with the constant rate of 25 fps, RGB uint8 (n, H, W, 3).

    They equal those of :func:`load_frames`, of which only the ones from the key frame before an index are decoded.
    Raises InputError when the file is missing, damaged or ends before a frame.
    """
    wanted = sorted(set(indices))
    found: dict[int, Frame] = {}
    with open_media(path, "a video") as container:
        stream = _video_stream(container, path)
        assert stream.time_base is not None
        origin = stream.start_time or 0
        spacing = 1 / (25 * stream.time_base)  # in units of the stream's clock
        position = 0  # of the next frame to be decoded
        frames = container.decode(stream)
        for index in wanted:
            if index - position > _SEEK:
                container.seek(origin + round(index * spacing), stream=stream)
                frames = container.decode(stream)
            for frame in frames:
                if frame.is_corrupt or frame.pts is None:
                    raise InputError(f"{path}: damaged near frame {index}; give an intact video")
                position = round((frame.pts - origin) / spacing) + 1
                if position > index:
                    break
            if position != index + 1:
                raise InputError(f"{path}: frame {index} cannot be read; give a whole video of 25 frames a second")
            found[index] = _pixels(frame)
    return np.stack([found[index] for index in indices])


def _video_stream(container: InputContainer, path: str | os.PathLike[str]) -> VideoStream:
    if not container.streams.video:
        raise InputError(f"{path}: contains no picture; give a video")
    return container.streams.video[0]


def _timed_frames(
    container: InputContainer, stream: VideoStream, path: str | os.PathLike[str]
) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Yield decoded frames with their time in seconds since the first, strictly increasing."""
    origin: Fraction | None = None
    last: Fraction | None = None
    spacing = 1 / (stream.average_rate or Fraction(25))
    for index, frame in enumerate(container.decode(stream)):
        if frame.is_corrupt:
            raise InputError(f"{path}: damaged at frame {index}; give an intact video")
        if frame.pts is not None and frame.time_base is not None:
            time = frame.pts * frame.time_base
        else:
            time = Fraction(0) if last is None else last + spacing
        if origin is None:
            origin = time
        if last is not None and time <= last:
            continue  # of two frames with the same time, the first is used
        last = time
        yield time - origin, frame
    if origin is None or last is None:
        raise InputError(f"{path}: contains no frames; give another video")
    # A truncated MP4 decodes without error up to its end; its header states the full length.
    if "mp4" in container.format.name and stream.duration is not None and stream.time_base is not None:
        seconds, readable = float(stream.duration * stream.time_base), float(last - origin + spacing)
        if seconds - readable > max(0.1, 2 * float(spacing)):
            raise InputError(f"{path}: truncated, {readable:.2f} of {seconds:.2f} s can be read; give the whole video")


def _pixels(frame: VideoFrame) -> Frame:
    """Convert a frame to RGB pixels, rotated as the file states, to the nearest right angle."""
    # frame.side_data would also state mirroring, but reading it corrupts memory for some frames (PyAV 18.1).
    pixels = np.rot90(frame.to_ndarray(format="rgb24", interpolation=SCALER), round(frame.rotation / 90))
    return np.ascontiguousarray(pixels, dtype=np.uint8)
