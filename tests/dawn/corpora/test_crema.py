"""CREMA-D: list, split, and a few videos from publisher to manifest."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path

import av
import pytest

from dawn.config import Corpus, CremaCorpus, load
from dawn.corpora.fetch import RemoteFile
from dawn.corpora.kinds import crema
from dawn.corpora.manifest import read_manifest, read_rejected
from dawn.corpora.prepare import prepare
from tests.support.repository import REPOSITORY


def test_the_list_is_the_publishers() -> None:
    files = crema.listed_files()
    assert len(files) == len({file.name for file in files}) == 7442
    assert len({file.name[:4] for file in files}) == 91
    assert sum(file.size or 0 for file in files) == 2_443_021_141


def test_every_hash_is_that_of_the_pointers(real: Path) -> None:
    with open(real / "metadata/crema_d/lfs_media_inventory.csv", newline="") as stream:
        published = {row["path"]: (row["lfs_sha256"], int(row["bytes"])) for row in csv.DictReader(stream)}
    assert {file.file: (file.sha256, file.size) for file in crema.listed_files()} == {
        path: value for path, value in published.items() if path.startswith("VideoFlash/")
    }


def test_the_split_is_that_of_diffused_heads(real: Path) -> None:
    lines = (real / "metadata/crema_d/diffused_heads_file_list_crema_test.txt").read_text().split()
    actors = load(REPOSITORY / "config/crema128.yaml").corpus.crema.test_actors
    test_names = {file.name for file in crema.listed_files() if int(file.name[:4]) in actors}
    assert test_names == {Path(line).stem for line in lines}
    assert len(test_names) == 820 and len(actors) == 10


def _to_flash(video: Path, out: Path) -> None:
    """Convert a video to the publisher's format: Flash video with MP3 sound, 480 x 360 at 30 fps."""
    with av.open(str(video)) as source, av.open(str(out), "w", format="flv") as sink:
        picture = sink.add_stream("flv1", rate=30)
        picture.width, picture.height, picture.pix_fmt = 480, 360, "yuv420p"
        sound = sink.add_stream("mp3", rate=44100)
        for frame in source.decode(video=0):
            sink.mux(picture.encode(frame.reformat(480, 360, "yuv420p")))
        sink.mux(picture.encode(None))
        source.seek(0)
        for block in source.decode(audio=0):
            sink.mux(sound.encode(block))
        sink.mux(sound.encode(None))


def test_flash_videos_become_a_manifest_with_the_actors(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    for name, source in (("1001_DFA_ANG_XX", "grid_bbaf2n.mpg"), ("1015_DFA_ANG_XX", "grid_brbk7n.mpg")):
        path = tmp_path / "raw/VideoFlash" / f"{name}.flv"
        path.parent.mkdir(parents=True, exist_ok=True)
        _to_flash(real / "clips" / source, path)
        sha = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append(RemoteFile(name, f"VideoFlash/{name}.flv", path.stat().st_size, sha))
    files.append(RemoteFile("1015_IEO_SAD_LO", "VideoFlash/1015_IEO_SAD_LO.flv", 10, "0" * 64))
    monkeypatch.setattr(crema, "listed_files", lambda: tuple(files))
    monkeypatch.setattr(
        crema, "addresses_at", lambda _: lambda batch: {file.name: "the publisher has lost it" for file in batch}
    )
    corpus = Corpus(name="crema", kind="crema", resolution=128, crema=CremaCorpus(root=str(tmp_path / "raw")))
    prepare(corpus, tmp_path / "data")
    clips = read_manifest(tmp_path / "data/clips.csv")
    assert Counter((clip.identity, clip.split) for clip in clips) == {("1001", "train"): 1, ("1015", "test"): 1}
    assert all(70 <= clip.frames <= 76 for clip in clips)  # 3 s at 25 a second
    coverage = json.loads((tmp_path / "data/coverage.json").read_text())
    assert coverage == {"clips": {"listed": 3, "had": 2}, "videos": {"listed": 3, "had": 2}}
    [row] = read_rejected(tmp_path / "data/rejected.corpus.csv")
    assert (row.clip, row.stage, row.reason) == ("1015_IEO_SAD_LO", "fetch", "the publisher has lost it")
