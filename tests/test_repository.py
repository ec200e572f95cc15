"""Consistency of packages, pins, commands and generated files, and the length of files."""

from __future__ import annotations

import ast
import configparser
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import dawn
from dawn.config import schema

ROOT = Path(__file__).resolve().parent.parent
LOCK = (ROOT / "requirements.lock").read_text().splitlines()
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = PYPROJECT["project"]
CORE = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = {
    extra: [Requirement(line) for line in lines if not line.startswith(PROJECT["name"])]
    for extra, lines in PROJECT["optional-dependencies"].items()
}
DIRECT = CORE + [requirement for extra in EXTRAS.values() for requirement in extra]
LEFT_OUT = set(PYPROJECT["tool"]["uv"]["exclude-dependencies"])
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def pins(python: str | None = None) -> dict[str, str]:
    """Canonical name to version, of every pin in the lock for this platform and `python` (this one)."""
    environment = {"python_version": python, "python_full_version": f"{python}.5"} if python else {}
    found: dict[str, str] = {}
    for line in LOCK:
        if not line.startswith("#"):
            pin = Requirement(line)
            if pin.marker is None or pin.marker.evaluate(environment):
                assert canonicalize_name(pin.name) not in found, f"{line}: pinned twice"
                found[canonicalize_name(pin.name)] = next(iter(pin.specifier)).version
    return found


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_pins_each_package_once_and_exactly(python: str) -> None:
    for line in LOCK:
        assert line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.]+( ; .+)?", line), line
    assert len(pins(python)) > 200


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_satisfies_every_direct_dependency(python: str) -> None:
    locked = pins(python)
    for requirement in DIRECT:
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in requirements.lock"
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement}, but locked is {version}"


def test_the_lock_is_complete_and_holds_nothing_else() -> None:
    """Follows what packages declare; pip does not, because it installs the lock with --no-deps."""
    locked = pins()
    reached: set[tuple[str, str]] = set()
    pending = [(requirement, "pyproject.toml") for requirement in DIRECT]
    while pending:
        requirement, origin = pending.pop()
        name = canonicalize_name(requirement.name)
        if name in LEFT_OUT:
            continue
        assert name in locked, f"{origin} needs {name}: run `make lock`"
        fits = requirement.specifier.contains(locked[name], prereleases=True)
        assert fits, f"{origin} needs {requirement}, but locked is {locked[name]}"
        for extra in {"", *requirement.extras} - {known for other, known in reached if other == name}:
            reached.add((name, extra))
            declared = [Requirement(line) for line in distribution(name).requires or ()]
            pending += [(r, name) for r in declared if r.marker is None or r.marker.evaluate({"extra": extra})]
    assert not LEFT_OUT & set(locked)
    if sys.platform == "linux":
        assert set(locked) == {name for name, _ in reached}


def test_the_environment_lacks_only_what_the_lock_leaves_out() -> None:
    """Every package that `pip check` misses is one of `exclude-dependencies` in pyproject.toml."""
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    lines = [line for line in check.stdout.splitlines() if not line.startswith("No broken requirements")]
    missing = [re.fullmatch(r"\S+ \S+ requires (\S+), which is not installed\.", line) for line in lines]
    assert all(match and match[1] in LEFT_OUT for match in missing), check.stdout


def test_conda_takes_its_pins_from_the_lock() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *plain, pip = environment["dependencies"]
    assert plain == ["python>=3.11,<3.15", "pip"]
    assert all(python in SpecifierSet(PROJECT["requires-python"]) for python in PYTHONS)
    assert pip == {"pip": ["-r requirements.lock", "-e ."]}


def third_party_imports(package: Path) -> dict[str, Path]:
    """Top-level names that the sources of `package` import from elsewhere, each with one file that does."""
    found: dict[str, Path] = {}
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names = [node.module]
            found |= {name.partition(".")[0]: path for name in names}
    return {name: path for name, path in found.items() if name not in {*sys.stdlib_module_names, "dawn", "eval"}}


@pytest.mark.parametrize("package", ["dawn", "eval"])
def test_everything_imported_is_a_declared_dependency(package: str) -> None:
    wanted = CORE + EXTRAS["train"] + (EXTRAS["eval"] if package == "eval" else [])
    declared = [file for requirement in wanted for file in distribution(requirement.name).files or ()]
    provided = {file.parts[0].partition(".")[0] for file in declared}
    imports = third_party_imports(ROOT / package)
    assert "numpy" in imports
    for name, path in imports.items():
        assert name in provided, f"{path.relative_to(ROOT)} imports {name}, of no dependency in pyproject.toml"


def test_make_help_lists_every_target() -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    shown = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = re.findall(r"^make (\w+) +\S.*$", shown.stdout, re.MULTILINE)
    assert listed == phony[1].split()


def test_the_schema_in_the_tree_is_that_of_the_code() -> None:
    assert (ROOT / "config" / "schema.json").read_text() == schema(), "run `make schema`"


def test_no_source_or_page_is_longer_than_450_lines() -> None:
    suffixes = {".py", ".smk", ".md", ".yaml", ".yml", ".sh", ".j2", ".toml"}
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    written = "dawn/pretrained/weights/"  # by dawn ship
    listed = [name for name in listed if not name.startswith(written)]
    files = [ROOT / name for name in listed if Path(name).suffix in suffixes and (ROOT / name).is_file()]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert len(lengths) > 100
    assert {name: length for name, length in lengths.items() if length > 450} == {}


def test_dvc_reports_to_nobody() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".dvc" / "config")
    core = config["core"]
    assert [core.getboolean(key) for key in ("analytics", "check_update", "autostage")] == [False] * 3


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == dawn.__version__
    assert citation["license"] == PROJECT["license"]
