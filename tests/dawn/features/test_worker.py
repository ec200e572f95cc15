"""Code that crashes, hangs or fails costs the clip that it was busy with, and nothing else."""

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
from dawn.features.worker import Failed, Make, Worker
from dawn.media.files import sha256_file
from dawn.weights import MissingWeights

CLIP = Clip("fine", "ann", "train", 25, 1.0, "ann/fine.mp4", "0" * 64)


@contextlib.contextmanager
def misbehaving(folder: Path) -> Iterator[Make]:
    """Does with each clip what its name says."""

    def make(clip: Clip, out: Path) -> None:
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

    yield make


@contextlib.contextmanager
def unloadable() -> Iterator[Make]:
    raise InputError("no such device")
    yield


def _made(worker: Worker, name: str, folder: Path, seconds: float = 60) -> Path:
    out = folder / f"{name}.out"
    worker.make(replace(CLIP, clip=name, source=f"ann/{name}.mp4"), out, seconds)
    return out


def test_a_clip_that_crashes_hangs_or_fails_is_a_reject_and_the_next_one_is_made(tmp_path: Path) -> None:
    with Worker(functools.partial(misbehaving, tmp_path)) as worker:
        assert _made(worker, "crash-once", tmp_path).read_text() == "crash-once"
        for name, seconds, reason in (
            ("crash", 60, r"^ann/crash\.mp4: crashed what reads it 2 times \(SIGSEGV\)"),
            ("hang", 0.5, r"^ann/hang\.mp4: not done after 0 s; .*prepare\.patience"),
            ("silent", 60, r"^ann/silent\.mp4: has no sound; give a video with speech$"),
            ("fault", 60, r"^ann/fault\.mp4: ZeroDivisionError: float division; the log has more$"),
        ):
            with pytest.raises(Failed, match=reason):
                _made(worker, name, tmp_path, seconds)
        assert _made(worker, "fine", tmp_path).read_text() == "fine"
        with pytest.raises(InputError, match="the disk is full") as full:
            _made(worker, "full", tmp_path)
        with pytest.raises(MissingWeights, match="3ddfa: absent") as weights:
            _made(worker, "weights", tmp_path)
        assert not isinstance(full.value, Failed) and not isinstance(weights.value, Failed)  # no fault of the clip
    assert not multiprocessing.active_children()


def test_what_cannot_be_loaded_rejects_no_clip(tmp_path: Path) -> None:
    with Worker(unloadable) as worker, pytest.raises(InputError, match="cannot start: no such device") as error:
        _made(worker, "fine", tmp_path)
    assert not isinstance(error.value, Failed)


def _journal(folder: Path, cause: str = "settings") -> Journal:
    return Journal(folder / "clips-0.journal", cause, lambda clip: folder / clip)


def test_a_journal_believes_only_what_still_holds(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("made")
    made = {"sha256": sha256_file(tmp_path / "a")}
    journal = _journal(tmp_path)
    journal.add("a", "source", made)
    journal.add("b", "source", {"reason": "no sound"})
    with open(tmp_path / "clips-0.journal", "a") as stream:
        stream.write('{"clip": "c", "sou')  # killed while writing
    again = _journal(tmp_path)
    assert again.known("a", "source") == made and again.known("b", "source") == {"reason": "no sound"}
    assert again.known("c", "source") is None and again.known("a", "another source") is None
    again.add("c", "source", {"reason": "no face"})
    assert _journal(tmp_path).known("c", "source") == {"reason": "no face"}
    (tmp_path / "a").write_text("changed")
    assert _journal(tmp_path).known("a", "source") is None
    other = _journal(tmp_path, "other settings")
    assert other.known("b", "source") is None
    assert _journal(tmp_path).known("b", "source") is not None  # nothing came of the other settings yet
    other.add("d", "source", {"reason": "no face"})
    assert _journal(tmp_path).known("b", "source") is None


def test_a_settled_journal_tells_the_next_run_what_was_made(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("made")
    made = {"sha256": sha256_file(tmp_path / "a")}
    journal = _journal(tmp_path)
    journal.settle([("a", "source", made), ("b", "source", {"reason": "not done after 60 s"})])
    again = _journal(tmp_path)
    assert again.known("a", "source") == made and again.known("b", "source") is None
    own = tmp_path / "clips-1.journal"
    beside = Journal(own, "settings", lambda clip: tmp_path / clip, sorted(tmp_path.glob("clips-*.journal")))
    assert beside.known("a", "source") == made
    journal.add("b", "source", {"reason": "no face"})  # another shard still works on it
    beside = Journal(own, "settings", lambda clip: tmp_path / clip, sorted(tmp_path.glob("clips-*.journal")))
    assert beside.known("b", "source") is None
