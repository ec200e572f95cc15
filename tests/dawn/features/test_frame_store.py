"""Packed training clips: the frames and features of the clips' own files, in files that are whole or absent."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from safetensors import safe_open

from dawn.cli import main
from dawn.corpora.manifest import Clip
from dawn.errors import InputError
from dawn.features import frame_store, pack
from dawn.features.clips import ClipStore, clips_of_split
from dawn.features.frame_store import FIELDS, FrameStore
from dawn.media.json_files import read_json, write_json
from dawn.media.tensor_files import load_arrays, save_arrays
from dawn.paths import Paths
from tests.support.packed import LENGTHS, configuration, prepare


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    return prepare(tmp_path_factory.mktemp("corpus"))


def _packed(paths: Paths, store: str) -> tuple[FrameStore, ClipStore]:
    for index in range(2):
        pack.pack(configuration(store), paths, index)
    clips = clips_of_split(paths.dataset, "train")
    return FrameStore(clips, [paths.store(0), paths.store(1)]), ClipStore(clips, paths)


@given(index=st.integers(0, 3), which=st.data())
@examples(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_packed_clips_are_those_of_the_videos(corpus: Paths, index: int, which: st.DataObject) -> None:
    packed, videos = _packed(corpus, "raw")
    length = packed.length(index)
    assert len(packed) == len(videos) == 4 and length == videos.length(index) == [*LENGTHS.values()][index]
    rows = st.one_of(st.lists(st.integers(0, length - 1), min_size=1, max_size=5), st.slices(length))
    chosen = which.draw(rows.filter(lambda rows: not isinstance(rows, slice) or len(range(*rows.indices(length))) > 0))
    assert torch.equal(packed.frames(index, chosen), videos.frames(index, chosen))
    for name in FIELDS:
        assert torch.equal(packed.rows(index, name, chosen), videos.rows(index, name, chosen))
    assert packed.extractor == videos.extractor


def test_jpeg_pictures_are_near_the_frames(corpus: Paths) -> None:
    packed, videos = _packed(corpus, "jpeg")
    for index in range(4):
        error = packed.frames(index).float() - videos.frames(index).float()
        assert 0 < error.square().mean().sqrt() < 2
        assert torch.equal(packed.frames(index, [2]), packed.frames(index)[2:3])
        assert torch.equal(packed.rows(index, "pose"), videos.rows(index, "pose"))
    assert corpus.store(0).stat().st_size < 0.4 * 50 * 3 * 64 * 64


@pytest.mark.parametrize("store", ["raw", "jpeg"])
def test_other_programs_read_packed_files(corpus: Paths, store: str) -> None:
    packed, _ = _packed(corpus, store)
    with safe_open(corpus.store(0), framework="pt") as file:
        assert torch.equal(file.get_slice("pose")[7:38], packed.rows(1, "pose"))
        if store == "raw":
            assert torch.equal(file.get_slice("frames")[7:38], packed.frames(1))
        else:
            assert len(file.get_tensor("frames")) == file.get_tensor("offsets")[-1]


def test_few_files_are_open_at_once(corpus: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    packed, videos = _packed(corpus, "raw")
    monkeypatch.setattr(frame_store, "_OPEN_FILES", 1)
    for index in (0, 3, 1, 3):
        assert torch.equal(packed.frames(index), videos.frames(index))
        assert [file._file >= 0 for file in packed._shards].count(True) == 1


def test_a_file_that_was_replaced_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = prepare(tmp_path)
    packed, videos = _packed(paths, "raw")
    monkeypatch.setattr(frame_store, "_OPEN_FILES", 1)
    packed.frames(0), packed.frames(3)
    pack.pack(configuration("raw"), paths, 0)  # up to date: it stays
    assert torch.equal(packed.frames(0), videos.frames(0))
    packed.frames(3)
    pack.pack(configuration("jpeg"), paths, 0)
    with pytest.raises(InputError, match=r"0\.safetensors: replaced or deleted while it was in use; start again"):
        packed.frames(0)
    assert torch.equal(packed.frames(3), videos.frames(3))


def test_what_is_kept_of_a_clip_is_its_place(tmp_path: Path) -> None:
    """Names of clips, and the headers of files with them, would grow with the corpus in each process that loads."""
    config, sizes = configuration("raw"), []
    for count in (1000, 3000):
        clips = [Clip(f"clip{index:030}", "a", "train", 1, 0.04, "a.mp4", "0" * 64) for index in range(count)]
        with pack.shard_writer(config, clips, "fingerprint", tmp_path / "0.safetensors") as file:
            file.write("frames", count - 1, np.zeros((1, 3, 64, 64), np.uint8))
        sizes.append(len(pickle.dumps(FrameStore(clips, [tmp_path / "0.safetensors"]))))
    assert sizes[1] - sizes[0] <= 2000 * 24 + 64  # three numbers a clip


def test_what_cannot_be_read_is_one_clear_error(tmp_path: Path) -> None:
    paths = prepare(tmp_path)
    _packed(paths, "raw")
    clips = clips_of_split(paths.dataset, "train")
    with pytest.raises(InputError, match=r"1 of 4 clips are not packed, such as d; pack the corpus again"):
        FrameStore(clips, [paths.store(0)])
    with pytest.raises(InputError, match=r"2\.safetensors: no such file; pack the corpus first \(dawn pack\)"):
        FrameStore(clips, [paths.store(0), paths.store(2)])
    content = paths.store(0).read_bytes()
    for damage in (b"", content[:4], content[:100], b"\xff" * 64):
        paths.store(0).write_bytes(damage)
        with pytest.raises(InputError, match=r"0\.safetensors: not a file of packed clips, or damaged"):
            FrameStore(clips, [paths.store(0), paths.store(1)])
    paths.store(0).write_bytes(content[: len(content) // 2])
    truncated = FrameStore(clips, [paths.store(0), paths.store(1)])
    with pytest.raises(InputError, match=r"0\.safetensors: truncated"):
        truncated.frames(2)


def test_features_of_an_earlier_version_are_one_clear_error(tmp_path: Path) -> None:
    paths = prepare(tmp_path)
    clips = clips_of_split(paths.dataset, "train")
    path = paths.clip_features(clips[0].clip)
    arrays, description = load_arrays(path, "features")
    save_arrays(path, {k: v for k, v in arrays.items() if k != "mfcc"}, "features", json.dumps(description))
    with pytest.raises(InputError, match=r"have no 'mfcc'; extract them again \(dawn features\)"):
        ClipStore(clips, paths).rows(0, "mfcc", slice(0, 2))


def test_only_what_changed_is_packed_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = prepare(tmp_path)
    _packed(paths, "raw")
    assert "packing 3 training clips of shard 0 as raw: 50 frames, 1 MB" in capsys.readouterr().err
    _packed(paths, "raw")
    assert "packing" not in capsys.readouterr().err
    report = read_json(paths.shard("features", 1))
    write_json(paths.shard("features", 1), {**report, "files": {"d": "1"}})
    _packed(paths, "raw")
    assert "packing 1 training clips of shard 1" in (error := capsys.readouterr().err) and "shard 0" not in error
    _packed(paths, "jpeg")
    assert "shard 0 as jpeg" in capsys.readouterr().err


def test_packing_that_fails_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = prepare(tmp_path)
    config = tmp_path / "config.yaml"
    config.write_text(configuration("raw").dump(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    shutil.copy(paths.clip("c"), paths.clip("b"))  # 12 frames instead of 31
    assert main(["pack", "--config", str(config), "--shard", "0"]) == 2
    assert "b: 12 frames and features of 31" in capsys.readouterr().err
    (paths.clip_features("a")).unlink()
    assert main(["pack", "--config", str(config), "--shard", "0"]) == 2
    assert "a.safetensors: no such file" in capsys.readouterr().err
    monkeypatch.setattr("dawn.media.files.free_space", lambda folder: 200_300_000)
    assert main(["pack", "--config", str(config), "--shard", "0"]) == 2
    assert "needs 1 MB, and the disk has 200 MB free; make room, set data.store to jpeg" in capsys.readouterr().err
    assert not list(paths.store(0).parent.glob("*"))


def test_a_corpus_can_be_left_unpacked(corpus: Paths) -> None:
    with pytest.raises(InputError, match=r"data\.store is none: training reads the videos"):
        pack.pack(configuration("none"), corpus, 0)
