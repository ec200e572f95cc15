"""Provenance: code and library versions that are recorded with a result, and deletion of reports with missing files."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import subprocess
from collections.abc import Iterable
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


def delete_incomplete(report: str | Path, folder: str | Path, suffix: str) -> bool:
    """Delete `report` if a file of its key ``files`` (stems) is missing from `folder`; returns whether it was deleted.

    The workflow then repeats the step that writes report and files.
    """
    path = Path(report)
    if not path.is_file() or all((Path(folder) / f"{stem}{suffix}").is_file() for stem in read_json(path)["files"]):
        return False
    path.unlink()
    return True


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
