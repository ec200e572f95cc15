"""Video in and out, frame by frame."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from dawn.errors import InputError
from dawn.media.files import atomic_path
from dawn.media.streams import open_media

Frame = NDArray[np.uint8]

# Keys that every MP4 player knows; others need QuickTime's free-key table.
_STANDARD_KEYS = {"title", "artist", "album", "comment", "copyright", "date", "description", "genre"}
# The bytes of x264 depend on its number of threads; and its macroblock tree reads beyond small frames (64 x 64), which
# made 10 runs give up to 10 different files.
_REPEATABLE = {"threads": "1", "x264-params": "mbtree=0"}
_BT709 = 1
_LIMITED_RANGE = 1
# libswscale: bilinear, accurate rounding, full chroma. Its fast default reads every colour 1 to 1.5 levels too dark.
_SCALER = 0x2 | 0x40000 | 0x2000


@dataclass(frozen=True)
class VideoInfo:
    """What a video holds, as shown (after rotation)."""

    width: int
    height: int
    frames: int  # stored pictures
    fps: float  # average
    seconds: float
    has_audio: bool


def probe(path: str | os.PathLike[str]) -> VideoInfo:
    """Size, length and frame rate of a video. Raises InputError when the file cannot be used as one."""
    with open_media(path, "a video") as container:
        stream = _video_stream(container, path)
        first = next(container.decode(stream), None)
        if first is None:
            raise InputError(f"{path}: holds no frames; give another video")
        height, width = _pixels(first).shape[:2]
    with open_media(path, "a video") as container:  # anew: Flash video without an index cannot be wound back
        stream = _video_stream(container, path)
        packets = [packet for packet in container.demux(stream) if packet.size]
        stamps = [p.pts * p.time_base for p in packets if p.pts is not None and p.time_base is not None]
        frames = max(stream.frames, len(packets))
        spacing = 1 / (stream.average_rate or Fraction(25))
        if len(stamps) == len(packets) > 1 and max(stamps) > min(stamps):
            spacing = Fraction(max(stamps) - min(stamps)) / (len(stamps) - 1)
        sound = bool(container.streams.audio)
        return VideoInfo(width, height, frames, float(1 / spacing), float(frames * spacing), sound)


def iter_frames(path: str | os.PathLike[str], fps: float | None = 25.0) -> Iterator[Frame]:
    """Frames RGB uint8 (H, W, 3) of a video, turned as its metadata says.

    With `fps` the video is sampled at that rate, variable rates included: frame k is the stored frame whose time stamp
    is nearest to k / fps after the first. None gives the frames as stored. Raises InputError when the file is missing,
    is not a video or is damaged, at the latest when the damaged place is reached.
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
    """All frames of a video at 25 fps, RGB uint8 (N, H, W, 3)."""
    return np.stack(list(iter_frames(path)))


def write_video(
    path: str | os.PathLike[str],
    frames: Iterable[Frame],
    *,
    fps: float = 25,
    audio: NDArray[np.float32] | None = None,
    sample_rate: int = 16000,
    metadata: dict[str, str] | None = None,
    crf: int = 12,
) -> None:
    """Write frames RGB uint8 (H, W, 3), H and W even, as MP4 (H.264, yuv420p, BT.709; AAC for `audio` (T,) in [-1, 1]).

    Frames are taken one at a time and the sound is interleaved with them and cut to their length, so memory does not
    grow with length. The same input gives the same bytes, however many cores there are. The default quality keeps the
    lips of a face of 64 pixels, which the customary 18 blurs. The file appears whole or not at all. Raises InputError
    for no frames, odd sides or frames of unequal size.
    """
    metadata = metadata or {}
    flags = "+faststart" if set(metadata) <= _STANDARD_KEYS else "+faststart+use_metadata_tags"
    options = {"fflags": "+bitexact", "movflags": flags}
    rate = Fraction(fps).limit_denominator(1001)
    source = iter(frames)
    first = next(source, None)
    if first is None:
        raise InputError(f"{path}: no frames to write")
    height, width = first.shape[:2]
    if height % 2 or width % 2:
        raise InputError(f"{path}: frames are {width} x {height} pixels; both sides must be even for H.264 yuv420p")
    with (
        atomic_path(Path(path)) as aside,
        av.open(str(aside), mode="w", format="mp4", container_options=options) as container,
    ):
        container.metadata.update(metadata)
        video = container.add_stream("libx264", rate=rate, options={"crf": str(crf), **_REPEATABLE})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        context = video.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        sound = None if audio is None else _Sound(container, audio, sample_rate)
        frame: Frame | None = first
        count = 0
        while frame is not None:
            if frame.shape != first.shape or frame.dtype != np.uint8:
                raise InputError(f"{path}: frame {count} is {frame.dtype} {frame.shape}, the first uint8 {first.shape}")
            container.mux(video.encode(_encodable(frame, count, rate)))
            count += 1
            if sound is not None:
                sound.write_until(round(count * sample_rate / rate))
            frame = next(source, None)
        container.mux(video.encode(None))
        if sound is not None:
            sound.close()


class _Sound:
    """A sound track written piece by piece."""

    def __init__(self, container: OutputContainer, audio: NDArray[np.float32], sample_rate: int) -> None:
        self.container = container
        self.audio = np.asarray(audio, dtype=np.float32)
        self.stream = container.add_stream("aac", rate=sample_rate, layout="mono")
        self.stream.bit_rate = 128_000
        self.written = 0

    def write_until(self, end: int) -> None:
        piece = self.audio[self.written : end]
        if not len(piece):
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece[None]), format="fltp", layout="mono")
        frame.sample_rate = self.stream.codec_context.sample_rate
        frame.time_base = Fraction(1, frame.sample_rate)
        frame.pts = self.written
        self.container.mux(self.stream.encode(frame))
        self.written += len(piece)

    def close(self) -> None:
        self.container.mux(self.stream.encode(None))


def _video_stream(container: InputContainer, path: str | os.PathLike[str]) -> VideoStream:
    if not container.streams.video:
        raise InputError(f"{path}: holds no picture; give a video")
    return container.streams.video[0]


def _timed_frames(
    container: InputContainer, stream: VideoStream, path: str | os.PathLike[str]
) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Decoded frames with their time in seconds since the first, strictly increasing."""
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
            continue  # two pictures of one moment: the first stays
        last = time
        yield time - origin, frame
    if origin is None or last is None:
        raise InputError(f"{path}: holds no frames; give another video")
    # A cut-off MP4 decodes without complaint up to the cut; its header still knows the length.
    if "mp4" in container.format.name and stream.duration is not None and stream.time_base is not None:
        seconds, held = float(stream.duration * stream.time_base), float(last - origin + spacing)
        if seconds - held > max(0.1, 2 * float(spacing)):
            raise InputError(f"{path}: cut off, {held:.2f} of {seconds:.2f} s can be read; give the whole video")


def _pixels(frame: VideoFrame) -> Frame:
    """RGB pixels as shown: turned by the rotation that the file asks for, to the nearest right angle."""
    # frame.side_data would also tell mirroring, but reading it corrupts memory for some frames (PyAV 18.1).
    pixels = np.rot90(frame.to_ndarray(format="rgb24", interpolation=_SCALER), round(frame.rotation / 90))
    return np.ascontiguousarray(pixels, dtype=np.uint8)


def _encodable(frame: Frame, index: int, rate: Fraction) -> VideoFrame:
    rgb = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    yuv = rgb.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG", interpolation=_SCALER)
    yuv.pts, yuv.time_base = index, 1 / rate
    return yuv
