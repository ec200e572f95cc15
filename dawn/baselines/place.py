"""Where a person sets a baseline up, what is missing there, and which baselines a run has.

=====================  ==============================================================================
``<home>/repo``        upstream's checkout, at the declared commit, with its weights
``<home>/env``         the environment, with ``bin/python``
``<home>/<clip>.mp4``  videos that were made elsewhere, named by clip
=====================  ==============================================================================

``<home>`` is ``external/<name>``, or ``$DAWN_BASELINES/<name>`` where that variable is set.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dawn.baselines.declaration import Baseline, declared
from dawn.corpora.manifest import read_manifest
from dawn.media.json_files import read_json
from dawn.paths import Paths

ELSEWHERE, HERE = "elsewhere", "here"  # who made the videos of a baseline


@dataclass(frozen=True)
class Place:
    """The folders of one baseline."""

    home: Path

    @classmethod
    def of(cls, name: str) -> Place:
        return cls(Path(os.environ.get("DAWN_BASELINES") or "external") / name)

    @property
    def repo(self) -> Path:
        """Upstream's checkout."""
        return self.home / "repo"

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return self.home / "env/bin/python"

    def videos(self) -> dict[str, Path]:
        """Videos made elsewhere, by clip."""
        return {path.stem: path for path in sorted(self.home.glob("*.mp4")) if not path.name.startswith(".")}

    def head(self) -> str | None:
        """The commit that is checked out, with '+' where files differ from it; None when there is no checkout."""
        if not (self.repo / ".git").exists():
            return None
        try:
            commit = _git(self.repo, "rev-parse", "HEAD")
            return commit + ("+" if _git(self.repo, "status", "--porcelain", "--untracked-files=no") else "")
        except (OSError, subprocess.CalledProcessError):
            return None


def missing(baseline: Baseline, place: Place) -> list[str]:
    """One line for each thing that running `baseline` still needs; none when it is set up."""
    lines = []
    upstream, environment = baseline.upstream, baseline.environment
    head = place.head()
    switch = "" if upstream.commit is None else f" && git -C {place.repo} checkout {upstream.commit}"
    if head is None:
        lines.append(f"checkout {place.repo} is missing: git clone {upstream.repository} {place.repo}{switch}")
    elif upstream.commit is not None and head.removesuffix("+") != upstream.commit:
        lines.append(
            f"checkout {place.repo} is at {head[:12]}, declared is {upstream.commit[:12]}: "
            f"git -C {place.repo} checkout {upstream.commit}"
        )
    for weight in baseline.weights:
        path = place.repo / weight.file
        empty = path.is_file() and path.stat().st_size == 0
        if empty or not path.exists():
            lines.append(f"weights {path} are {'empty' if empty else 'missing'}: {weight.source}")
    if not _starts(place.python):
        wanted = " or ".join(environment.python) or "a version it runs on (upstream names none)"
        needs = ", ".join((*environment.requirements, *environment.also)) or "nothing more"
        lines.append(f"interpreter {place.python} is missing or does not start: Python {wanted}, with {needs}")
    lines += [
        f"program {program} is missing: install it, or add it to PATH"
        for program in environment.programs
        if shutil.which(program) is None
    ]
    if environment.gpu and shutil.which("nvidia-smi") is None:
        lines.append("GPU is missing: it needs CUDA, and there is no nvidia-smi on PATH")
    return lines


def present(paths: Paths) -> tuple[str, ...]:
    """Baselines whose row belongs in the tables of a run: there are videos for it, or it is set up to make them."""
    wanted = {clip.clip for clip in read_manifest(paths.test)} if paths.test.is_file() else None
    found = []
    for name, baseline in declared().items():
        place = Place.of(name)
        elsewhere = place.videos().keys()
        given = bool(elsewhere if wanted is None else elsewhere & wanted)
        if given or _made_here(name, paths, wanted) or (place.home.is_dir() and not missing(baseline, place)):
            found.append(name)
    return tuple(found)


def _made_here(name: str, paths: Paths, wanted: set[str] | None) -> bool:
    """Whether all videos of the run were made by its command, so that the set-up may be gone since."""
    report = paths.videos_report(name)
    if not report.is_file():
        return False
    made = read_json(report)
    return made.get("made") == HERE and (wanted is None or wanted == set(made["files"]))


def _starts(python: Path) -> bool:
    try:
        return subprocess.run([python.absolute(), "--version"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
