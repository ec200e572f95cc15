"""Provenance: code and library versions that are recorded with a result, and reports whose files are missing."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from dawn.fingerprint import ROOT
from dawn.media.json_files import read_json


@functools.cache
def commit() -> str:
    """Return the checked-out commit, with '+' if tracked files differ from it, or 'unknown' outside a repository."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of the installed `packages`."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}


def incomplete(reports: Iterable[Path], folder: Path, file_of: Callable[[str], Path]) -> list[Path]:
    """Return those of `reports` that list a name, in the key ``files``, whose file `file_of` in `folder` is missing.

    Without them, the workflow repeats the steps that write report and files. The folder and those in it are listed
    once.
    """
    present: set[str] | None = None
    found = []
    for path in reports:
        if not path.is_file():
            continue
        if present is None:
            present = {os.path.join(top, name) for top, _, names in os.walk(folder) for name in names}
        if not all(str(file_of(name)) in present for name in read_json(path)["files"]):
            found.append(path)
    return found


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
