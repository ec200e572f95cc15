"""Video, sound and images in and out."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dawn.errors import InputError
from dawn.media.audio import read_audio, write_wav
from dawn.media.files import sha256_file
from dawn.media.image import read_image
from dawn.media.video import iter_frames, load_frames, probe
from dawn.media.video_writer import write_video


def waves(count: int, height: int = 64, width: int = 96) -> Iterator[NDArray[np.uint8]]:
    """Smooth moving colours; their mean brightness rises with time."""
    y, x = np.mgrid[:height, :width]
    for k in range(count):
        red = 90 + 60 * np.sin(x / 20 + k / 5)
        yield np.stack([red, 90 + 60 * np.cos(y / 16), np.full_like(red, 40 + k)], -1).astype(np.uint8)


def chirp(seconds: float, rate: int = 16000) -> NDArray[np.float32]:
    t = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (150 + 400 * t) * t) * (1 + np.sin(9 * t)) / 2).astype(np.float32)


def lag(a: NDArray[np.float32], b: NDArray[np.float32]) -> int:
    """Samples by which `a` is later than `b`."""
    n = 2 * max(len(a), len(b))
    correlation = np.fft.irfft(np.fft.rfft(a, n) * np.conj(np.fft.rfft(b, n)), n)
    best = int(np.argmax(correlation))
    return best - n if best > n // 2 else best


def timed_video(path: Path, stamps: list[float], rotation: float = 0) -> None:
    """A video of 64 x 32 frames shown at `stamps` seconds, frame k as gray 10 k; its top left quarter is white."""
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


def test_video_comes_back(tmp_path: Path) -> None:
    frames = np.stack(list(waves(40)))
    write_video(tmp_path / "a.mp4", iter(frames))
    back = load_frames(tmp_path / "a.mp4")
    assert back.shape == frames.shape and back.dtype == np.uint8
    error = back.astype(int) - frames
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
        write_video(path, waves(40, side, side), audio=chirp(1.6), metadata={"title": "t", "free": "f"})
        digests.add(sha256_file(path))
    assert len(digests) == 1


def test_sound_is_in_time_and_cut(tmp_path: Path) -> None:
    sound = chirp(3.0)
    write_video(tmp_path / "a.mp4", waves(50), audio=sound)
    back = read_audio(tmp_path / "a.mp4")
    assert len(back) == 32000  # two seconds, as the picture
    assert lag(back, sound[:32000]) == 0
    assert np.corrcoef(back, sound[:32000])[0, 1] > 0.99


def test_sound_shorter_than_picture_is_kept_whole(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", waves(50), audio=chirp(1.0))
    assert len(read_audio(tmp_path / "a.mp4")) == 16000


def test_sound_and_picture_are_interleaved(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", waves(500, 32, 32), audio=chirp(20))
    latest = {"video": 0.0, "audio": 0.0}
    spread = 0.0
    with av.open(str(tmp_path / "a.mp4")) as container:
        packets = [packet for packet in container.demux() if packet.pos is not None and packet.pts is not None]
        for packet in sorted(packets, key=lambda packet: packet.pos or 0):
            assert packet.pts is not None and packet.time_base is not None
            latest[packet.stream.type] = float(packet.pts * packet.time_base)
            spread = max(spread, abs(latest["video"] - latest["audio"]))
    assert spread < 1.0


def test_frames_are_taken_one_at_a_time(tmp_path: Path) -> None:
    """The writer asks for the next frame only after it has let go of the last."""
    import weakref

    alive: list[weakref.ref[NDArray[np.uint8]]] = []

    def source() -> Iterator[NDArray[np.uint8]]:
        for frame in waves(30):
            alive.append(weakref.ref(frame))
            held = sum(ref() is not None for ref in alive)
            assert held <= 3, f"{held} frames held"
            yield frame

    write_video(tmp_path / "a.mp4", source(), audio=chirp(2))
    assert len(alive) == 30


@pytest.mark.parametrize(
    "metadata", [{"title": "A", "comment": "made by a machine"}, {"title": "A", "synthetic": "true"}]
)
def test_metadata(tmp_path: Path, metadata: dict[str, str]) -> None:
    write_video(tmp_path / "a.mp4", waves(5), metadata=metadata)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert {key: container.metadata.get(key) for key in metadata} == metadata


def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[NDArray[np.uint8]]:
        yield from waves(3)
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
def test_unusable_frames(tmp_path: Path, frames: list[NDArray[np.uint8]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_video(tmp_path / "a.mp4", frames)
    assert list(tmp_path.iterdir()) == []


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
    seen = [round(float(frame[24, 48].mean()) / 10) for frame in iter_frames(tmp_path / "a.mp4")]
    expected = [int(np.argmin([abs(stamp - k / 25) for stamp in stamps])) for k in range(len(seen))]
    assert seen == expected
    assert len(seen) in (9, 10)  # 0.34 s and the last frame's own time
    stored = [round(float(frame[24, 48].mean()) / 10) for frame in iter_frames(tmp_path / "a.mp4", fps=None)]
    assert stored == list(range(7))


@pytest.mark.parametrize("fps", [24, 30, 50])
def test_other_rates_keep_time(tmp_path: Path, fps: int) -> None:
    write_video(tmp_path / "a.mp4", waves(2 * fps, 32, 32), fps=fps)
    blue = np.array([frame[..., 2].mean() for frame in iter_frames(tmp_path / "a.mp4")])
    assert len(blue) == 50
    shown = (blue - blue[0]) / fps  # each stored frame is one level bluer than the one before
    assert np.abs(shown - np.arange(50) / 25).max() <= 0.5 / fps + 2 / fps


@pytest.mark.parametrize("name", ["grid_bbaf2n.mpg", "retalking_face4.mp4", "obama_450_20s.mp4"])
def test_real_clips(real: Path, name: str) -> None:
    path = real / "clips" / name
    info = probe(path)
    count = sum(1 for _ in iter_frames(path))
    assert abs(count / 25 - info.seconds) < 0.05
    assert abs(len(read_audio(path)) / 16000 - info.seconds) < 0.1


def test_damaged_videos(tmp_path: Path) -> None:
    good = tmp_path / "good.mp4"
    write_video(good, waves(100, 128, 128), audio=chirp(4))
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


def test_wav_comes_back(tmp_path: Path) -> None:
    sound = chirp(1.5)
    write_wav(tmp_path / "a.wav", sound)
    back = read_audio(tmp_path / "a.wav")
    assert back.dtype == np.float32 and len(back) == len(sound)
    assert np.abs(back - sound).max() < 1e-4


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
    back = read_audio(tmp_path / "a.flac")
    assert len(back) == 32000
    expected = chirp(2.0) / 2
    assert lag(back, expected) == 0
    assert np.abs(back - expected)[200:-200].max() < 2e-3


def test_unusable_sound(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("this is no sound\n" * 30)
    (tmp_path / "empty.wav").write_bytes(b"")
    write_wav(tmp_path / "short.wav", chirp(0.03))
    write_video(tmp_path / "silent.mp4", waves(5))
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


def test_image_modes(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 32).astype(np.uint8), (16, 1))
    Image.fromarray(ramp).save(tmp_path / "gray.png")
    Image.fromarray(ramp.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    for name in ("gray.png", "deep.png"):
        assert np.array_equal(read_image(tmp_path / name), np.repeat(ramp[..., None], 3, 2)), name
    clear = np.zeros((16, 32, 4), np.uint8)
    clear[:, 16:] = [200, 10, 10, 255]
    Image.fromarray(clear).save(tmp_path / "clear.png")
    laid = read_image(tmp_path / "clear.png")
    assert laid[0, 0].tolist() == [255, 255, 255] and laid[0, 20].tolist() == [200, 10, 10]
    Image.new("CMYK", (32, 16), (0, 255, 255, 0)).save(tmp_path / "ink.jpg")
    red, green, blue = read_image(tmp_path / "ink.jpg")[8, 16].tolist()
    assert red > 200 and green < 60 and blue < 60


def test_image_is_turned_by_exif(tmp_path: Path) -> None:
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, :16] = 250
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    turned = read_image(tmp_path / "a.png")
    assert turned.shape == (32, 16, 3)
    assert turned[4].mean() > 200 and turned[28].mean() < 50


def test_unusable_images(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no picture")
    Image.new("RGB", (64, 64), "red").save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:80])
    for name, message in {
        "empty.png": "empty",
        "text.png": "not an image",
        "cut.png": "damaged",
        "no.png": "no such",
    }.items():
        with pytest.raises(InputError, match=message):
            read_image(tmp_path / name)
