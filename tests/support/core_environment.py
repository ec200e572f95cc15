"""Environment that holds this project as it is installed, and the packages of its core alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.support.repository import REPOSITORY, copy_repository


def create(place: Path, pretrained: Path) -> Path:
    """Create the environment in folder `place` without a network and return its folder of programs.

    The project is built and installed from a copy of the sources with the pre-trained networks `pretrained`. Packages
    are links to those of the running environment: what the core's dependencies declare, and what these declare.
    """
    weights = "dawn/pretrained/weights/"
    copy_repository(place / "sources", without=("docs/", "tests/", "results/", "data/", weights))
    shutil.copytree(pretrained, place / "sources" / weights)
    wheels = place / "wheels"
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(place / "sources"))
    environment = place / "environment"
    venv.create(environment, with_pip=False)
    python = environment / "bin/python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
    for name in _declared():
        for file in distribution(name).files or ():
            top = file.parts[0]
            target = Path(str(distribution(name).locate_file(top)))
            if top not in ("..", "__pycache__") and not (packages / top).exists():
                (packages / top).symlink_to(target)
    _pip("--python", str(python), "install", "--no-deps", "--no-index", *map(str, wheels.glob("*.whl")))
    return environment / "bin"


def _declared() -> set[str]:
    """Names of the distributions that the core needs on this machine."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    left_out = set(project["tool"]["uv"]["exclude-dependencies"])
    pending = [(Requirement(line), "") for line in project["project"]["dependencies"]]
    reached: set[tuple[str, str]] = set()
    while pending:
        requirement, extra = pending.pop()
        if requirement.name in left_out or not (
            requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        ):
            continue
        for wanted in {"", *requirement.extras}:
            if (requirement.name, wanted) not in reached:
                reached.add((requirement.name, wanted))
                declared = distribution(requirement.name).requires or ()
                pending += [(Requirement(line), wanted) for line in declared]
    return {name for name, _ in reached}


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
