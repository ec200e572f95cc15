"""Opening of training clips: packed from the present files, on a local disk on request."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dawn.config import parse
from dawn.corpora.manifest import read_manifest, write_manifest
from dawn.errors import InputError
from dawn.features.clips import ClipStore
from dawn.features.frame_store import FrameStore
from dawn.features.pack import pack
from dawn.media import tensor_files
from dawn.media.json_files import read_json, write_json
from dawn.training import training_clips as module
from dawn.training.training_clips import training_clips, validation_clips
from tests.support.packed import LENGTHS, configuration, prepare


def test_training_reads_what_was_packed_from_the_present_files(tmp_path: Path) -> None:
    config, paths = configuration("raw"), prepare(tmp_path)
    with pytest.raises(InputError, match=r"0\.safetensors: no such file; pack the corpus first"):
        training_clips(config, paths)
    for index in range(2):
        pack(config, paths, index)
    packed, videos = training_clips(config, paths), training_clips(configuration("none"), paths)
    assert isinstance(packed, FrameStore) and isinstance(videos, ClipStore)
    assert torch.equal(packed.frames(1), videos.frames(1))
    with pytest.raises(InputError, match=r"0\.safetensors: packed from other files or settings"):
        training_clips(configuration("jpeg"), paths)
    report = read_json(paths.shard("clips", 1))
    write_json(paths.shard("clips", 1), {**report, "files": {"d": "1"}})
    with pytest.raises(InputError, match=r"1\.safetensors: packed from other.*dawn pack --shard 1"):
        training_clips(config, paths)


def test_each_packed_file_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, paths = configuration("raw"), prepare(tmp_path)
    for index in range(2):
        pack(config, paths, index)
    opened = []
    read = tensor_files._header
    monkeypatch.setattr(tensor_files, "_header", lambda file: opened.append(file) or read(file))
    training_clips(config, paths)
    assert len(opened) == 2


def test_packed_clips_are_copied_once_to_a_local_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = prepare(tmp_path)
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch"))
    config = configuration("raw", cache="$SCRATCH/dawn")
    for index in range(2):
        pack(config, paths, index)
    folder = tmp_path / "scratch/dawn/drawn-64"
    monkeypatch.setattr("dawn.media.files.free_space", lambda _: 1000)
    with pytest.raises(InputError, match=r"copying the packed clips needs 1 MB.*leave out data\.cache"):
        training_clips(config, paths)
    monkeypatch.undo()
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch"))
    first = training_clips(config, paths)
    copies = sorted(folder.glob("*.safetensors"))
    assert len(copies) == 2 and not list(folder.glob(".*.safetensors"))
    for index in range(2):  # they are what is read
        paths.store(index).write_bytes(paths.store(index).read_bytes()[:4000])
    monkeypatch.setattr(module.shutil, "copyfile", lambda *_: pytest.fail("copied again"))
    assert torch.equal(training_clips(config, paths).frames(2), first.frames(2))
    with pytest.raises(InputError, match=r"data\.cache: '\$UNSET/x' has a variable that is not set"):
        training_clips(configuration("raw", cache="$UNSET/x"), paths)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file is a file, not a folder"):
        training_clips(configuration("raw", cache=str(tmp_path / "file/x")), paths)


def test_a_copy_of_what_was_packed_anew_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths, folder = prepare(tmp_path), tmp_path / "scratch/drawn-64"
    config = configuration("raw", cache=str(tmp_path / "scratch"))
    for index in range(2):
        pack(config, paths, index)
    training_clips(config, paths)
    before = {path.name for path in folder.glob("*.safetensors")}
    (folder / "mine.safetensors").touch()
    assert "deleted" not in capsys.readouterr().err
    report = read_json(paths.shard("clips", 0))
    write_json(paths.shard("clips", 0), {**report, "files": dict.fromkeys(report["files"], "1")})
    pack(config, paths, 0)
    clips = training_clips(config, paths)
    after = {path.name for path in folder.glob("*.safetensors")}
    [deleted] = before - after
    said = f"{folder}: deleted copies of clips that were packed anew since, 1 MB: {deleted}\n"
    assert deleted.startswith("0-") and said in capsys.readouterr().err
    assert "mine.safetensors" in after and len(after) == 3
    assert torch.equal(clips.frames(1), training_clips(configuration("raw"), paths).frames(1))


@pytest.mark.parametrize("store", ["raw", "none"])
def test_training_and_validation_divide_the_training_split(store: str, tmp_path: Path) -> None:
    paths = prepare(tmp_path)
    for index in range(2):
        pack(configuration("raw"), paths, index)

    def lengths(fraction: float) -> tuple[list[int], list[int]]:
        """Of the clips for training and for validation; each clip of the corpus has another."""
        tree = configuration(store).model_dump()
        tree["data"]["validation_fraction"] = fraction
        opened = [choose(parse(tree), paths) for choose in (training_clips, validation_clips)]
        trained, held_out = ([clips.length(index) for index in range(len(clips))] for clips in opened)
        return trained, held_out

    for fraction, count in ((0.01, 1), (0.5, 2), (0.99, 3)):
        trained, held_out = lengths(fraction)
        assert len(held_out) == count and sorted(trained + held_out) == sorted(LENGTHS.values())
    assert set(lengths(0.5)[1]) > set(lengths(0.25)[1])


def test_without_the_key_training_has_every_clip(tmp_path: Path) -> None:
    config, paths = configuration("none"), prepare(tmp_path)
    clips = training_clips(config, paths)
    assert [clips.length(index) for index in range(len(clips))] == list(LENGTHS.values())


def test_one_clip_cannot_be_divided(tmp_path: Path) -> None:
    paths = prepare(tmp_path)
    clips = [clip for clip in read_manifest(paths.dataset) if clip.clip in ("a", "test")]
    write_manifest(paths.dataset, clips)
    tree = configuration("none").model_dump()
    tree["data"]["validation_fraction"] = 0.1
    with pytest.raises(InputError, match=r"one clip in the train split.*needs two or more"):
        training_clips(parse(tree), paths)
