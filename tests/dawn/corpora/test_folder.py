"""A folder of videos as a corpus: names, identities, split, rejects, and the crop."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.config import Corpus, FolderCorpus
from dawn.corpora.manifest import Clip, read_manifest, read_rejected
from dawn.corpora.prepare import prepare, write_clip
from dawn.errors import InputError
from dawn.media.framing import FACE_CENTRE, FACE_HEIGHT, Box
from dawn.media.video import iter_frames, load_frames, probe
from dawn.media.video_writer import write_video


def _corpus(root: Path, resolution: int = 64, **keys: object) -> Corpus:
    return Corpus(name="videos", kind="folder", resolution=resolution, folder=FolderCorpus(root=str(root), **keys))


def _write_test_video(path: Path, frames: int = 30, sound: bool = True, size: tuple[int, int] = (96, 128)) -> None:
    """Write a dark video with a bright box, 40 pixels high and 36 wide, at (50, 30)."""
    frame = np.full((*size, 3), 40, np.uint8)
    frame[30:70, 50:86] = 220
    tone = 0.3 * np.sin(np.arange(frames * 640) / 20).astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, [frame] * frames, audio=tone if sound else None)


def _box(frame: NDArray[np.uint8]) -> Box | None:
    """Box of the bright pixels."""
    rows, columns = np.nonzero(frame[..., 0] > 130)
    if not len(rows):
        return None
    return float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root, out = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("data")
    for person in ("ann", "bob", "çelik", "dora"):
        _write_test_video(root / person / "talk 1.mp4")
    _write_test_video(root / "ann" / "other.mp4")
    _write_test_video(root / "ann" / "short.mp4", frames=10)
    _write_test_video(root / "bob" / "mute.mp4", sound=False)
    _write_test_video(root / "nobody.mp4")
    (root / "bob" / "broken.mov").write_bytes(b"not a video")
    (root / "bob" / "notes.txt").write_text("no video")
    prepare(_corpus(root, test_fraction=0.25), out)
    return root, out


def test_every_video_is_a_clip_or_rejected_with_its_reason(prepared: tuple[Path, Path]) -> None:
    _, out = prepared
    clips = {clip.source: clip for clip in read_manifest(out / "clips.csv")}
    assert set(clips) == {f"{person}/talk 1.mp4" for person in ("ann", "bob", "çelik", "dora")} | {"ann/other.mp4"}
    assert clips["çelik/talk 1.mp4"].identity == "çelik"
    assert clips["ann/other.mp4"].clip == "other"
    assert clips["ann/talk 1.mp4"].frames == 30
    reasons = {row.clip: row.reason for row in read_rejected(out / "rejected.corpus.csv")}
    assert set(reasons) == {"short", "mute", "nobody", "broken"}
    for name, words in (("short", "shorter than"), ("mute", "no sound"), ("nobody", "does not match")):
        assert words in reasons[name]


def test_names_are_unique_and_file_safe(prepared: tuple[Path, Path]) -> None:
    names = [clip.clip for clip in read_manifest(prepared[1] / "clips.csv")]
    assert len({name.casefold() for name in names}) == len(names)
    assert "ann_talk_1" in names


def test_an_identity_is_in_one_split_only(prepared: tuple[Path, Path]) -> None:
    split: dict[str, set[str]] = {}
    for clip in read_manifest(prepared[1] / "clips.csv"):
        split.setdefault(clip.identity, set()).add(clip.split)
    assert all(len(sides) == 1 for sides in split.values())
    assert sum(sides == {"test"} for sides in split.values()) == 1  # a quarter of four


def test_a_test_list_decides_the_split(prepared: tuple[Path, Path], tmp_path: Path) -> None:
    root, _ = prepared
    (tmp_path / "test.txt").write_text("# held out\nother\n\n")
    prepare(_corpus(root, test_list=str(tmp_path / "test.txt")), tmp_path)
    test_clips = [clip.clip for clip in read_manifest(tmp_path / "clips.csv") if clip.split == "test"]
    assert test_clips == ["other"]


def test_a_clip_is_square_around_the_face_with_its_sound(prepared: tuple[Path, Path], tmp_path: Path) -> None:
    root, out = prepared
    clip = next(clip for clip in read_manifest(out / "clips.csv") if clip.clip == "other")
    write_clip(_corpus(root), clip, out, tmp_path / "other.mp4", _box)
    info = probe(tmp_path / "other.mp4")
    assert (info.width, info.height, info.frames, info.fps, info.has_audio) == (64, 64, 30, 25.0, True)
    box = _box(load_frames(tmp_path / "other.mp4")[15])
    assert box is not None
    x0, y0, x1, y1 = (value / 64 for value in box)
    assert y1 - y0 == pytest.approx(FACE_HEIGHT, abs=0.04)
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx(FACE_CENTRE, abs=0.03)


def test_a_clip_without_a_face_is_rejected(prepared: tuple[Path, Path], tmp_path: Path) -> None:
    root, out = prepared
    clip = read_manifest(out / "clips.csv")[0]
    with pytest.raises(InputError, match="a face in 0 of 6 frames"):
        write_clip(_corpus(root), clip, out, tmp_path / "x.mp4", lambda frame: None)
    assert not list(tmp_path.iterdir())


def test_a_changed_or_missing_source_is_rejected(prepared: tuple[Path, Path], tmp_path: Path) -> None:
    root, out = prepared
    clip = read_manifest(out / "clips.csv")[0]
    with pytest.raises(InputError, match="changed since"):
        write_clip(_corpus(root), Clip(**{**clip.__dict__, "sha256": "0" * 64}), out, tmp_path / "x.mp4", _box)
    with pytest.raises(InputError, match="missing"):
        write_clip(_corpus(root), Clip(**{**clip.__dict__, "source": "gone.mp4"}), out, tmp_path / "x.mp4", _box)


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"identity": "("}, "not a regular expression"),
        ({"identity": "(.*)/"}, r"has no group \(\?P<identity>"),
        ({"identity": "(?P<identity>zoe)/"}, "no usable video"),
        ({"test_list": "/no/such/list"}, "cannot be read"),
    ],
)
def test_bad_settings_are_named(prepared: tuple[Path, Path], tmp_path: Path, keys: dict[str, str], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        prepare(_corpus(prepared[0], **keys), tmp_path)


def test_a_missing_or_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        prepare(_corpus(tmp_path / "gone"), tmp_path)
    with pytest.raises(InputError, match="holds no videos"):
        prepare(_corpus(tmp_path), tmp_path)


def _write_counting_video(path: Path, frames: int, rotation: int = 0) -> None:
    """Write a video whose brightness is the number of the frame, shown turned by `rotation` degrees."""
    upright = path.with_name(f".{path.stem}{path.suffix}")
    pictures = [np.full((96, 128, 3), 40 + k, np.uint8) for k in range(frames)]
    for picture in pictures:
        picture[:20, :20] = 255
    write_video(upright, pictures, audio=0.3 * np.sin(np.arange(frames * 640) / 20).astype(np.float32))
    with av.open(str(upright)) as source, av.open(str(path), "w") as sink:
        targets = {stream.index: sink.add_stream_from_template(stream) for stream in source.streams}
        if rotation:
            targets[0].set_display_rotation(rotation)
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = targets[packet.stream.index]
                sink.mux(packet)
    upright.unlink()


@pytest.mark.parametrize("rotation", [0, 90])
def test_long_videos_are_cut_into_equal_clips(rotation: int, tmp_path: Path) -> None:
    (tmp_path / "raw/me").mkdir(parents=True)
    _write_counting_video(tmp_path / "raw/me/talk.mp4", 110, rotation)
    _write_test_video(tmp_path / "raw/me/short.mp4")
    _write_test_video(tmp_path / "raw/me/mute.mp4", sound=False)
    (tmp_path / "test.txt").write_text("talk-0001\nshort\n")
    corpus = _corpus(tmp_path / "raw", cut_seconds=1.6, test_list=str(tmp_path / "test.txt"))
    for _ in range(2):  # what is there already is replaced
        prepare(corpus, tmp_path / "out")
    clips = {clip.clip: clip for clip in read_manifest(tmp_path / "out/clips.csv")}
    assert {name: clip.frames for name, clip in clips.items()} == {
        "short-0000": 30,
        "talk-0000": 36,
        "talk-0001": 37,
        "talk-0002": 37,
    }
    assert [name for name, clip in clips.items() if clip.split == "test"] == ["short-0000", "talk-0001"]
    assert {clip.identity for clip in clips.values()} == {"me"}
    assert [row.clip for row in read_rejected(tmp_path / "out/rejected.corpus.csv")] == ["mute"]
    clip = clips["talk-0001"]
    source = tmp_path / "out/cuts" / clip.source
    write_clip(corpus, clip, tmp_path / "out", tmp_path / "clip.mp4", lambda frame: (30, 30, 70, 70))
    frames = load_frames(tmp_path / "clip.mp4")
    brightness = np.median(frames.reshape(len(frames), -1), axis=1)
    np.testing.assert_allclose(brightness, 40 + 36 + np.arange(37), atol=2)
    assert probe(tmp_path / "clip.mp4").has_audio
    corner = next(iter_frames(source))[:15, :15].mean()
    assert (corner > 200) == (rotation == 0)
    (tmp_path / "test.txt").write_text("talk\n")
    prepare(corpus, tmp_path / "out")
    assert [clip.split for clip in read_manifest(tmp_path / "out/clips.csv")] == ["train", "test", "test", "test"]
