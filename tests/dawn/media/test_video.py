"""Reading of videos: rotation, rates, damage."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dawn.errors import InputError
from dawn.media.audio import read_audio, write_wav
from dawn.media.video import iter_frames, probe
from dawn.media.video_writer import write_video
from tests.support.edit_lists import trim
from tests.support.signals import chirp, lag, moving_colours


def timed_video(path: Path, stamps: list[float], rotation: float = 0) -> None:
    """Write a video of 64 x 32 frames at times `stamps`, seconds; frame k is gray 10 k, its top left quarter white."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.set_display_rotation(rotation)
        for k, stamp in enumerate(stamps):
            pixels = np.full((32, 64, 3), 10 * k, np.uint8)
            pixels[:16, :32] = 255
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = round(stamp * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(("rotation", "white"), [(0, (0, 0)), (90, (1, 0)), (180, (1, 1)), (-90, (0, 1))])
def test_rotation_is_applied(tmp_path: Path, rotation: int, white: tuple[int, int]) -> None:
    timed_video(tmp_path / "a.mp4", [0.0, 0.04], rotation)
    frame = next(iter_frames(tmp_path / "a.mp4"))
    assert frame.shape == ((64, 32, 3) if rotation % 180 else (32, 64, 3))
    height, width = frame.shape[:2]
    quarters = frame.reshape(2, height // 2, 2, width // 2, 3).mean(axis=(1, 3, 4))
    assert np.unravel_index(np.argmax(quarters), (2, 2)) == white
    info = probe(tmp_path / "a.mp4")
    assert (info.width, info.height) == (width, height)


def test_variable_rate_takes_the_nearest_frame(tmp_path: Path) -> None:
    stamps = [0.0, 0.03, 0.055, 0.20, 0.21, 0.29, 0.34]
    timed_video(tmp_path / "a.mp4", stamps)
    grays = [round(float(frame[24, 48].mean()) / 10) for frame in iter_frames(tmp_path / "a.mp4")]
    expected = [int(np.argmin([abs(stamp - k / 25) for stamp in stamps])) for k in range(len(grays))]
    assert grays == expected
    assert len(grays) in (9, 10)  # 0.34 s and the last frame's own time
    stored = [round(float(frame[24, 48].mean()) / 10) for frame in iter_frames(tmp_path / "a.mp4", fps=None)]
    assert stored == list(range(7))


@pytest.mark.parametrize("fps", [24, 30, 50])
def test_resampled_frames_are_in_time(tmp_path: Path, fps: int) -> None:
    write_video(tmp_path / "a.mp4", moving_colours(2 * fps, 32, 32), fps=fps)
    blue = np.array([frame[..., 2].mean() for frame in iter_frames(tmp_path / "a.mp4")])
    assert len(blue) == 50
    shown = (blue - blue[0]) / fps  # each stored frame is one level bluer than the previous one
    assert np.abs(shown - np.arange(50) / 25).max() <= 0.5 / fps + 2 / fps


@pytest.mark.parametrize("name", ["grid_bbaf2n.mpg", "retalking_face4.mp4", "obama_450_20s.mp4"])
def test_real_clips_have_the_stated_length(real: Path, name: str) -> None:
    path = real / "clips" / name
    info = probe(path)
    count = sum(1 for _ in iter_frames(path))
    assert abs(count / 25 - info.seconds) < 0.05
    assert abs(len(read_audio(path)) / 16000 - info.seconds) < 0.1


@pytest.mark.parametrize(
    ("start", "seconds", "first", "count"),
    [(1, 3, 25, 75), (0, 2.4, 0, 60), (2.4, 1, 60, 25), (0.2, 0.6, 5, 15), (0.5, 3.5, 13, 87), (2.42, 1, 61, 25)],
)
def test_an_edit_list_leaves_out_what_players_do(
    tmp_path: Path, start: float, seconds: float, first: int, count: int
) -> None:
    """At key frames and elsewhere; between two frames, the next one is the first shown, as in players with FFmpeg."""
    scenes = [frame if k < 50 else 255 - frame for k, frame in enumerate(moving_colours(100, 64, 64))]
    write_video(tmp_path / "whole.mp4", scenes, audio=chirp(4))
    trim(tmp_path / "whole.mp4", tmp_path / "shown.mp4", start, seconds)
    info = probe(tmp_path / "shown.mp4")
    assert (info.frames, info.fps, info.seconds) == (count, 25, pytest.approx(count / 25))
    whole, shown = (np.stack(list(iter_frames(tmp_path / f"{name}.mp4"))) for name in ("whole", "shown"))
    np.testing.assert_array_equal(shown, whole[first : first + count])
    expected = read_audio(tmp_path / "whole.mp4")[round(start * 16000) : round((start + seconds) * 16000)]
    sound = read_audio(tmp_path / "shown.mp4")
    assert abs(len(sound) - len(expected)) < 16 and abs(lag(sound, expected)) < 16  # a millisecond


def test_damaged_videos_are_input_errors(tmp_path: Path) -> None:
    good = tmp_path / "good.mp4"
    write_video(good, moving_colours(100, 128, 128), audio=chirp(4))
    whole = good.read_bytes()
    flipped = bytearray(whole)
    for position in np.random.default_rng(0).integers(len(whole) // 3, len(whole), 200):
        flipped[position] ^= 0xFF
    cases = {
        "cut.mp4": whole[: len(whole) * 2 // 3],
        "flipped.mp4": bytes(flipped),
        "text.mp4": b"not a video at all\n" * 40,
        "empty.mp4": b"",
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            list(iter_frames(tmp_path / name))
    with pytest.raises(InputError, match="no such file"):
        probe(tmp_path / "absent.mp4")
    write_wav(tmp_path / "sound.wav", chirp(1))
    with pytest.raises(InputError, match="no picture"):
        next(iter_frames(tmp_path / "sound.wav"))
