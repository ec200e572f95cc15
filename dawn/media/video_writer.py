"""Encoding of videos, frame by frame."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from dawn.errors import InputError
from dawn.media.files import atomic_path
from dawn.media.video import SCALER, Frame

# Metadata keys that all MP4 players read; others need QuickTime's table of free keys.
_STANDARD_KEYS = {"title", "artist", "album", "comment", "copyright", "date", "description", "genre"}
# The output of x264 depends on its number of threads; and its macroblock tree reads beyond small frames (64 x 64), so
# that 10 runs wrote up to 10 different files.
_DETERMINISTIC = {"threads": "1", "x264-params": "mbtree=0"}
# The customary 18 blurs the eyes and lips of a 64-pixel face.
RECORDED_CRF = 12
# For generated videos: 12 adds to the Fréchet distance of their frames from recorded ones.
GENERATED_CRF = 6
_BT709 = 1
_LIMITED_RANGE = 1


def write_video(
    path: str | os.PathLike[str],
    frames: Iterable[Frame],
    *,
    fps: float = 25,
    audio: NDArray[np.float32] | None = None,
    sample_rate: int = 16000,
    metadata: dict[str, str] | None = None,
    crf: int = RECORDED_CRF,
) -> None:
    """Write frames RGB uint8 (H, W, 3), consumed one at a time, as :func:`open_video` does."""
    with open_video(path, fps=fps, audio=audio, sample_rate=sample_rate, metadata=metadata, crf=crf) as video:
        for frame in frames:
            video.write(frame)


@contextlib.contextmanager
def open_video(
    path: str | os.PathLike[str],
    *,
    fps: float = 25,
    audio: NDArray[np.float32] | None = None,
    sample_rate: int = 16000,
    metadata: dict[str, str] | None = None,
    crf: int = RECORDED_CRF,
) -> Iterator[VideoWriter]:
    """Write frames RGB uint8 (H, W, 3), H and W even, as MP4 (H.264, yuv420p, BT.709; AAC for `audio` (T,) in [-1, 1]).

    The sound is interleaved with the frames and cut to their length, so that memory does not grow with length. The same
    input gives the same bytes, whatever the number of cores. The file is written atomically, at the end of the context.
    Raises InputError for no frames, odd sides or frames of unequal size.
    """
    metadata = metadata or {}
    flags = "+faststart" if set(metadata) <= _STANDARD_KEYS else "+faststart+use_metadata_tags"
    options = {"fflags": "+bitexact", "movflags": flags}
    with (
        atomic_path(Path(path)) as aside,
        av.open(str(aside), mode="w", format="mp4", container_options=options) as container,
    ):
        container.metadata.update(metadata)
        sound = None if audio is None else (audio, sample_rate)
        video = VideoWriter(path, container, Fraction(fps).limit_denominator(1001), sound, crf)
        yield video
        video.finish()


class VideoWriter:
    """Streams of a video that is being written (:func:`open_video`)."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        container: OutputContainer,
        rate: Fraction,
        sound: tuple[NDArray[np.float32], int] | None,
        crf: int,
    ) -> None:
        self._path, self._container, self._rate = path, container, rate
        self._video = container.add_stream("libx264", rate=rate, options={"crf": str(crf), **_DETERMINISTIC})
        context = self._video.codec_context
        context.pix_fmt = "yuv420p"
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        self._sound = None if sound is None else _Sound(container, *sound)
        self._shape: tuple[int, ...] | None = None
        self._count = 0

    def write(self, frame: Frame) -> None:
        """Append a frame. Raises InputError for odd sides, or another size or type than that of the first one."""
        if self._shape is None:
            height, width = frame.shape[:2]
            if height % 2 or width % 2:
                raise InputError(
                    f"{self._path}: frames are {width} x {height} pixels; both sides must be even for H.264 yuv420p"
                )
            self._video.width, self._video.height = width, height
            self._shape = frame.shape
        if frame.shape != self._shape or frame.dtype != np.uint8:
            raise InputError(
                f"{self._path}: frame {self._count} is {frame.dtype} {frame.shape}, the first uint8 {self._shape}"
            )
        self._container.mux(self._video.encode(_encodable(frame, self._count, self._rate)))
        self._count += 1
        if self._sound is not None:
            self._sound.write_until(round(self._count * self._sound.rate / self._rate))

    def finish(self) -> None:
        """Write what the encoders hold back. Raises InputError when there was no frame."""
        if self._shape is None:
            raise InputError(f"{self._path}: no frames to write")
        self._container.mux(self._video.encode(None))
        if self._sound is not None:
            self._sound.close()


class _Sound:
    """Sound track that is written in pieces, up to the time of the picture."""

    def __init__(self, container: OutputContainer, audio: NDArray[np.float32], sample_rate: int) -> None:
        self.container = container
        self.rate = sample_rate
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


def _encodable(frame: Frame, index: int, rate: Fraction) -> VideoFrame:
    rgb = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    yuv = rgb.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG", interpolation=SCALER)
    yuv.pts, yuv.time_base = index, 1 / rate
    return yuv
