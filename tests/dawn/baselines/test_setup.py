"""Setup of baselines: missing requirements, commands, and which baselines a run has."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from dawn.baselines.declaration import declared, load
from dawn.baselines.setup import Setup, available, missing
from dawn.baselines.videos import make_videos
from dawn.cli import main
from dawn.paths import Paths
from tests.support.baselines import CLIPS, CONFIG, Install
from tests.support.stand_ins import STAND_INS


# -------------------------------------------------------------------------------------------------------- set-up
def test_check_names_each_missing_requirement(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent_lines = missing(load("hallo"), Setup(tmp_path / "nowhere"))
    assert absent_lines[0].startswith("checkout") and load("hallo").upstream.commit in absent_lines[0]
    baseline, setup = install("hallo")
    assert missing(baseline, setup) == []
    assert "is at" in missing(load("hallo"), setup)[0]
    (setup.repo / baseline.weights[0].file).write_text("")
    setup.python.write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin/ffmpeg").unlink()
    (tmp_path / "bin/nvidia-smi").unlink()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    kinds = [line.split()[0] for line in missing(baseline, setup)]
    absent = [name for name in ("ffmpeg", "nvidia-smi") if shutil.which(name) is None]
    assert kinds[:2] == ["weights", "interpreter"]
    assert kinds[2:] == [{"ffmpeg": "program", "nvidia-smi": "GPU"}[name] for name in absent]


def test_commands_list_check_and_run(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAWN_BASELINES", raising=False)
    assert main(["baseline", "list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in STAND_INS) and "not verified" in out
    assert main(["baseline", "check", "wav2lip"]) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1 and printed.err.startswith("dawn: wav2lip is not set up")
    assert all(line.startswith("wav2lip: ") for line in printed.out.splitlines())
    assert "external/wav2lip/repo" in printed.out
    assert main(["baseline", "check", "nobody"]) == 2
    (tmp_path / "config.yaml").write_text(CONFIG.dump())
    assert main(["baseline", "run", "wav2lip", "--config", "config.yaml"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "dawn baseline check wav2lip" in error
    for name in CLIPS:
        (tmp_path / "external/wav2lip").mkdir(parents=True, exist_ok=True)
        shutil.copy(paths.clip(name), tmp_path / f"external/wav2lip/{name}.mp4")
    assert main(["baseline", "run", "wav2lip", "--config", "config.yaml"]) == 0
    assert paths.videos_report("wav2lip").is_file()


# --------------------------------------------------------------------------------------------- which rows there are
def test_a_baseline_is_available_while_it_has_videos(
    paths: Paths,
    tmp_path: Path,
    install: Install,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DAWN_BASELINES", str(tmp_path / "external"))
    assert available(paths) == ()
    home = Setup.of("echomimic").home
    home.mkdir(parents=True)
    (home / "other_corpus.mp4").touch()
    assert available(paths) == ()  # named after no clip of this run
    shutil.copy(paths.clip("ben-1"), home / "ben-1.mp4")
    assert available(paths) == ("echomimic",)
    baseline, setup = install("wav2lip")
    assert available(paths) == ("echomimic",)  # at another commit than the declared one
    monkeypatch.setattr("dawn.baselines.setup.declared", lambda: declared() | {"wav2lip": baseline})
    assert available(paths) == ("wav2lip", "echomimic")
    make_videos("wav2lip", baseline, CONFIG, paths, setup)
    shutil.rmtree(setup.home)
    assert available(paths) == ("wav2lip", "echomimic")  # its videos exist, though the setup is deleted
    shutil.rmtree(home)
    assert available(paths) == ("wav2lip",)
    paths.videos_report("wav2lip").unlink()
    assert available(paths) == ()
