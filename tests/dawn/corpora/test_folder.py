"""A folder of videos as a corpus: names, identities, split, rejects, and the crop."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.config import FACE_HEIGHT, Corpus, FolderCorpus
from dawn.corpora.kinds.folder import clip_names
from dawn.corpora.manifest import Clip, read_manifest, read_rejected
from dawn.corpora.prepare import prepare, write_clip
from dawn.errors import InputError
from dawn.media.audio import read_audio, write_wav
from dawn.media.framing import FACE_CENTRE, Box
from dawn.media.video import iter_frames, load_frames, probe
from dawn.media.video_writer import write_video
from tests.support.edit_lists import trim
from tests.support.signals import chirp


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
    assert clips["ann/other.mp4"].clip == "ann_other"
    assert clips["ann/talk 1.mp4"].frames == 30
    reasons = {row.clip: row.reason for row in read_rejected(out / "rejected.corpus.csv")}
    assert set(reasons) == {"ann_short", "bob_mute", "nobody", "bob_broken"}
    for name, words in (("ann_short", "shorter than"), ("bob_mute", "no sound"), ("nobody", "does not match")):
        assert words in reasons[name]


def test_names_are_unique_and_file_safe(prepared: tuple[Path, Path]) -> None:
    names = [clip.clip for clip in read_manifest(prepared[1] / "clips.csv")]
    assert len({name.casefold() for name in names}) == len(names)
    assert "ann_talk_1" in names


def test_a_name_depends_on_its_own_path_alone_unless_it_is_shared() -> None:
    videos = ["ann/1.mp4", "ann/2.mp4", "ben/long take.mp4", "çelik/1.mp4", "张/一.mp4"]
    before = dict(zip(videos, clip_names([Path(video) for video in videos]), strict=True))
    assert list(before.values())[:3] == ["ann_1", "ann_2", "ben_long_take"]
    for added in ("aaa/1.mp4", "ben/1.mp4", "zoe/1.mp4", "çetin/1.mp4", "张/二.mp4", "1.mp4", f"{'x/' * 150}1.mp4"):
        after = dict(zip([added, *videos], clip_names([Path(video) for video in (added, *videos)]), strict=True))
        assert {video: after[video] for video in videos} == before
        assert after[added] not in before.values() and len(after[added]) < 150
    shared = clip_names([Path(video) for video in (*videos, "ann/1.mov", "Ann_2.mp4")])
    assert shared[2:5] == list(before.values())[2:]
    assert len({name.casefold() for name in shared}) == len(shared)


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
    assert test_clips == ["ann_other"]


def test_a_clip_is_square_around_the_face_with_its_sound(prepared: tuple[Path, Path], tmp_path: Path) -> None:
    root, out = prepared
    clip = next(clip for clip in read_manifest(out / "clips.csv") if clip.clip == "ann_other")
    write_clip(_corpus(root), clip, out, tmp_path / "other.mp4", _box)
    info = probe(tmp_path / "other.mp4")
    assert (info.width, info.height, info.frames, info.fps, info.has_audio) == (64, 64, 30, 25.0, True)
    box = _box(load_frames(tmp_path / "other.mp4")[15])
    assert box is not None
    x0, y0, x1, y1 = (value / 64 for value in box)
    assert y1 - y0 == pytest.approx(FACE_HEIGHT, abs=0.04)
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx(FACE_CENTRE, abs=0.03)


def test_the_face_takes_the_height_of_the_setting(prepared: tuple[Path, Path], tmp_path: Path) -> None:
    root, out = prepared
    clip = next(clip for clip in read_manifest(out / "clips.csv") if clip.clip == "ann_other")
    corpus = _corpus(root, 128).model_copy(update={"face_height": 0.4})
    write_clip(corpus, clip, out, tmp_path / "small.mp4", _box)
    box = _box(load_frames(tmp_path / "small.mp4")[15])
    assert box is not None and (box[3] - box[1]) / 128 == pytest.approx(0.4, abs=0.02)
    assert (box[1] + box[3]) / 256 == pytest.approx(FACE_CENTRE[1], abs=0.02)


def test_a_trimmed_video_has_the_length_that_players_show(tmp_path: Path) -> None:
    _write_test_video(tmp_path / "whole.mp4", frames=60)
    for name, start, seconds in (("ann", 0.6, 1.2), ("bob", 1.0, 0.8)):
        (tmp_path / "raw" / name).mkdir(parents=True)
        trim(tmp_path / "whole.mp4", tmp_path / "raw" / name / "a.mp4", start, seconds)
    corpus = _corpus(tmp_path / "raw")
    prepare(corpus, tmp_path)
    [clip] = read_manifest(tmp_path / "clips.csv")
    assert (clip.clip, clip.frames, clip.seconds) == ("ann_a", 30, 1.2)
    [rejected] = read_rejected(tmp_path / "rejected.corpus.csv")
    assert rejected.reason.startswith("bob/a.mp4: 0.80 s, shorter than")
    write_clip(corpus, clip, tmp_path, tmp_path / "a.mp4", _box)
    assert probe(tmp_path / "a.mp4").frames == 30 and len(read_audio(tmp_path / "a.mp4")) == 30 * 640


def test_a_silent_video_takes_the_sound_file_of_its_name(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    for name in ("wav", "mp3", "own", "none", "two", "late", "noise"):
        _write_test_video(root / "ann" / f"{name}.mp4", sound=name == "own")
    speech = chirp(1.5)[: 30 * 640]
    for name in ("wav.WAV", "own.wav", "two.wav", "two.flac", "mp3.mp3"):
        write_wav(tmp_path / "speech.wav", speech[: len(speech) - 640 * (name == "wav.WAV")])
        convert(tmp_path / "speech.wav", root / "ann" / name)
    write_wav(root / "ann" / "late.wav", chirp(2.0))
    (root / "ann" / "noise.wav").write_bytes(b"no sound")
    corpus = _corpus(root)
    prepare(corpus, tmp_path)
    reasons = {row.clip: row.reason for row in read_rejected(tmp_path / "rejected.corpus.csv")}
    assert reasons.keys() == {"ann_none", "ann_two", "ann_late", "ann_noise"}
    assert reasons["ann_none"] == (
        "ann/none.mp4: has no sound; give a video with speech, or its sound as none.wav in the same folder"
    )
    assert "several sound files of its name; keep one of two.flac, two.wav" in reasons["ann_two"]
    assert reasons["ann_late"].startswith("ann/late.mp4: 1.20 s, and its sound 2.00 s; give late.wav the length")
    assert "noise.wav: damaged, or not a sound" in reasons["ann_noise"]
    clips = {clip.clip: clip for clip in read_manifest(tmp_path / "clips.csv")}
    for name in ("wav", "mp3", "own"):
        write_clip(corpus, clips[f"ann_{name}"], tmp_path, tmp_path / f"{name}.mp4", _box)
        sound = read_audio(tmp_path / f"{name}.mp4")
        assert len(sound) == 30 * 640 and probe(tmp_path / f"{name}.mp4").frames == 30
        alike = np.corrcoef(sound[1000:15000], speech[1000:15000])[0, 1]
        assert (alike > 0.98) == (name != "own"), alike  # the video's own sound comes before the file's
    assert np.abs(read_audio(tmp_path / "wav.mp4")[-320:]).max() < 0.01  # padded by the frame that the file lacks
    write_wav(root / "ann" / "wav.WAV", speech / 2)
    with pytest.raises(InputError, match="changed since the manifest"):
        write_clip(corpus, clips["ann_wav"], tmp_path, tmp_path / "x.mp4", _box)
    before = clips["ann_own"].sha256
    write_wav(root / "ann" / "own.wav", speech / 2)
    prepare(corpus, tmp_path)
    again = {clip.clip: clip.sha256 for clip in read_manifest(tmp_path / "clips.csv")}
    assert again["ann_own"] == before and again["ann_wav"] != clips["ann_wav"].sha256


def convert(wav: Path, out: Path) -> None:
    """Write a sound file in the format of the suffix of `out`."""
    with av.open(str(wav)) as source, av.open(str(out), "w") as sink:
        codec = {".mp3": "libmp3lame", ".flac": "flac"}.get(out.suffix.lower(), "pcm_s16le")
        stream = sink.add_stream(codec, rate=16000, layout="mono")
        for frame in source.decode(audio=0):
            sink.mux(stream.encode(frame))
        sink.mux(stream.encode(None))


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
        ({"identity": "(.*)/"}, "corpus.folder.people: faces"),
        ({"identity": "(?P<identity>zoe)/"}, "no usable video"),
        ({"identity": "(?P<identity>zoe)?/"}, "matches none of 9 paths, such as 'ann/other.mp4'; write one that does"),
        ({"identity": "(?P<identity>zoe)/"}, "or find the people by their faces with corpus.folder.people: faces"),
        ({"test_list": "/no/such/list"}, "cannot be read"),
    ],
)
def test_bad_settings_are_named(prepared: tuple[Path, Path], tmp_path: Path, keys: dict[str, str], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        prepare(_corpus(prepared[0], **keys), tmp_path)


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        ("# nobody\n", "the test list names no clip; write one a line, or leave out test_list"),
        ("ann_othr\nother\n", r"has no clip 'ann_othr' \(1 of 2 names are unknown\); write names like 'ann_other'"),
        ("mute\nann_short\n", "none of its videos can be used, such as ann_short: .*shorter than min_seconds"),
    ],
)
def test_a_test_list_without_usable_clips_is_an_error(
    prepared: tuple[Path, Path], tmp_path: Path, names: str, fault: str
) -> None:
    (tmp_path / "test.txt").write_text(names)
    with pytest.raises(InputError, match=fault):
        prepare(_corpus(prepared[0], test_list=str(tmp_path / "test.txt")), tmp_path)
    assert not (tmp_path / "clips.csv").exists()


def test_an_error_states_why_no_video_can_be_used(tmp_path: Path) -> None:
    for name in ("ann", "bob"):
        _write_test_video(tmp_path / "raw" / name / "mute.mp4", sound=False)
    with pytest.raises(InputError, match=r"reasons: has no sound \(2\); the first: ann/mute.mp4: has no sound; give"):
        prepare(_corpus(tmp_path / "raw"), tmp_path)


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
    prepare(corpus, tmp_path / "out")
    before = (tmp_path / "out/clips.csv").read_bytes()
    (tmp_path / "out/cuts/of-a-deleted-video.mkv").touch()
    prepare(corpus, tmp_path / "out")  # cut anew, to the same files
    assert (tmp_path / "out/clips.csv").read_bytes() == before
    assert len(list((tmp_path / "out/cuts").iterdir())) == 4
    clips = {clip.clip: clip for clip in read_manifest(tmp_path / "out/clips.csv")}
    assert {name: clip.frames for name, clip in clips.items()} == {
        "me_short-0000": 30,
        "me_talk-0000": 36,
        "me_talk-0001": 37,
        "me_talk-0002": 37,
    }
    assert [name for name, clip in clips.items() if clip.split == "test"] == ["me_short-0000", "me_talk-0001"]
    assert {clip.identity for clip in clips.values()} == {"me"}
    assert [row.clip for row in read_rejected(tmp_path / "out/rejected.corpus.csv")] == ["me_mute"]
    clip = clips["me_talk-0001"]
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
