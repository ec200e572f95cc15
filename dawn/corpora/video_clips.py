"""Square clips cropped around the face, from videos of one speaking person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.config import Corpus
from dawn.corpora.cut import read_cut, span_audio, span_frames
from dawn.corpora.manifest import Clip
from dawn.errors import InputError
from dawn.media.audio import read_audio, sound_seconds
from dawn.media.framing import Box, FindBox, crop, crop_box
from dawn.media.video import iter_frames, probe
from dawn.media.video_writer import write_video

_DETECT_EVERY = 5  # a face is detected in every fifth frame
_MIN_SHARE = 0.5  # least share of these frames with a detected face
_SOUND_TOLERANCE = 0.5  # seconds by which the length of a sound file may differ from that of its video


def count_frames(
    video: Path,
    name: str,
    fps: int,
    min_seconds: float = 0,
    sound: Path | None = None,
    remedy: str = "give a video with speech",
) -> int:
    """Compute the number of frames of a video at `fps`.

    `sound` is the sound file of a silent video; `remedy` ends the error of one without. Raises InputError, naming the
    video `name`, when a file is damaged, the video has no sound or is shorter than `min_seconds`, or the length of
    `sound` differs by more than half a second.
    """
    info = probe(video)
    if not info.has_audio and sound is None:
        raise InputError(f"{name}: has no sound; {remedy}")
    if info.seconds < min_seconds:
        raise InputError(f"{name}: {info.seconds:.2f} s, shorter than min_seconds = {min_seconds}")
    if sound is not None and abs((length := sound_seconds(sound)) - info.seconds) > _SOUND_TOLERANCE:
        raise InputError(
            f"{name}: {info.seconds:.2f} s, and its sound {length:.2f} s; give {sound.name} the length of the video"
        )
    return max(1, round(info.seconds * fps))


def write_face_clip(
    corpus: Corpus, clip: Clip, source: Path, out: Path, find_box: FindBox, sound: Path | None = None
) -> None:
    """Write video `source` as a square clip around its face, at 25 fps with 16 kHz mono speech.

    The speech is that of `sound`, by default of the video. Raises InputError when no steady face is detected or the
    sound cannot be read.
    """

    def frames() -> Iterator[NDArray[np.uint8]]:
        return iter_frames(source, corpus.fps)

    square, shape, count = face_square(frames(), find_box, clip.source, corpus.face_height)
    audio = read_audio(sound or source, corpus.sample_rate)
    write_square(corpus, frames(), square, shape, audio, count, out)


def write_face_cut(corpus: Corpus, clip: Clip, source: Path, out: Path, find_box: FindBox) -> None:
    """Write the span of a file of :func:`dawn.corpora.cut.cut_span` as :func:`write_face_clip` does a video."""
    cut = read_cut(source)

    def frames() -> Iterator[NDArray[np.uint8]]:
        return span_frames(source, cut, corpus.fps)

    square, shape, count = face_square(frames(), find_box, clip.source, corpus.face_height)
    audio = span_audio(source, cut, corpus.fps, corpus.sample_rate)
    write_square(corpus, frames(), square, shape, audio, count, out)


def face_square(
    frames: Iterable[NDArray[np.uint8]], find_box: FindBox, name: str, face_height: float
) -> tuple[Box, tuple[int, ...], int]:
    """Compute the square around the face over a clip's frames (H, W, 3), pixels.

    The face is `face_height` of its side high. Returns it with height and width of the last frame and the number of
    frames. Raises InputError, naming the clip `name`, when fewer than half of the searched frames show a face.
    """
    boxes: list[Box | None] = []
    count = 0
    shape: tuple[int, ...] = (0, 0)
    for frame in frames:
        if count % _DETECT_EVERY == 0:
            boxes.append(find_box(frame))
        count += 1
        shape = frame.shape[:2]
    detected = np.array([box for box in boxes if box is not None], float)
    if len(detected) < max(1, _MIN_SHARE * len(boxes)):
        raise InputError(f"{name}: a face in {len(detected)} of {len(boxes)} frames searched; give a clearer video")
    return crop_box(detected, face_height), shape, count


def write_square(
    corpus: Corpus,
    frames: Iterable[NDArray[np.uint8]],
    square: Box,
    shape: tuple[int, ...],
    audio: NDArray[np.float32],
    count: int,
    out: Path,
) -> None:
    """Write `count` frames cropped to `square` and resized, with `audio` (T,) padded by silence to their duration.

    `shape` is the height and width that `square` refers to: frames of another size are resized to it first.
    """
    audio = np.pad(audio, (0, max(0, count * corpus.sample_rate // corpus.fps - len(audio))))
    squares = _crops(frames, square, corpus.resolution, shape)
    write_video(out, squares, fps=corpus.fps, audio=audio, sample_rate=corpus.sample_rate)


def _crops(
    frames: Iterable[NDArray[np.uint8]], square: Box, side: int, shape: tuple[int, ...]
) -> Iterator[NDArray[np.uint8]]:
    for frame in frames:
        if frame.shape[:2] != shape:
            frame = np.asarray(cv2.resize(frame, (shape[1], shape[0])), np.uint8)
        yield crop(frame, square, side)
