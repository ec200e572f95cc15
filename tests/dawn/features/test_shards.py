"""Preparation of real clips: which are accepted, which rejected and why, through kills, crashes and a full disk."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import shutil
import signal
import time
from collections import Counter, namedtuple
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from tqdm import tqdm

from benchmarks import preparation
from dawn.cli import main
from dawn.config import Config, parse
from dawn.corpora.manifest import Clip, read_manifest, read_rejected
from dawn.corpora.prepare import prepare
from dawn.errors import InputError
from dawn.features import worker
from dawn.features.dataset import gather
from dawn.features.disk_space import bytes_needed, check_corpus_space
from dawn.features.pack import pack
from dawn.features.shards import Stage, make_clips, make_features, run_stage, shard_of
from dawn.features.worker import WriteClip
from dawn.media.audio import read_audio
from dawn.media.files import sha256_file
from dawn.media.json_files import read_json
from dawn.media.video_writer import write_video
from dawn.paths import Paths
from tests.support import forked, packed
from tests.support.listings import listed_folders

PEOPLE = r"^(?P<identity>grid|hdtf_WDA_[A-Za-z]+|mead_M\d+|obama|retalking_face\d|[a-z]+)"


def _config(root: Path, **prepare: object) -> Config:
    folder = {"root": str(root), "identity": PEOPLE, "min_seconds": 1}
    corpus = {"name": "real", "kind": "folder", "resolution": 64, "shards": 1, "folder": folder}
    return parse({"name": "real", "corpus": corpus, "prepare": prepare})


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def videos(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starts of three usable real clips, and one without a face."""
    root = tmp_path_factory.mktemp("videos")
    for name in ("grid_bbaf2n", "grid_lbax4n", "grid_pwij3p"):
        _cut_start(real / "clips" / f"{name}.mpg", root / f"{name}.mpg", 1.6)
    sound = read_audio(root / "grid_bbaf2n.mpg")[:32000]
    write_video(root / "wall.mp4", [np.full((96, 96, 3), 90, np.uint8)] * 50, audio=sound)
    return root


@pytest.fixture(scope="module")
def prepared(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder `data` of these clips, prepared without interruption."""
    data = tmp_path_factory.mktemp("prepared") / "data"
    config = _config(videos)
    paths = Paths.of(config, data=data)
    prepare(config.corpus, paths.corpus)
    for step in (make_clips, make_features):
        step(config, paths, 0)
    gather(config, paths)
    return data


def _command(folder: Path, *arguments: str) -> None:
    """The command ``dawn`` in `folder`, for a process that :mod:`tests.support.forked` started."""
    os.chdir(folder)
    worker.CONTEXT = multiprocessing.get_context("fork")
    tqdm.monitor_interval = 0  # no thread, which a fork might leave with a lock
    raise SystemExit(main([*arguments]))


def _killed(folder: Path, *arguments: str, when: Path) -> None:
    """Run a command in `folder`, and kill it as soon as it has added a line to its journal `when`."""

    def lines() -> int:
        return when.read_text().count("\n") if when.exists() else 0

    before = max(lines(), 1)  # the header
    process = forked.start(_command, folder, *arguments)
    while process.is_alive() and lines() <= before:
        time.sleep(0.02)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.slow
def test_preparation_killed_three_times_gives_the_same_bytes(videos: Path, prepared: Path, tmp_path: Path) -> None:
    config = _config(videos)
    (tmp_path / "config.yaml").write_text(config.dump())
    paths = Paths.of(config, data=tmp_path / "data")
    shutil.copytree(prepared / "real", paths.corpus, ignore=shutil.ignore_patterns("64", "rejected.csv"))
    shard = ["--config", "config.yaml", "--shard", "0"]
    for step, kills in (("clips", 2), ("features", 1)):
        for _ in range(kills):
            _killed(tmp_path, step, *shard, when=paths.shard(step, 0).with_suffix(".journal"))
            assert not paths.shard(step, 0).exists()
        if step == "clips":
            first = min(paths.clips.glob("*/*.mp4"), key=lambda path: path.stat().st_mtime_ns)
            written = first.stat().st_mtime_ns
            left = (paths.clips if step == "clips" else paths.features) / ".shard-0"
            left.mkdir(exist_ok=True)
            (left / ".grid_lbax4n.1.mp4").write_bytes(b"partial")
        process = forked.start(_command, tmp_path, step, *shard, stderr=tmp_path / "stderr")
        process.join()
        assert process.exitcode == 0, (tmp_path / "stderr").read_text()
    assert first.stat().st_mtime_ns == written  # nothing is written twice
    gather(config, paths)
    assert _digests(tmp_path / "data") == _digests(prepared)
    assert [row.clip for row in read_rejected(paths.rejected)] == ["wall"]


@contextlib.contextmanager
def fragile(folder: Path) -> Iterator[WriteClip]:
    def write(clip: Clip, out: Path) -> None:
        if clip.clip == "grid_lbax4n":
            os.kill(os.getpid(), signal.SIGABRT)
        shutil.copy(folder / clip.source, out)

    yield write


def test_a_clip_that_crashes_its_process_is_rejected_in_the_report(
    videos: Path, prepared: Path, tmp_path: Path
) -> None:
    config = _config(videos)
    paths = Paths.of(config, data=tmp_path)
    jobs = [(clip, clip.sha256) for clip in read_manifest(prepared / "real" / "clips.csv")]
    stage = Stage("clips", paths, 0, "settings")
    run_stage(config, stage, jobs, functools.partial(fragile, videos))
    report = read_json(paths.shard("clips", 0))
    assert set(report["files"]) == {"grid_bbaf2n", "grid_pwij3p", "wall"}
    [row] = report["rejected"]
    assert (row["clip"], row["stage"]) == ("grid_lbax4n", "clips") and "SIGABRT" in row["reason"]
    assert sorted(path for path in paths.prepared.rglob("*.mp4")) == sorted(map(paths.clip, report["files"]))


def test_a_shard_lists_no_folder_that_others_write_to(tmp_path: Path) -> None:
    """With n clips in m shards, it would otherwise look at n names m times."""
    config, paths = packed.configuration("raw"), packed.prepare(tmp_path / "corpus")
    clips = [clip for clip in read_manifest(paths.manifest) if clip.split == "train"]
    made = Paths.of(config, tmp_path / "data")
    stage = Stage("clips", made, 0, "settings")
    writer = functools.partial(copying, paths)
    with listed_folders() as listed:
        for count in (2, 4, 4):  # made, continued, and with nothing to do
            run_stage(config, stage, [(clip, clip.sha256) for clip in clips[:count]], writer)
        pack(config, paths, 0)
    assert not [folder for folder in listed if folder.is_relative_to(tmp_path)]
    left = {path.name for path in made.prepared.rglob("*") if path.is_file()}
    assert left == {"a.mp4", "b.mp4", "c.mp4", "d.mp4", "clips-0.journal", "clips-0.json"}


@contextlib.contextmanager
def copying(paths: Paths) -> Iterator[WriteClip]:
    def write(clip: Clip, out: Path) -> None:
        shutil.copy(paths.clip(clip.clip), out)

    yield write


def test_files_of_an_earlier_version_are_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It wrote the clips into the folder of their resolution, and the features into one folder."""
    config, paths = packed.configuration("raw"), packed.prepare(tmp_path / "corpus")
    clips = [clip for clip in read_manifest(paths.manifest) if clip.split == "train"]
    jobs = [(clip, clip.sha256) for clip in clips]
    made = Paths.of(config, tmp_path / "data")
    stages = [
        Stage("clips", made, 0, "settings"),
        Stage("features", made, 0, "settings"),
    ]
    writers = [functools.partial(copying, paths), functools.partial(copying_features, paths)]
    for stage, writer in zip(stages, writers, strict=True):
        run_stage(config, stage, jobs, writer)
    content = {stage.name: _digests(stage.folder) for stage in stages}
    reports = {stage.name: read_json(stage.report) for stage in stages}
    for stage in stages:
        for clip in clips:
            stage.target(clip.clip).rename(stage.former_folder / stage.target(clip.clip).name)
    capsys.readouterr()
    monkeypatch.setattr(worker.Worker, "write", lambda *_: pytest.fail("written again"))
    for stage, writer in zip(stages, writers, strict=True):
        run_stage(config, stage, jobs, writer)
        assert f"{stage.former_folder}: moved 4 files into the folders of {stage.folder}" in (capsys.readouterr().err)
        assert _digests(stage.folder) == content[stage.name]
        assert read_json(stage.report) == reports[stage.name]


@contextlib.contextmanager
def copying_features(paths: Paths) -> Iterator[WriteClip]:
    def write(clip: Clip, out: Path) -> None:
        shutil.copy(paths.clip_features(clip.clip), out)

    yield write


def test_an_added_video_is_the_only_one_prepared(videos: Path, real: Path, tmp_path: Path) -> None:
    """It is the first of the manifest, and named like the videos of the others. The other shard stays packed."""
    root = tmp_path / "raw"
    for name in ("grid_bbaf2n", "grid_lbax4n", "grid_pwij3p"):
        (root / name).mkdir(parents=True)
        shutil.copy(videos / f"{name}.mpg", root / name / "take.mpg")
    folder = {"root": str(root), "identity": r"^(?P<identity>[^/]+)/", "test_fraction": 0}
    corpus = {"name": "real", "kind": "folder", "resolution": 64, "shards": 2, "folder": folder}
    config = parse({"name": "real", "corpus": corpus})
    paths = Paths.of(config, data=tmp_path / "data")

    def prepare_all() -> dict[str, tuple[int, int, str]]:
        prepare(config.corpus, paths.corpus)
        for step in (make_clips, make_features, pack):
            for shard in (0, 1):
                step(config, paths, shard)
        gather(config, paths)
        files = [*paths.clips.glob("*/*.mp4"), *paths.features.glob("*/*.safetensors")]
        files += [paths.store(shard) for shard in (0, 1)]
        return {path.name: (path.stat().st_ino, path.stat().st_size, sha256_file(path)) for path in files}

    before = prepare_all()
    (root / "anna").mkdir()
    _cut_start(real / "clips" / "grid_id2_vcd_swwp2s.mpg", root / "anna/take.mpg", 1.6)
    after = prepare_all()
    assert [clip.clip for clip in read_manifest(paths.dataset)] == [
        "anna_take", "grid_bbaf2n_take", "grid_lbax4n_take", "grid_pwij3p_take",
    ]  # fmt: skip
    assert set(after) - set(before) == {"anna_take.mp4", "anna_take.safetensors"}
    packed = f"{shard_of('anna_take', 2)}.safetensors"
    assert {name: after[name] for name in before if name != packed} == {
        name: before[name] for name in before if name != packed
    }
    assert after[packed] != before[packed]


def test_another_number_of_shards_place_or_split_prepares_nothing_anew(
    videos: Path, prepared: Path, tmp_path: Path
) -> None:
    shutil.copytree(prepared, tmp_path / "data")
    shutil.copytree(videos, tmp_path / "moved")
    config = _config(videos)
    digest = read_json(Paths.of(config, data=tmp_path / "data").dataset.with_suffix(".json"))["digest"]
    folder = config.corpus.folder.model_copy(update={"root": str(tmp_path / "moved"), "test_fraction": 0.5})
    corpus = config.corpus.model_copy(update={"shards": 3, "folder": folder})
    config = config.model_copy(update={"corpus": corpus})
    paths = Paths.of(config, data=tmp_path / "data")
    files = [*paths.clips.glob("*/*.mp4"), *paths.features.glob("*/*.safetensors")]
    before = {path: path.stat().st_mtime_ns for path in files}
    prepare(config.corpus, paths.corpus)
    for step in (make_clips, make_features):
        for shard in range(3):
            step(config, paths, shard)
    gather(config, paths)
    assert {path: path.stat().st_mtime_ns for path in files} == before
    assert read_json(paths.dataset.with_suffix(".json"))["digest"] == digest
    assert [row.clip for row in read_rejected(paths.rejected)] == ["wall"]


def test_shards_are_nearly_equal_and_fixed() -> None:
    clips = [f"id{person:05d}_{take}" for person in range(1000) for take in range(10)]
    sizes = Counter(shard_of(clip, 16) for clip in clips)
    assert sorted(sizes) == list(range(16)) and max(sizes.values()) < 1.2 * 10000 / 16
    assert [shard_of(clip, 16) for clip in clips[:5]] == [10, 7, 2, 15, 6]


def test_each_command_ends_with_a_line_of_counts(
    videos: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "raw"
    shutil.copytree(videos, root)
    for name in ("grid_mute", "grid_mute2"):
        write_video(root / f"{name}.mp4", [np.full((64, 64, 3), 90, np.uint8)] * 30)
    shutil.copytree(prepared, tmp_path / "data")
    config = _config(root)
    (tmp_path / "config.yaml").write_text(config.dump())
    monkeypatch.chdir(tmp_path)

    def printed(step: str, *shard: str) -> list[str]:
        assert main([step, "--config", "config.yaml", *shard]) == 0
        return capsys.readouterr().out.splitlines()

    silent = "2 rejected (data/real/rejected.corpus.csv): has no sound (2)"
    assert printed("corpus") == [f"data/real/clips.csv: 4 clips of 2 people, 0.002 hours (3 train, 1 test); {silent}"]
    report = "1 rejected (data/real/64/shards/clips-0.json): a face in N of N frames searched (1)"
    clips = "data/real/64/clips: shard 0 of 1, 3 clips of 1 person, 0.0014 hours"
    assert printed("clips", "--shard", "0") == [f"{clips}; {report}"]
    features = clips.replace("64/clips:", "64/features:")
    assert printed("features", "--shard", "0") == [f"{features}; none rejected"]
    [line] = printed("pack", "--shard", "0")
    packed = "data/real/64/store/0.safetensors: 3 clips of 1 person, 0.0014 hours for training, "
    assert line.startswith(packed) and line.endswith("2 MB")
    [line] = printed("dataset")
    assert line.startswith("data/real/64/dataset.csv: 3 clips of 1 person, 0.0014 hours (3 train, 0 test); 3 rejected")
    assert line.endswith("(data/real/rejected.csv): has no sound (2), a face in N of N frames searched (1)")


def test_a_full_disk_is_an_input_error_before_anything_is_written(
    videos: Path,
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("dawn.media.files.shutil.disk_usage", lambda _: usage(10**9, 10**9 - 10**6, 10**6))
    config = _config(videos)
    (tmp_path / "config.yaml").write_text(config.dump())
    monkeypatch.chdir(tmp_path)
    assert main(["corpus", "--config", "config.yaml"]) == 2
    assert not list(tmp_path.glob("data/**/*.csv"))
    message = capsys.readouterr().err
    assert "data/real/64: preparing 4 clips needs" in message and "the disk has 1 MB free" in message
    for step in ("clips", "features"):
        paths = Paths.of(config, data=prepared)
        before = _digests(prepared)
        with pytest.raises(InputError, match=f"{step} of shard 0 needs"):
            {"clips": make_clips, "features": make_features}[step](config, paths, 0)
        assert _digests(prepared) == before
    check_corpus_space(
        _config(videos, check_disk=False), Paths.of(config), read_manifest(prepared / "real" / "clips.csv")
    )


def test_disk_space_is_estimated_closely_from_above(videos: Path, prepared: Path) -> None:
    config = _config(videos)
    paths = Paths.of(config, data=prepared)
    clips = read_manifest(paths.dataset)
    frames = sum(clip.frames for clip in clips)
    for stage, folder, least in (("clips", paths.clips, 0.2), ("features", paths.features, 0.9)):
        names = {clip.clip for clip in clips}
        used = sum(path.stat().st_size for path in folder.rglob("*") if path.stem in names)
        assert least < used / bytes_needed(config, frames, len(clips), stage) <= 1


@pytest.mark.slow
def test_real_clips_are_accepted_or_rejected_as_a_person_would(real: Path, tmp_path: Path) -> None:
    """The starts of all real clips, and typical unusable files."""
    root = tmp_path / "raw"
    root.mkdir()
    speaking = {path.stem for path in (real / "clips").glob("grid_*.mpg")}
    speaking |= {"hdtf_WDA_TedLieu_256_60s", "obama_450_20s", "retalking_face4", "retalking_face5"}
    for path in (real / "clips").iterdir():
        if path.stem in speaking:
            _cut_start(path, root / path.name, 1.1)
        else:
            shutil.copy(path, root)
    whole = (real / "clips" / "retalking_face5.mp4").read_bytes()
    (root / "torn.mp4").write_bytes(whole[: len(whole) // 2])
    (root / "zero.mp4").write_bytes(b"")
    (root / "page.mp4").write_bytes(b"<html>Sign in to confirm your age</html>")
    _cut_start(real / "clips" / "obama_450_20s.mp4", root / "moment.mp4", 0.4)
    sound = read_audio(real / "clips" / "hdtf_WDA_AmyKlobuchar_256.wav")[:32000]
    dog = cv2.cvtColor(cv2.imread(str(real / "portraits" / "negative_dog.jpg")), cv2.COLOR_BGR2RGB)
    landscape = np.repeat(np.linspace(0, 255, 128, dtype=np.uint8)[:, None, None], 128, 1).repeat(3, 2)
    for name, picture in (("dog", dog), ("landscape", landscape)):
        write_video(root / f"{name}.mp4", [np.asarray(picture, np.uint8)] * 26, audio=sound[: 26 * 640])

    config = _config(root)
    paths = Paths.of(config, data=tmp_path / "data")
    prepare(config.corpus, paths.corpus)
    for step in (make_clips, make_features):
        step(config, paths, 0)
    gather(config, paths)
    reasons = {row.clip: row.reason for row in read_rejected(paths.rejected)}
    accepted = {clip.clip for clip in read_manifest(paths.dataset)}
    assert accepted == speaking | {"hdtf_WDA_AmyKlobuchar_256"}  # whose sound is a file beside it
    expected = {
        "hdtf_WDA_AOC_256_silent": "has no sound",
        "mead_M030_front_neutral_level1_001_silent": "has no sound",
        "torn": "damaged",
        "zero": "the file is empty",
        "page": "not a video",
        "moment": "shorter than min_seconds",
        "dog": "a second detector finds no face",
        "landscape": "a face in 0 of",
    }
    assert set(reasons) == set(expected)
    for name, words in expected.items():
        assert words in reasons[name], name


def _cut_start(source: Path, out: Path, seconds: float) -> None:
    """Copy the packets of the first seconds of a video."""
    with av.open(str(source)) as container, av.open(str(out), "w") as sink:
        streams = {
            s.index: sink.add_stream_from_template(s) for s in (container.streams.video[0], container.streams.audio[0])
        }
        for packet in container.demux(*(container.streams[index] for index in streams)):
            if packet.dts is not None and packet.dts * packet.time_base < seconds:
                packet.stream = streams[packet.stream.index]
                sink.mux(packet)


def test_the_benchmark_compares_both_ways_of_preparation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "_SECONDS", 0.8)
    table = preparation.compare(people=1, resolution=64, videos=None, processes=1)
    assert table.frames.tolist() == [20, 20] and (table.seconds > 0).all() and table.times_faster[0] == 1
