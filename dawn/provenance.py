"""Provenance: what a sidecar records about the code and libraries behind a result, and how JSON files are written."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dawn.errors import InputError
from dawn.fingerprint import ROOT
from dawn.media.files import atomic_path


@functools.cache
def commit() -> str:
    """The commit that is checked out, with '+' where the tree differs from it, or 'unknown' outside git."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Installed versions of `packages`, Python's included."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` readably, whole or not at all."""
    with atomic_path(path) as aside:
        aside.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read a JSON file. Raises InputError when it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable JSON file ({error.__class__.__name__}); make it again") from None


def forget_incomplete(report: str | Path, folder: str | Path, suffix: str) -> bool:
    """Remove `report`, whose key ``files`` lists stems, when one of its files is gone from `folder`; True if removed.

    A workflow then sees that the step which wrote report and files has to run again.
    """
    path = Path(report)
    if not path.is_file() or all((Path(folder) / f"{stem}{suffix}").is_file() for stem in read_json(path)["files"]):
        return False
    path.unlink()
    return True


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
