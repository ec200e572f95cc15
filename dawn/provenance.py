"""What made a file: digests of code, settings and inputs, kept beside every result."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dawn.errors import InputError
from dawn.media.files import atomic_path

ROOT = Path(__file__).resolve().parent.parent


def digest(value: Any) -> str:
    """Hexadecimal SHA-256 of a JSON-able value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def code_digest(*places: str) -> str:
    """Digest of Python sources below the repository: packages (``dawn/models``) or single files."""
    total = hashlib.sha256()
    for place in places:
        path = ROOT / place
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for file in files:
            total.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()[:16]


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
