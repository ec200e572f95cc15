"""Preparation of real clips: what is taken, what is not and why, through kills, crashes and a full disk."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from benchmarks.dawn import preparation
from dawn.cli import main
from dawn.config import Config, parse
from dawn.corpora.manifest import Clip, read_manifest, read_rejected
from dawn.corpora.prepare import prepare
from dawn.errors import InputError
from dawn.features.dataset import gather
from dawn.features.disk_space import check_corpus, needed
from dawn.features.shards import _each, _Stage, make_clips, make_features
from dawn.features.worker import Make
from dawn.media.audio import read_audio
from dawn.media.files import sha256_file
from dawn.media.json_files import read_json
from dawn.media.video_writer import write_video
from dawn.paths import Paths

PEOPLE = r"^(?P<identity>grid|hdtf_WDA_[A-Za-z]+|mead_M\d+|obama|retalking_face\d|[a-z]+)"


def _config(root: Path, **prepare: object) -> Config:
    folder = {"root": str(root), "identity": PEOPLE, "min_seconds": 1}
    corpus = {"name": "real", "kind": "folder", "resolution": 64, "shards": 1, "folder": folder}
    return parse({"name": "real", "corpus": corpus, "prepare": prepare})


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def few(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three real clips that can be used and one that nobody can."""
    root = tmp_path_factory.mktemp("few")
    for name in ("grid_bbaf2n", "grid_lbax4n", "grid_pwij3p"):
        shutil.copy(real / "clips" / f"{name}.mpg", root)
    sound = read_audio(root / "grid_bbaf2n.mpg")[:32000]
    write_video(root / "wall.mp4", [np.full((96, 96, 3), 90, np.uint8)] * 50, audio=sound)
    return root


@pytest.fixture(scope="module")
def undisturbed(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder `data` of these clips, made in one go."""
    data = tmp_path_factory.mktemp("undisturbed") / "data"
    config = _config(few)
    paths = Paths.of(config, data=data)
    prepare(config.corpus, paths.corpus)
    for step in (make_clips, make_features):
        step(config, paths, 0)
    gather(config, paths)
    return data


def _killed(command: list[str], folder: Path, when: Path) -> None:
    """Run a command in `folder`, and kill it as soon as it has added a line to its journal `when`."""

    def lines() -> int:
        return when.read_text().count("\n") if when.exists() else 0

    before = max(lines(), 1)  # a line for the cause
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
    while process.poll() is None and lines() <= before:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_killed_three_times_it_ends_with_the_same_bytes(few: Path, undisturbed: Path, tmp_path: Path) -> None:
    config = _config(few)
    (tmp_path / "config.yaml").write_text(config.dump())
    dawn = [sys.executable, "-m", "dawn.cli"]
    paths = Paths.of(config, data=tmp_path / "data")
    shutil.copytree(undisturbed / "real", paths.corpus, ignore=shutil.ignore_patterns("64", "rejected.csv"))
    shard = ["--config", "config.yaml", "--shard", "0"]
    for step, kills in (("clips", 2), ("features", 1)):
        for _ in range(kills):
            _killed([*dawn, step, *shard], tmp_path, paths.shard(step, 0).with_suffix(".journal"))
            assert not paths.shard(step, 0).exists()
        if step == "clips":
            first = min(paths.clips.glob("*.mp4"), key=lambda path: path.stat().st_mtime_ns)
            written = first.stat().st_mtime_ns
            (paths.clips / ".grid_lbax4n.1.mp4").write_bytes(b"begun")
        done = subprocess.run([*dawn, step, *shard], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert first.stat().st_mtime_ns == written  # nothing is made twice
    gather(config, paths)
    assert _digests(tmp_path / "data") == _digests(undisturbed)
    assert [row.clip for row in read_rejected(paths.rejected)] == ["wall"]


@contextlib.contextmanager
def fragile(folder: Path) -> Iterator[Make]:
    def make(clip: Clip, out: Path) -> None:
        if clip.clip == "grid_lbax4n":
            os.kill(os.getpid(), signal.SIGABRT)
        shutil.copy(folder / clip.source, out)

    yield make


def test_a_clip_that_crashes_its_reader_is_a_row_of_the_report(few: Path, undisturbed: Path, tmp_path: Path) -> None:
    config = _config(few)
    paths = Paths.of(config, data=tmp_path)
    items = [(clip, clip.sha256) for clip in read_manifest(undisturbed / "real" / "clips.csv")]
    paths.clips.mkdir(parents=True)
    stage = _Stage("clips", paths, 0, paths.clips, ".mp4", "settings")
    _each(config, stage, items, functools.partial(fragile, few))
    report = read_json(paths.shard("clips", 0))
    assert set(report["files"]) == {"grid_bbaf2n", "grid_pwij3p", "wall"}
    [row] = report["rejected"]
    assert (row["clip"], row["stage"]) == ("grid_lbax4n", "clips") and "SIGABRT" in row["reason"]
    assert sorted(path.name for path in paths.clips.iterdir()) == [
        "grid_bbaf2n.mp4",
        "grid_pwij3p.mp4",
        "shards",
        "wall.mp4",
    ]


def test_one_more_video_is_all_that_is_made(few: Path, real: Path, tmp_path: Path) -> None:
    """It comes first in the manifest, so that every other clip changes its shard."""
    root = tmp_path / "raw"
    shutil.copytree(few, root, ignore=shutil.ignore_patterns("wall.mp4"))
    config = _config(root)
    config = config.model_copy(update={"corpus": config.corpus.model_copy(update={"shards": 2})})
    paths = Paths.of(config, data=tmp_path / "data")

    def prepared() -> dict[str, tuple[int, str]]:
        prepare(config.corpus, paths.corpus)
        for step in (make_clips, make_features):
            for shard in (0, 1):
                step(config, paths, shard)
        gather(config, paths)
        files = [*paths.clips.glob("*.mp4"), *paths.features.glob("*.safetensors")]
        return {path.name: (path.stat().st_mtime_ns, sha256_file(path)) for path in files}

    before = prepared()
    shutil.copy(real / "clips" / "grid_id2_vcd_swwp2s.mpg", root / "first.mpg")
    after = prepared()
    assert [clip.clip for clip in read_manifest(paths.dataset)] == [
        "first", "grid_bbaf2n", "grid_lbax4n", "grid_pwij3p",
    ]  # fmt: skip
    assert set(after) - set(before) == {"first.mp4", "first.safetensors"}
    assert {name: after[name] for name in before} == before


def test_a_disk_without_room_is_refused_before_anything_is_made(
    few: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("dawn.features.disk_space.shutil.disk_usage", lambda _: usage(10**9, 10**9 - 10**6, 10**6))
    config = _config(few)
    (tmp_path / "config.yaml").write_text(config.dump())
    monkeypatch.chdir(tmp_path)
    assert main(["corpus", "--config", "config.yaml"]) == 2
    assert not list(tmp_path.glob("data/**/*.csv"))
    said = capsys.readouterr().err
    assert "data/real/64: preparing 4 clips takes about" in said and "the disk has 1 MB" in said
    for step in ("clips", "features"):
        paths = Paths.of(config, data=undisturbed)
        before = _digests(undisturbed)
        with pytest.raises(InputError, match=f"{step} of shard 0 takes about"):
            {"clips": make_clips, "features": make_features}[step](config, paths, 0)
        assert _digests(undisturbed) == before
    check_corpus(_config(few, check_disk=False), Paths.of(config), read_manifest(undisturbed / "real" / "clips.csv"))


def test_room_is_estimated_from_above_and_not_by_much(few: Path, undisturbed: Path) -> None:
    config = _config(few)
    paths = Paths.of(config, data=undisturbed)
    clips = read_manifest(paths.dataset)
    frames = sum(clip.frames for clip in clips)
    for stage, folder, least in (("clips", paths.clips, 0.2), ("features", paths.features, 0.9)):
        names = {clip.clip for clip in clips}
        used = sum(path.stat().st_size for path in folder.iterdir() if path.stem in names)
        assert least < used / needed(config, frames, len(clips), stage) <= 1


def test_every_real_clip_is_taken_or_refused_as_a_person_would(real: Path, tmp_path: Path) -> None:
    """Everything in the folder of real clips (of the two long ones 3 s), and what goes wrong in the wild."""
    root = tmp_path / "raw"
    root.mkdir()
    for path in (real / "clips").iterdir():
        if path.stem in ("hdtf_WDA_TedLieu_256_60s", "obama_450_20s"):
            _beginning(path, root / path.name, 3.0)
        else:
            shutil.copy(path, root)
    whole = (root / "retalking_face5.mp4").read_bytes()
    (root / "torn.mp4").write_bytes(whole[: len(whole) // 2])
    (root / "zero.mp4").write_bytes(b"")
    (root / "page.mp4").write_bytes(b"<html>Sign in to confirm your age</html>")
    _beginning(real / "clips" / "obama_450_20s.mp4", root / "moment.mp4", 0.4)
    sound = read_audio(real / "clips" / "hdtf_WDA_AmyKlobuchar_256.wav")[:32000]
    dog = cv2.cvtColor(cv2.imread(str(real / "portraits" / "negative_dog.jpg")), cv2.COLOR_BGR2RGB)
    landscape = np.repeat(np.linspace(0, 255, 128, dtype=np.uint8)[:, None, None], 128, 1).repeat(3, 2)
    for name, picture in (("dog", dog), ("landscape", landscape)):
        write_video(root / f"{name}.mp4", [np.asarray(picture, np.uint8)] * 50, audio=sound)

    config = _config(root)
    paths = Paths.of(config, data=tmp_path / "data")
    prepare(config.corpus, paths.corpus)
    for step in (make_clips, make_features):
        step(config, paths, 0)
    gather(config, paths)
    reasons = {row.clip: row.reason for row in read_rejected(paths.rejected)}
    taken = {clip.clip for clip in read_manifest(paths.dataset)}
    speaking = {path.stem for path in (real / "clips").glob("grid_*.mpg")}
    speaking |= {"hdtf_WDA_TedLieu_256_60s", "obama_450_20s", "retalking_face4", "retalking_face5"}
    assert taken == speaking
    expected = {
        "hdtf_WDA_AmyKlobuchar_256": "has no sound",
        "hdtf_WDA_AOC_256_silent": "has no sound",
        "mead_M030_front_neutral_level1_001_silent": "has no sound",
        "torn": "damaged",
        "zero": "the file is empty",
        "page": "not a video",
        "moment": "shorter than min_seconds",
        "dog": "a second detector sees no face",
        "landscape": "a face in 0 of",
    }
    assert set(reasons) == set(expected)
    for name, words in expected.items():
        assert words in reasons[name], name


def _beginning(source: Path, out: Path, seconds: float) -> None:
    """The packets of the first seconds of a video, as they are."""
    with av.open(str(source)) as have, av.open(str(out), "w") as want:
        streams = {s.index: want.add_stream_from_template(s) for s in (have.streams.video[0], have.streams.audio[0])}
        for packet in have.demux(*(have.streams[index] for index in streams)):
            if packet.dts is not None and packet.dts * packet.time_base < seconds:
                packet.stream = streams[packet.stream.index]
                want.mux(packet)


def test_the_benchmark_prepares_in_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "_SECONDS", 0.8)
    table = preparation.compare(people=1, resolution=64, videos=None, processes=1)
    assert table.frames.tolist() == [20, 20] and (table.seconds > 0).all() and table.times_faster[0] == 1
