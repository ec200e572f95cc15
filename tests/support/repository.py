"""The repository under test, copies of it, and the folder of real material."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MATERIAL = Path(os.environ.get("DAWN_TEST_MATERIAL", REPOSITORY.parent / "shared"))


def copy_repository(place: Path, without: tuple[str, ...] = ()) -> None:
    """Copy the tracked and untracked, not ignored files to `place`, except paths that begin with one of `without`."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (REPOSITORY / name).is_file() and not name.startswith(without):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, place / name)
