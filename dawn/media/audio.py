"""Reading and writing of sound: mono float32 in [-1, 1]."""

from __future__ import annotations

import operator
import os
import wave
from pathlib import Path

import av
import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawn.errors import InputError
from dawn.media.files import atomic_path
from dawn.media.streams import open_media, start_time

MIN_SECONDS = 0.04  # one video frame at 25 fps


def read_audio(path: str | os.PathLike[str], sample_rate: int = 16000) -> NDArray[np.float32]:
    """Read the first sound track of any sound or video file, mono float32 (T,) in [-1, 1] at `sample_rate` Hz.

    Channels are averaged (the published pipeline takes the first one). In a video, sample 0 is at the time of the first
    frame: sound that starts later is padded with silence, earlier sound is cut off. Raises InputError when the file is
    missing, empty, damaged, without sound, not finite or shorter than one video frame (40 ms).
    """
    with open_media(path, "a sound or video file") as container:
        if not container.streams.audio:
            raise InputError(f"{path}: has no sound; give a file with speech")
        stream = container.streams.audio[0]
        origin = start_time(container)
        first: float | None = None
        resampler: av.AudioResampler | None = None
        blocks: list[NDArray[np.float32]] = []
        for frame in container.decode(stream):
            if resampler is None:
                first = frame.time
                resampler = av.AudioResampler(format="fltp", layout=frame.layout.name, rate=sample_rate)
            blocks += [_mono(block) for block in resampler.resample(frame)]
        if resampler is not None:
            blocks += [_mono(block) for block in resampler.resample(None)]
        seconds = None
        if stream.duration is not None and stream.time_base is not None and stream.start_time is not None:
            # Block codecs pad their last block; the container states where the sound ends.
            seconds = float(stream.duration * stream.time_base)
        block_samples = (
            stream.codec_context.frame_size * sample_rate / (stream.codec_context.sample_rate or sample_rate)
        )
    audio = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if seconds is not None and 0 < len(audio) - round(seconds * sample_rate) <= block_samples + 1:
        audio = audio[: round(seconds * sample_rate)]
    if first is not None and origin is not None:
        lead = round((first - origin) * sample_rate)
        audio = np.pad(audio, (lead, 0)) if lead > 0 else audio[-lead:]
    if len(audio) < MIN_SECONDS * sample_rate:
        raise InputError(f"{path}: {1000 * len(audio) / sample_rate:.0f} ms of sound; give at least one frame (40 ms)")
    if not np.isfinite(audio).all():
        raise InputError(f"{path}: contains samples that are not finite numbers; export the sound again")
    return np.clip(audio, -1, 1, dtype=np.float32)


def sound_seconds(path: str | os.PathLike[str]) -> float:
    """Determine the length of the first sound track of a file without decoding it; 0 for a track without samples.

    Raises InputError when the file is missing, empty, damaged or without sound.
    """
    with open_media(path, "a sound or video file") as container:
        if not container.streams.audio:
            raise InputError(f"{path}: has no sound; give a file with speech")
        spans = [
            (float(packet.pts * packet.time_base), float((packet.pts + (packet.duration or 0)) * packet.time_base))
            for packet in container.demux(container.streams.audio[0])
            if packet.pts is not None and packet.time_base is not None and packet.size
        ]
        # Before time 0 lie the samples that an encoder adds and decoders drop.
        return max(end for _, end in spans) - max(0.0, min(start for start, _ in spans)) if spans else 0.0


def as_audio(samples: ArrayLike, rate: int, sample_rate: int = 16000) -> NDArray[np.float32]:
    """Convert samples (T,) or (T, channels) at `rate` Hz to mono float32 (T',) in [-1, 1] at `sample_rate` Hz.

    16-bit integers are divided by 32768; channels are averaged. Raises InputError for other types or shapes, more
    channels than samples, samples that are not finite and a rate that is not a positive integer.
    """
    try:
        array, rate = np.asarray(samples), operator.index(rate)
    except (TypeError, ValueError):
        raise InputError("sound is not a pair of samples and an integer rate in Hz; give (samples, rate)") from None
    if array.dtype == np.int16:
        array = array / np.float32(2**15)
    one_row_a_sample = array.ndim == 1 or (array.ndim == 2 and array.shape[0] >= array.shape[1])
    if not np.issubdtype(array.dtype, np.floating) or not one_row_a_sample or not array.size or rate < 1:
        raise InputError(
            f"sound is {array.dtype} {array.shape} at {rate} Hz; give (T,) or (T, channels), floats in [-1, 1] or int16"
        )
    if not np.isfinite(array).all():
        raise InputError("sound holds samples that are not finite numbers")
    mono = np.ascontiguousarray(array if array.ndim == 1 else array.mean(axis=1), dtype=np.float32)
    if rate != sample_rate:
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=sample_rate)
        frame = av.AudioFrame.from_ndarray(mono[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        blocks = [_mono(block) for part in (frame, None) for block in resampler.resample(part)]
        mono = np.concatenate(blocks) if blocks else mono[:0]  # the resampler returns nothing for a few samples
    return np.clip(mono, -1, 1, dtype=np.float32)


def write_wav(path: str | os.PathLike[str], audio: NDArray[np.float32], sample_rate: int = 16000) -> None:
    """Write mono float (T,) in [-1, 1] as 16-bit PCM at `sample_rate` Hz."""
    pcm = np.rint(np.clip(audio, -1, 1) * 32767).astype("<i2")
    with atomic_path(Path(path)) as aside, wave.open(str(aside), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(sample_rate)
        out.writeframes(pcm.tobytes())


def _mono(block: av.AudioFrame) -> NDArray[np.float32]:
    return np.asarray(block.to_ndarray(), dtype=np.float32).mean(axis=0)
