"""What `dawn ship` writes: networks that generate the same up to rounding, small files, and a card that states them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from dawn import pretrained
from dawn.cli import main
from dawn.config import Speech, load, parse
from dawn.errors import InputError
from dawn.features.encoders import FILES, RECORD, encoder_version
from dawn.features.speech import encode
from dawn.generation.driving import Driving, VideoStart
from dawn.generation.motion import decode, sample_motion
from dawn.generation.networks import Networks, run_config
from dawn.media.json_files import read_json, write_json
from dawn.models.weights_io import read_weights, save_weights, weights_metadata
from dawn.shipping.ship import ship
from dawn.training.speech_encoder import train_speech_encoder
from tests.support.networks import driving, source
from tests.support.shipped import DIGEST, assert_shipped, small, write_finished_run, write_shipped
from tests.support.spoken import DIM, configuration, write_corpus


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_finished_run(tmp_path, small())


def frames(run: Path) -> np.ndarray:
    """Frames of a video of the run, in [0, 255]."""
    nets = Networks.load(run)
    signals = driving(12)
    speech = np.random.default_rng(0).standard_normal((12, nets.config.features.speech.dim)).astype(np.float32)
    start = VideoStart(source(), Driving(speech, signals.pose, signals.blink), torch.Generator().manual_seed(0))
    return np.stack([frame for (frame,) in decode(nets, [source()], sample_motion(nets, [start]))]).astype(float)


def change(path: Path, name: str, key: str, value: float) -> None:
    """Set the first number of a tensor of a weights file."""
    states = read_weights(path)
    states[name][key].flatten()[0] = value
    save_weights(path, states, weights_metadata(path))


def test_the_written_run_generates_the_same_up_to_the_rounding_of_half_precision(run: Path, tmp_path: Path) -> None:
    ship(run, tmp_path / "out")
    full, half = frames(run), frames(tmp_path / "out")
    assert 0 < np.abs(full - half).mean() < 0.5 and np.abs(full - half).max() <= 16
    assert full.std() > 10
    nets, loaded = Networks.load(run), Networks.load(tmp_path / "out")
    for network in ("lfg", "unet", "mask"):
        state = getattr(loaded, network).state_dict()
        for key, value in getattr(nets, network).state_dict().items():
            assert state[key].dtype == value.dtype
            torch.testing.assert_close(state[key], value, rtol=2**-11, atol=2**-25)
    # Positions are computed, not read: they have their full precision.
    one, two = nets.pbnet["motion"].state_dict(), loaded.pbnet["motion"].state_dict()
    tables = [key for key in one if key.endswith((".pe", ".freqs"))]
    assert len(tables) >= 3 and all(torch.equal(one[key], two[key]) for key in tables)


def test_files_hold_half_precision_and_no_constants(run: Path, tmp_path: Path) -> None:
    ship(run, tmp_path / "out")
    for stage in ("lfg", "pbnet", "a2v_stage2"):
        before, after = (load_file(place / stage / "weights.safetensors") for place in (run, tmp_path / "out"))
        constants = {key for key in before if key.endswith((".pe", ".freqs", "predictor.down.weight"))}
        assert constants and set(after) == set(before) - constants
        assert {value.dtype for value in after.values()} <= {torch.float16, torch.int64}
    sizes = [(place / "pbnet/weights.safetensors").stat().st_size for place in (run, tmp_path / "out")]
    assert sizes[0] > 6e6 and sizes[1] < 2e5
    once = (tmp_path / "out/pbnet/weights.safetensors").read_bytes()
    ship(run, tmp_path / "out")
    assert (tmp_path / "out/pbnet/weights.safetensors").read_bytes() == once


def test_the_card_states_files_and_origin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, other = (write_finished_run(tmp_path, small(name)) for name in ("one", "two"))
    # 3600 s, then resumed: 1800 s more.
    lines = [f'{{"step": {step}, "seconds": {seconds}}}' for step, seconds in ((1, 10), (2, 3600), (3, 5), (4, 1800))]
    (run / "lfg/log.jsonl").write_text("\n".join(lines) + "\n")
    check = {"value": 0.9, "baseline": 0.1, "required": 0.6, "passed": True, "clips": [0.8, 1.0]}
    write_json(run / "quality.json", {"clips": 2, "yaw_correlation": check, "passed": True})
    write_json(other / "reconstruction.json", {"clips": [{"lfg": 24.0, "copy": 20.0}, {"lfg": 26.0, "copy": 18.0}]})
    out = tmp_path / "out"
    assert main(["ship", str(run), "--lfg-start", str(other), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "runs one (64 px), two (64 px); Apache-2.0" in printed and " MB; " in printed
    assert_shipped(out)
    card = yaml.safe_load((out / pretrained.CARD).read_text())
    assert set(card["files"]) == {f"{name}/weights.safetensors" for name in ("lfg", "pbnet", "a2v_stage2", "lfg64")}
    one, two = card["runs"]["one"], card["runs"]["two"]
    assert one["hours"] == {"lfg": 1.5} and one["corpus"]["digest"] == DIGEST and one["seed"] == 1234
    assert one["unseen_people"]["yaw_correlation"] == {key: check[key] for key in check if key != "clips"}
    assert two["unseen_people"]["lfg_psnr_db"] == {"value": 25.0, "baseline": 19.0}
    assert two["command"].endswith("lfg64/config.yaml -- results/two/lfg/weights.safetensors")
    assert (out / "config.yaml").is_file() and (out / "lfg64/config.yaml").is_file()
    assert card["weights"] == Networks.load(out).digest


def test_a_weight_too_large_for_half_precision_is_named(run: Path, tmp_path: Path) -> None:
    key = next(key for key in read_weights(run / "lfg/weights.safetensors")["lfg"] if key.endswith("conv.weight"))
    change(run / "lfg/weights.safetensors", "lfg", key, 1e5)
    with pytest.raises(InputError, match=rf"lfg/{key}: not finite in half precision \(largest magnitude 100000\)"):
        ship(run, tmp_path / "out")
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))


def test_an_earlier_folder_is_replaced_whole_and_others_are_kept(run: Path, tmp_path: Path) -> None:
    out = write_shipped(tmp_path, tmp_path / "out")
    ship(run, out)
    assert not (out / "lfg64").exists() and not list(tmp_path.glob(".out*"))
    before = (out / pretrained.CARD).read_bytes()
    (run / "pbnet/weights.safetensors").unlink()
    with pytest.raises(InputError, match="not a trained run"):
        ship(run, out)
    assert (out / pretrained.CARD).read_bytes() == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").touch()
    with pytest.raises(InputError, match="holds other files"):
        ship(run, tmp_path / "mine")


def test_files_above_the_limit_are_refused(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dawn.shipping.ship.LIMIT", 100_000)
    with pytest.raises(InputError, match="train smaller networks"):
        ship(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_networks_of_recorded_people_are_refused(tmp_path: Path) -> None:
    """Those that were trained on them, and those whose training started from such networks."""
    tree = small("people").model_dump(mode="json")
    tree["corpus"]["kind"] = "folder"
    people = write_finished_run(tmp_path, type(small()).model_validate(tree))
    with pytest.raises(InputError, match=r"people/lfg/weights\.safetensors: not trained on the embedded corpus alone"):
        ship(people, tmp_path / "out")
    tree = small("tuned").model_dump(mode="json")
    tree["a2v"]["start"] = "results/people/a2v_stage2/weights.safetensors"
    tuned = write_finished_run(tmp_path, type(small()).model_validate(tree))
    with pytest.raises(InputError, match=r"people/a2v_stage2/weights\.safetensors: not trained on the embedded"):
        ship(tuned, tmp_path / "out")
    run = write_finished_run(tmp_path, small())
    with pytest.raises(InputError, match="people/lfg"):
        ship(run, tmp_path / "out", people)
    with pytest.raises(InputError, match="--lfg-start is for another run"):
        ship(run, tmp_path / "out", run)


def test_the_speech_encoder_is_copied_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of the same content is the same encoder: the weights' record of it stays valid."""
    spoken = write_corpus(tmp_path, configuration())
    encoder = train_speech_encoder(configuration(), spoken)
    tree = small("one").model_dump(mode="json")
    tree["features"]["speech"] |= {"encoder": "results/spoken/speech", "dim": DIM}
    run = write_finished_run(tmp_path, parse(tree))
    version = encoder_version(Speech(encoder=str(encoder), dim=DIM))
    for file in run.glob("*/weights.safetensors"):
        save_weights(file, read_weights(file), weights_metadata(file) | {"encoder": version})
    out, other = tmp_path / "out", write_finished_run(tmp_path, small("two"))
    card = ship(run, out, other)
    assert_shipped(out)
    for name in (*FILES, RECORD):
        assert (out / "speech" / name).read_bytes() == (encoder / name).read_bytes()
    record = read_json(encoder / RECORD)
    assert card["speech_encoder"]["accuracy"] == record["accuracy"] and card["speech_encoder"]["hours"] >= 0
    assert card["files"]["speech/model.safetensors"]["sha256"] == record["sha256"]
    monkeypatch.setattr(pretrained, "folder", lambda: out)
    nets = Networks.load(out)
    assert nets.config.features.speech.encoder == "pretrained:speech" and nets.digest == card["weights"]
    assert run_config(out) == load(out / "config.yaml") == nets.config
    assert encoder_version(nets.config.features.speech) == version
    assert load(out / "lfg64/config.yaml").features.speech.encoder == "logmel"
    sound = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    own = encode(sound, 25, Speech(encoder=str(encoder), dim=DIM))
    assert np.array_equal(encode(sound, 25, nets.config.features.speech), own)
    moved = write_finished_run(tmp_path, nets.config)  # a run that was trained with the package's encoder
    ship(moved, out)
    assert (out / "speech/model.safetensors").read_bytes() == (encoder / "model.safetensors").read_bytes()


def test_an_encoder_of_others_is_not_shipped(tmp_path: Path) -> None:
    encoder = train_speech_encoder(configuration(), write_corpus(tmp_path, configuration()))
    (encoder / RECORD).unlink()
    tree = small("one").model_dump(mode="json")
    tree["features"]["speech"] |= {"encoder": str(encoder), "dim": DIM}
    run = write_finished_run(tmp_path, parse(tree))
    with pytest.raises(InputError, match=r"spoken/speech: not a speech encoder that was trained on the embedded"):
        ship(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()
