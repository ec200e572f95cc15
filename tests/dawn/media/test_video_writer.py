"""Encoding of videos: exact, deterministic, synchronous with sound, within constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.errors import InputError
from dawn.media.audio import read_audio
from dawn.media.files import sha256_file
from dawn.media.video import load_frames, probe
from dawn.media.video_writer import write_video
from tests.support.signals import chirp, lag, moving_colours


def test_written_video_reads_back(tmp_path: Path) -> None:
    frames = np.stack(list(moving_colours(40)))
    write_video(tmp_path / "a.mp4", iter(frames))
    read = load_frames(tmp_path / "a.mp4")
    assert read.shape == frames.shape and read.dtype == np.uint8
    error = read.astype(int) - frames
    assert np.abs(error).mean() < 1.5
    assert np.abs(error.mean(axis=(0, 1, 2))).max() < 0.3  # colours are not shifted: same matrix both ways
    info = probe(tmp_path / "a.mp4")
    assert (info.width, info.height, info.frames, info.fps, info.has_audio) == (96, 64, 40, 25.0, False)
    assert info.seconds == pytest.approx(1.6)


@pytest.mark.parametrize("side", [32, 64])
def test_same_input_same_bytes(tmp_path: Path, side: int) -> None:
    digests = set()
    for k in range(8):
        path = tmp_path / f"{k}.mp4"
        write_video(path, moving_colours(40, side, side), audio=chirp(1.6), metadata={"title": "t", "free": "f"})
        digests.add(sha256_file(path))
    assert len(digests) == 1


def test_sound_is_synchronous_and_cut(tmp_path: Path) -> None:
    sound = chirp(3.0)
    write_video(tmp_path / "a.mp4", moving_colours(50), audio=sound)
    read = read_audio(tmp_path / "a.mp4")
    assert len(read) == 32000  # two seconds, as the picture
    assert lag(read, sound[:32000]) == 0
    assert np.corrcoef(read, sound[:32000])[0, 1] > 0.99


def test_sound_shorter_than_the_picture_stays_whole(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving_colours(50), audio=chirp(1.0))
    assert len(read_audio(tmp_path / "a.mp4")) == 16000


def test_sound_and_picture_are_interleaved(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving_colours(500, 32, 32), audio=chirp(20))
    latest = {"video": 0.0, "audio": 0.0}
    spread = 0.0
    with av.open(str(tmp_path / "a.mp4")) as container:
        packets = [packet for packet in container.demux() if packet.pos is not None and packet.pts is not None]
        for packet in sorted(packets, key=lambda packet: packet.pos or 0):
            assert packet.pts is not None and packet.time_base is not None
            latest[packet.stream.type] = float(packet.pts * packet.time_base)
            spread = max(spread, abs(latest["video"] - latest["audio"]))
    assert spread < 1.0


def test_frames_are_consumed_one_at_a_time(tmp_path: Path) -> None:
    """The writer requests a frame only after it has released the one before."""
    import weakref

    alive: list[weakref.ref[NDArray[np.uint8]]] = []

    def source() -> Iterator[NDArray[np.uint8]]:
        for frame in moving_colours(30):
            alive.append(weakref.ref(frame))
            count = sum(ref() is not None for ref in alive)
            assert count <= 3, f"{count} frames in memory"
            yield frame

    write_video(tmp_path / "a.mp4", source(), audio=chirp(2))
    assert len(alive) == 30


@pytest.mark.parametrize("metadata", [{"title": "A", "comment": "synthetic"}, {"title": "A", "synthetic": "true"}])
def test_metadata_is_written(tmp_path: Path, metadata: dict[str, str]) -> None:
    write_video(tmp_path / "a.mp4", moving_colours(5), metadata=metadata)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert {key: container.metadata.get(key) for key in metadata} == metadata


def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[NDArray[np.uint8]]:
        yield from moving_colours(3)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_video(tmp_path / "a.mp4", broken(), audio=chirp(1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "no frames"),
        ([np.zeros((63, 64, 3), np.uint8)], "even"),
        ([np.zeros((64, 64, 3), np.uint8), np.zeros((64, 32, 3), np.uint8)], "frame 1"),
    ],
)
def test_unusable_frames_are_input_errors(tmp_path: Path, frames: list[NDArray[np.uint8]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_video(tmp_path / "a.mp4", frames)
    assert list(tmp_path.iterdir()) == []
