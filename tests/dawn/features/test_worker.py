"""Code that crashes, hangs or fails rejects the clip that it was processing, and nothing else."""

from __future__ import annotations

import contextlib
import errno
import functools
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dawn.corpora.manifest import Clip
from dawn.errors import InputError
from dawn.features.journal import Journal
from dawn.features.worker import ClipRejected, Worker, WriteClip
from dawn.media.files import sha256_file
from dawn.weights import MissingWeights

CLIP = Clip("fine", "ann", "train", 25, 1.0, "ann/fine.mp4", "0" * 64)


@contextlib.contextmanager
def misbehaving(folder: Path) -> Iterator[WriteClip]:
    """Treats each clip as its name says."""

    def write(clip: Clip, out: Path) -> None:
        if clip.clip == "crash" or (clip.clip == "crash-once" and not (folder / "crashed").exists()):
            (folder / "crashed").touch()
            os.kill(os.getpid(), signal.SIGSEGV)
        elif clip.clip == "hang":
            time.sleep(600)
        elif clip.clip == "silent":
            raise InputError("ann/silent.mp4: has no sound; give a video with speech")
        elif clip.clip == "fault":
            raise ZeroDivisionError("float division")
        elif clip.clip == "full":
            raise OSError(errno.ENOSPC, "No space left on device")
        elif clip.clip == "weights":
            raise MissingWeights("3ddfa: absent")
        out.write_text(clip.clip)

    yield write


@contextlib.contextmanager
def unloadable() -> Iterator[WriteClip]:
    raise InputError("no such device")
    yield


def _write(worker: Worker, name: str, folder: Path, seconds: float = 60) -> Path:
    out = folder / f"{name}.out"
    worker.write(replace(CLIP, clip=name, source=f"ann/{name}.mp4"), out, seconds)
    return out


def test_a_clip_that_crashes_hangs_or_fails_is_rejected_and_the_next_is_written(tmp_path: Path) -> None:
    with Worker(functools.partial(misbehaving, tmp_path)) as worker:
        assert _write(worker, "crash-once", tmp_path).read_text() == "crash-once"
        for name, seconds, reason in (
            ("crash", 60, r"^ann/crash\.mp4: its process crashed 2 times \(SIGSEGV\)"),
            ("hang", 0.5, r"^ann/hang\.mp4: not done after 0 s; .*prepare\.patience"),
            ("silent", 60, r"^ann/silent\.mp4: has no sound; give a video with speech$"),
            ("fault", 60, r"^ann/fault\.mp4: ZeroDivisionError: float division; the log has more$"),
        ):
            with pytest.raises(ClipRejected, match=reason):
                _write(worker, name, tmp_path, seconds)
        assert _write(worker, "fine", tmp_path).read_text() == "fine"
        with pytest.raises(InputError, match="the disk is full") as full:
            _write(worker, "full", tmp_path)
        with pytest.raises(MissingWeights, match="3ddfa: absent") as weights:
            _write(worker, "weights", tmp_path)
        assert not isinstance(full.value, ClipRejected)  # no fault of the clip
        assert not isinstance(weights.value, ClipRejected)
    assert not multiprocessing.active_children()


def test_a_failure_to_load_rejects_no_clip(tmp_path: Path) -> None:
    with Worker(unloadable) as worker, pytest.raises(InputError, match="cannot start: no such device") as error:
        _write(worker, "fine", tmp_path)
    assert not isinstance(error.value, ClipRejected)


def _journal(folder: Path, fingerprint: str = "settings") -> Journal:
    return Journal(folder / "clips-0.journal", fingerprint, lambda clip: folder / clip)


def test_a_journal_returns_only_valid_outcomes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("content")
    outcome = {"sha256": sha256_file(tmp_path / "a")}
    journal = _journal(tmp_path)
    journal.add("a", "source", outcome)
    journal.add("b", "source", {"reason": "no sound"})
    with open(tmp_path / "clips-0.journal", "a") as stream:
        stream.write('{"clip": "c", "sou')  # killed while writing
    again = _journal(tmp_path)
    assert again.outcome("a", "source") == outcome and again.outcome("b", "source") == {"reason": "no sound"}
    assert again.outcome("c", "source") is None and again.outcome("a", "changed source") is None
    again.add("c", "source", {"reason": "no face"})
    assert _journal(tmp_path).outcome("c", "source") == {"reason": "no face"}
    (tmp_path / "a").write_text("changed")
    assert _journal(tmp_path).outcome("a", "source") is None
    other = _journal(tmp_path, "other settings")
    assert other.outcome("b", "source") is None
    assert _journal(tmp_path).outcome("b", "source") is not None  # no outcome with the other settings yet
    other.add("d", "source", {"reason": "no face"})
    assert _journal(tmp_path).outcome("b", "source") is None


def test_a_finished_journal_keeps_files_and_drops_rejects(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("content")
    outcome = {"sha256": sha256_file(tmp_path / "a")}
    journal = _journal(tmp_path)
    journal.finish([("a", "source", outcome), ("b", "source", {"reason": "not done after 60 s"})])
    again = _journal(tmp_path)
    assert again.outcome("a", "source") == outcome and again.outcome("b", "source") is None
    journals = functools.partial(tmp_path.glob, "clips-*.journal")
    second = Journal(tmp_path / "clips-1.journal", "settings", lambda clip: tmp_path / clip, journals)
    assert second.outcome("a", "source") == outcome
    journal.add("b", "source", {"reason": "no face"})  # the first shard still runs
    second = Journal(tmp_path / "clips-1.journal", "settings", lambda clip: tmp_path / clip, journals)
    assert second.outcome("b", "source") is None


def test_journals_of_other_shards_are_read_only_for_files_of_theirs(tmp_path: Path) -> None:
    listings = []

    def journals() -> list[Path]:
        listings.append(True)
        return sorted(tmp_path.glob("clips-*.journal"))

    for name in ("mine", "theirs"):
        (tmp_path / name).write_text(name)
    outcome = {name: {"sha256": sha256_file(tmp_path / name)} for name in ("mine", "theirs")}
    _journal(tmp_path).add("mine", "source", outcome["mine"])
    other = Journal(tmp_path / "clips-1.journal", "settings", lambda clip: tmp_path / clip)
    other.add("theirs", "source", outcome["theirs"])
    journal = Journal(tmp_path / "clips-0.journal", "settings", lambda clip: tmp_path / clip, journals)
    assert journal.outcome("mine", "source") == outcome["mine"] and journal.outcome("unwritten", "source") is None
    assert not listings
    assert journal.outcome("theirs", "source") == outcome["theirs"] and journal.outcome("theirs", "other") is None
    assert len(listings) == 1
