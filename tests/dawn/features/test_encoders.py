"""The content of an encoder's folder, which features, packed clips and trained networks state wherever it lies."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from transformers import Wav2Vec2FeatureExtractor

from dawn import pretrained
from dawn.config import Config, Speech, SpeechModel, parse
from dawn.errors import InputError
from dawn.features import pack, shards
from dawn.features.clips import ClipStore, clips_of_split
from dawn.features.encoders import check_encoder, encoder_beside, encoder_files, encoder_folder, encoder_version
from dawn.features.frame_store import ShardIndex
from dawn.features.speech import encode
from dawn.features.store import Features
from dawn.generation.networks import Networks
from dawn.models.weights_io import read_weights, save_weights, weights_metadata
from dawn.paths import Paths
from dawn.training.speech_encoder import build_encoder
from dawn.training.training_clips import training_clips
from tests.support.networks import write_run
from tests.support.packed import configuration, prepare
from tests.support.shipped import small
from tests.support.signals import chirp


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    return write_encoder(tmp_path / "results/one/speech")


def write_encoder(folder: Path) -> Path:
    build_encoder(SpeechModel(dim=8, layers=1, heads=2, feed_forward=8, channels=8)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False).save_pretrained(folder)
    return folder


def naming(config: Config, encoder: str) -> Config:
    """The configuration with the encoder, whose features have 8 channels."""
    tree = config.model_dump(mode="json")
    tree["features"]["speech"] |= {"encoder": encoder, "dim": 8}
    return parse(tree)


def test_the_version_is_that_of_what_is_loaded(encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = Speech(encoder=str(encoder), dim=8)
    version = encoder_version(cfg)
    assert version.startswith("sha256:") and version == encoder_version(cfg)
    shutil.copytree(encoder, tmp_path / "package/speech")
    assert encoder_version(Speech(encoder=str(tmp_path / "package/speech"), dim=8)) == version
    monkeypatch.setattr(pretrained, "folder", lambda: tmp_path / "package")
    assert encoder_version(Speech(encoder="pretrained:speech", dim=8)) == version
    assert encoder_folder("pretrained:speech") == tmp_path / "package/speech"
    (encoder / "log.jsonl").write_text("{}\n")  # of the training, beside the network
    (encoder / "step-00000001").mkdir()
    assert encoder_version(cfg) == version and len(encoder_files(encoder)) == 3
    write_encoder(encoder)  # other random weights
    assert encoder_version(cfg) != version
    for name in ("logmel", "facebook/hubert-large-ls960-ft"):
        assert encoder_version(Speech(encoder=name)) == name and encoder_folder(name) is None


def test_another_content_gives_other_features_in_the_same_process(encoder: Path) -> None:
    cfg, sound = Speech(encoder=str(encoder), dim=8), chirp(1.0)
    before = encode(sound, 25, cfg)
    assert np.array_equal(encode(sound, 25, cfg), before)
    write_encoder(encoder)
    assert np.abs(encode(sound, 25, cfg) - before).max() > 1e-3


def test_features_are_extracted_again_for_another_content(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = []
    monkeypatch.setattr(shards, "run_stage", lambda config, stage, *_: states.append(stage.fingerprint))
    paths = prepare(tmp_path)
    moved = shutil.copytree(encoder, tmp_path / "elsewhere")
    shards.make_features(naming(configuration("raw"), str(encoder)), paths, 0)
    shards.make_features(naming(configuration("raw"), str(moved)), paths, 0)
    write_encoder(encoder)
    shards.make_features(naming(configuration("raw"), str(encoder)), paths, 0)
    assert states[0] == states[1] != states[2]


def test_packed_clips_state_the_encoder_and_refuse_features_of_another(encoder: Path, tmp_path: Path) -> None:
    paths, config = prepare(tmp_path), naming(configuration("raw"), str(encoder))
    with pytest.raises(InputError, match=r"features are of the encoder logmel, .* extract the features again"):
        pack.pack(config, paths, 0)
    assert not paths.store(0).exists()
    version = encoder_version(config.features.speech)
    for file in paths.features.rglob("*.safetensors"):
        replace(Features.load(file), encoder=version).save(file)
    for shard in (0, 1):
        pack.pack(config, paths, shard)
        assert ShardIndex.read(paths.store(shard)).encoder == version
    assert training_clips(config, paths).encoder == version
    assert ClipStore(clips_of_split(paths.dataset, "train"), paths).encoder == version


def test_networks_need_the_encoder_of_their_training(encoder: Path, tmp_path: Path) -> None:
    config = naming(small("one"), "results/one/speech")  # from the folder of results, as in the workflow
    run = write_run(tmp_path / "results/one", config)
    version = encoder_version(Speech(encoder=str(encoder), dim=8))
    for file in run.glob("*/weights.safetensors"):
        save_weights(file, read_weights(file), weights_metadata(file) | {"encoder": version})
    assert Networks.load(run, device="cpu").config.features.speech.encoder == str(encoder)
    write_encoder(encoder)
    with pytest.raises(InputError, match=rf"trained on speech features of the encoder {version}, but .* is /.*another"):
        Networks.load(run, device="cpu")
    shutil.rmtree(encoder)
    with pytest.raises(InputError, match=r"features\.speech\.encoder is results/one/speech, .* not on this machine"):
        Networks.load(run, device="cpu")


def test_weights_that_state_no_encoder_pass(tmp_path: Path) -> None:
    cfg = Speech()
    check_encoder(tmp_path, {}, cfg)
    check_encoder(tmp_path, {"encoder": "logmel"}, cfg)
    with pytest.raises(InputError, match=r"encoder logmel, but features\.speech\.encoder is facebook/hubert"):
        check_encoder(tmp_path, {"encoder": "logmel"}, Speech(encoder="facebook/hubert", dim=1024))


def test_a_hub_name_is_looked_for_nowhere_else(tmp_path: Path) -> None:
    config = naming(small(), "facebook/hubert-large-ls960-ft")
    assert encoder_beside(config, Paths.of(config, tmp_path, tmp_path).run) is config


def test_a_package_without_encoder_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "folder", lambda: tmp_path)
    with pytest.raises(InputError, match=r"pretrained:speech: no such encoder in this package: it holds none; train"):
        encode(chirp(1.0), 25, Speech(encoder="pretrained:speech", dim=8))
    write_encoder(tmp_path / "speech")
    with pytest.raises(InputError, match=r"pretrained:other: no such encoder in this package: it holds speech"):
        encoder_version(Speech(encoder="pretrained:other", dim=8))
    assert json.loads((tmp_path / "speech/config.json").read_text())["hidden_size"] == 8
