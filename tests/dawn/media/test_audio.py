"""Reading and writing of sound."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from dawn.errors import InputError
from dawn.media.audio import read_audio, write_wav
from dawn.media.video_writer import write_video
from tests.support.signals import chirp, lag, moving_colours


def test_written_wav_reads_back(tmp_path: Path) -> None:
    sound = chirp(1.5)
    write_wav(tmp_path / "a.wav", sound)
    read = read_audio(tmp_path / "a.wav")
    assert read.dtype == np.float32 and len(read) == len(sound)
    assert np.abs(read - sound).max() < 1e-4


def test_channels_are_averaged_and_rate_converted(tmp_path: Path) -> None:
    rate = 44100
    left, right = chirp(2.0, rate), np.zeros(2 * rate, np.float32)
    with av.open(str(tmp_path / "a.flac"), "w") as container:
        stream = container.add_stream("flac", rate=rate, layout="stereo")
        pcm = np.round(np.stack([left, right], 1) * 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="stereo")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    read = read_audio(tmp_path / "a.flac")
    assert len(read) == 32000
    expected = chirp(2.0) / 2
    assert lag(read, expected) == 0
    assert np.abs(read - expected)[200:-200].max() < 2e-3


def test_unusable_sound_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("this is no sound\n" * 30)
    (tmp_path / "empty.wav").write_bytes(b"")
    write_wav(tmp_path / "short.wav", chirp(0.03))
    write_video(tmp_path / "silent.mp4", moving_colours(5))
    cases = {
        "text.wav": "damaged",
        "empty.wav": "empty",
        "short.wav": "40 ms",
        "silent.mp4": "no sound",
        "no.wav": "no such",
    }
    for name, message in cases.items():
        with pytest.raises(InputError, match=message):
            read_audio(tmp_path / name)
    write_wav(tmp_path / "enough.wav", chirp(0.04))
    assert len(read_audio(tmp_path / "enough.wav")) == 640
