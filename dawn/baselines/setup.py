"""Setup of baselines on this machine: folders, missing requirements, and the baselines available to a run.

=====================  ==============================================================================
``<home>/repo``        upstream's checkout, at the declared commit, with its weights
``<home>/env``         the environment, with ``bin/python``
``<home>/<clip>.mp4``  videos that were generated elsewhere, named by clip
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

ELSEWHERE, HERE = "elsewhere", "here"  # where the videos of a baseline were generated


@dataclass(frozen=True)
class Setup:
    """Folders of one baseline."""

    home: Path

    @classmethod
    def of(cls, name: str) -> Setup:
        """Return the setup of baseline `name`; its folders need not exist."""
        return cls(Path(os.environ.get("DAWN_BASELINES") or "external") / name)

    @property
    def repo(self) -> Path:
        """Folder of upstream's checkout."""
        return self.home / "repo"

    @property
    def python(self) -> Path:
        """Interpreter of the baseline's environment."""
        return self.home / "env/bin/python"

    def videos(self) -> dict[str, Path]:
        """Find the videos that were generated elsewhere, by clip."""
        return {path.stem: path for path in sorted(self.home.glob("*.mp4")) if not path.name.startswith(".")}

    def commit(self) -> str | None:
        """Return the commit of the checkout, with '+' if tracked files differ from it; None without a checkout."""
        if not (self.repo / ".git").exists():
            return None
        try:
            commit = _git(self.repo, "rev-parse", "HEAD")
            return commit + ("+" if _git(self.repo, "status", "--porcelain", "--untracked-files=no") else "")
        except (OSError, subprocess.CalledProcessError):
            return None


def missing(baseline: Baseline, setup: Setup) -> list[str]:
    """Check the requirements of `baseline`; returns one line, with the remedy, for each that `setup` lacks."""
    lines = []
    upstream, environment = baseline.upstream, baseline.environment
    commit = setup.commit()
    switch = "" if upstream.commit is None else f" && git -C {setup.repo} checkout {upstream.commit}"
    if commit is None:
        lines.append(f"checkout {setup.repo} is missing: git clone {upstream.repository} {setup.repo}{switch}")
    elif upstream.commit is not None and commit.removesuffix("+") != upstream.commit:
        lines.append(
            f"checkout {setup.repo} is at {commit[:12]}, declared is {upstream.commit[:12]}: "
            f"git -C {setup.repo} checkout {upstream.commit}"
        )
    for weight in baseline.weights:
        path = setup.repo / weight.file
        empty = path.is_file() and path.stat().st_size == 0
        if empty or not path.exists():
            lines.append(f"weights {path} are {'empty' if empty else 'missing'}: {weight.source}")
    if not _starts(setup.python):
        version = " or ".join(environment.python) or "a version it runs on (upstream names none)"
        packages = ", ".join((*environment.requirements, *environment.also)) or "nothing more"
        lines.append(f"interpreter {setup.python} is missing or does not start: Python {version}, with {packages}")
    lines += [
        f"program {program} is missing: install it, or add it to PATH"
        for program in environment.programs
        if shutil.which(program) is None
    ]
    if environment.gpu and shutil.which("nvidia-smi") is None:
        lines.append("GPU is missing: it needs CUDA, and there is no nvidia-smi on PATH")
    return lines


def available(paths: Paths) -> tuple[str, ...]:
    """Return the baselines that have a row in the tables of a run.

    These are the baselines with videos of its test clips, and those set up to generate them.
    """
    clips = {clip.clip for clip in read_manifest(paths.test)} if paths.test.is_file() else None
    names = []
    for name, baseline in declared().items():
        setup = Setup.of(name)
        videos = setup.videos().keys()
        supplied = bool(videos if clips is None else videos & clips)
        if supplied or _generated_here(name, paths, clips) or (setup.home.is_dir() and not missing(baseline, setup)):
            names.append(name)
    return tuple(names)


def _generated_here(name: str, paths: Paths, clips: set[str] | None) -> bool:
    """Return whether the command has generated all videos of the run; the setup may have been deleted since."""
    report_file = paths.videos_report(name)
    if not report_file.is_file():
        return False
    report = read_json(report_file)
    return report.get("made") == HERE and (clips is None or clips == set(report["files"]))


def _starts(python: Path) -> bool:
    try:
        return subprocess.run([python.absolute(), "--version"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
