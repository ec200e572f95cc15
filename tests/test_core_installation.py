"""The core alone, installed from a wheel: generation works, and what needs an extra says which."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dawn.cli import main
from tests.support import core_environment
from tests.support.person import write_person
from tests.support.repository import REPOSITORY
from tests.support.shipped import write_shipped

# What Windows lacks of the standard library, and the packages that import it where it exists.
POSIX_MODULES = ("fcntl", "grp", "posix", "pwd", "resource", "termios")
POSIX_NAMES = ("fork", "getloadavg", "killpg", "sched_getaffinity", "sysconf")
LIBRARIES = (
    "torch, numpy, av, cv2, PIL, pydantic, yaml, safetensors.torch, typer, tqdm, requests, filelock, platformdirs, "
    "einops, mediapipe, multiprocessing.util, transformers.audio_utils"
)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory, person: Path) -> Path:
    return core_environment.create(tmp_path_factory.mktemp("core"), person / "package")


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a drawn portrait, speech of 1 s, a run of untrained networks, and others in the package."""
    folder = tmp_path_factory.mktemp("person")
    write_person(folder, folder / "run")
    write_shipped(folder, folder / "package")
    return folder


def run(program: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *words], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_core_generates_the_same_video(programs: Path, person: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["generate", "portrait.png", "speech.wav", "--run", "run"]
    done = run(programs / "dawn", *words, "-o", "core.mp4", cwd=person)
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(person)
    assert main([*words, "-o", "all.mp4"]) == 0
    assert (person / "core.mp4").read_bytes() == (person / "all.mp4").read_bytes()


def test_the_wheel_contains_the_pretrained_networks(
    programs: Path, person: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run(programs / "dawn", "generate", "portrait.png", "speech.wav", "-o", "default.mp4", cwd=person)
    assert done.returncode == 0 and "Networks: pre-trained run of this package" in done.stderr, done.stderr
    monkeypatch.chdir(person)
    assert main(["generate", "portrait.png", "speech.wav", "-o", "same.mp4", "--run", "package"]) == 0
    assert (person / "default.mp4").read_bytes() == (person / "same.mp4").read_bytes()
    code = "from dawn.pretrained import folder, start_file; print(start_file('pretrained:lfg64')); print(folder())"
    done = run(programs / "python", "-c", code, cwd=person)
    start, folder = map(Path, done.stdout.splitlines())
    assert "site-packages" in str(folder) and start == folder / "lfg64/weights.safetensors"
    for path in (path for path in (person / "package").rglob("*") if path.is_file()):
        assert (folder / path.relative_to(person / "package")).read_bytes() == path.read_bytes()


def test_the_core_holds_nothing_of_the_extras(programs: Path, person: Path) -> None:
    absent = ("scipy", "librosa", "pandas", "snakemake", "dvc", "accelerate", "insightface", "dlib", "torchvision")
    code = f"import dawn, importlib.util; print([n for n in {absent} if importlib.util.find_spec(n)], dawn.__file__)"
    done = run(programs / "python", "-c", code, cwd=person)
    assert done.stdout.startswith("[] ") and "site-packages" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("program", "words", "extra"),
    [
        ("dawn", ["corpus", "--config", str(REPOSITORY / "config/smoke.yaml")], "train"),
        ("dawn-eval", ["videos", "videos"], "eval"),
    ],
)
def test_what_needs_an_extra_says_which(
    programs: Path, person: Path, program: str, words: list[str], extra: str
) -> None:
    (person / "videos").mkdir(exist_ok=True)
    done = run(programs / program, *words, cwd=person)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert f"is not installed; run pip install '.[{extra}]'" in done.stderr


def test_the_core_imports_without_the_modules_that_windows_lacks(programs: Path, person: Path) -> None:
    """The libraries are imported first: on Linux some of them use these modules, on Windows they do not."""
    code = f"""
import {LIBRARIES}
import os, pkgutil, sys
sys.modules.update(dict.fromkeys({POSIX_MODULES}))
for name in {POSIX_NAMES}:
    delattr(os, name)
import dawn.api, dawn.cli, dawn.devices, dawn.doctor, dawn.download, dawn.weights
import dawn.config, dawn.features, dawn.generation, dawn.media, dawn.models, dawn.released
for package in (dawn.config, dawn.generation, dawn.media, dawn.models, dawn.released):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        __import__(module.name)
import dawn.features.extract, dawn.features.portrait, dawn.features.speech, dawn.features.worker
sys.exit(dawn.cli.main(["generate", "portrait.png", "speech.wav", "-o", "windows.mp4", "--run", "run"]))
"""
    done = run(programs / "python", "-c", code, cwd=person)
    assert done.returncode == 0, done.stderr
    assert (person / "windows.mp4").is_file()
