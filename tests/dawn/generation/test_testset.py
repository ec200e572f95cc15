"""The test set: shards and videos generated together give the videos of a single job."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dawn.config import Config
from dawn.corpora.manifest import Clip, write_manifest
from dawn.errors import InputError
from dawn.generation import testset
from dawn.generation.testset import gather_videos, generate_videos
from dawn.media.json_files import read_json
from dawn.media.video import load_frames
from dawn.media.video_writer import write_video
from dawn.paths import Paths
from tests.support.clips import features_of
from tests.support.networks import config, networks

LENGTHS = {"anna_0": 9, "anna_1": 12, "ben_0": 12, "ben_1": 12}  # frames


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A corpus of four test clips of two people, and tiny networks."""
    settings, nets = _settings(1), networks(steps=2)
    paths = Paths.of(settings, tmp_path / "data", tmp_path / "results")
    rng = np.random.default_rng(0)
    clips = []
    for name, frames in LENGTHS.items():
        sound = rng.uniform(-0.5, 0.5, frames * 640).astype(np.float32)
        pictures = rng.integers(0, 256, (frames, 64, 64, 3), dtype=np.uint8)
        write_video(paths.clip(name), pictures, audio=sound)
        features_of(
            frames,
            pose=rng.normal(0, 0.1, (frames, 6)).astype(np.float32),
            blink=rng.uniform(0, 0.4, (frames, 2)).astype(np.float32),
            speech=rng.standard_normal((frames, settings.features.speech.dim)).astype(np.float32),
            face_box=np.tile(np.float32([10, 10, 50, 50]), (frames, 1)),
        ).save(paths.clip_features(name))
        clips.append(Clip(name, name.split("_")[0], "test", frames, frames / 25, name, "0" * 64))
    for manifest in (paths.test, paths.dataset):
        write_manifest(manifest, clips)
    monkeypatch.setattr("dawn.generation.testset.Networks.load", lambda *_, **__: nets)
    return paths


def _settings(shards: int) -> Config:
    settings = config(steps=2)
    return settings.model_copy(update={"evaluate": settings.evaluate.model_copy(update={"shards": shards})})


@pytest.mark.parametrize("method", ["dawn", "other_speech", "still"])
def test_shards_give_the_videos_of_one_job(paths: Paths, method: str) -> None:
    generate_videos(_settings(1), paths, method)
    whole = read_json(paths.videos_report(method))
    paths.videos_report(method).unlink()
    for video in paths.videos(method).glob("*.mp4"):
        video.unlink()
    for shard, written in enumerate((list(LENGTHS)[::2], list(LENGTHS))):
        generate_videos(_settings(2), paths, method, shard)
        assert sorted(path.stem for path in paths.videos(method).glob("*.mp4")) == sorted(written)
        assert not paths.videos_report(method).is_file()
    gather_videos(_settings(2), paths, method)
    assert read_json(paths.videos_report(method)) == whole


def test_a_report_is_gathered_from_the_shards_of_the_present_clips(paths: Paths) -> None:
    generate_videos(_settings(2), paths, "still", 0)
    with pytest.raises(InputError, match=r"generated/still/1\.json: missing; generate the shard \(dawn videos still"):
        gather_videos(_settings(2), paths, "still")
    generate_videos(_settings(2), paths, "still", 1)
    video = paths.videos("still") / "anna_1.mp4"
    content = video.read_bytes()
    video.unlink()
    with pytest.raises(InputError, match=r"anna_1\.mp4: missing, .*\(dawn videos still --shard 1\)"):
        gather_videos(_settings(2), paths, "still")
    video.write_bytes(content)
    gather_videos(_settings(2), paths, "still")
    write_manifest(paths.test, [Clip("new", "new", "test", 5, 0.2, "new", "0" * 64)])
    with pytest.raises(InputError, match="other clips than those of the shards"):
        gather_videos(_settings(2), paths, "still")


def test_videos_generated_together_are_those_of_one_at_a_time(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    generate_videos(_settings(1), paths, "dawn")
    alone = {name: load_frames(paths.videos("dawn") / f"{name}.mp4") for name in LENGTHS}
    monkeypatch.setattr(testset, "videos_at_once", lambda *_: 2)
    generate_videos(_settings(1), paths, "dawn")
    together = {name: read_json(paths.videos("dawn") / f"{name}.json")["together"] for name in LENGTHS}
    assert together == {"anna_0": 1, "anna_1": 2, "ben_0": 2, "ben_1": 1}  # equal lengths, two at most
    for name, frames in alone.items():
        again = load_frames(paths.videos("dawn") / f"{name}.mp4")
        assert again.shape == frames.shape
        assert np.abs(again.astype(int) - frames.astype(int)).mean() < 0.5  # encoding enlarges roundings
    assert np.abs(alone["ben_0"].astype(int) - alone["ben_1"].astype(int)).mean() > 10
