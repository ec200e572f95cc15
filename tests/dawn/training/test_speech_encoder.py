"""Training of the speech encoder: what it reads, that a kill changes nothing, and that its folder gives features."""

# ruff: noqa: RUF001 (phonemes are IPA letters, some of which look like others)

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from dawn.cli import main
from dawn.config import ConfigError, Speech, parse
from dawn.demo.speech import Speech as Utterance
from dawn.errors import InputError
from dawn.features.encoders import FILES, RECORD
from dawn.features.speech import encode
from dawn.media.files import sha256_file
from dawn.media.json_files import read_json
from dawn.paths import Paths
from dawn.training.batch_shard import BatchShard
from dawn.training.speech_batches import OTHER, Phonemes, SpeechSampler, Utterances, rerecorded, rows_of
from dawn.training.speech_encoder import SpeechTask, train_speech_encoder
from dawn.training.train import train_stage
from tests.support.spoken import DIM, configuration, write_corpus

CONFIG = configuration()


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    return write_corpus(tmp_path_factory.mktemp("spoken"), CONFIG)


@pytest.fixture(scope="module")
def trained(paths: Paths) -> Path:
    return train_stage(CONFIG, paths, "speech")


def utterance(length: float, *phonemes: tuple[float, str]) -> Utterance:
    starts, symbols = zip(*phonemes, strict=True)
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, round(16000 * length)).astype(np.float32)
    return Utterance("", sound, np.float32(starts), symbols)


def test_a_row_has_the_phoneme_in_its_middle() -> None:
    """Row k depends on 400 samples from sample 320 k on; its middle is 12.5 ms after its start."""
    classes = Phonemes(["", "m", "uː", OTHER])
    speech = utterance(0.2, (0.0, ""), (0.05, "m"), (0.1, "ˈuː"), (0.15, "ˌɲ"))
    assert rows_of(len(speech.audio)) == 9
    assert classes.of_rows(speech, 0, 9).tolist() == [0, 0, 1, 1, 1, 2, 2, 3, 3]  # middles at 12.5, 32.5, ... ms
    assert classes.of_rows(speech, 800, 3).tolist() == [1, 1, 2]


def test_rare_phonemes_share_a_class(paths: Paths) -> None:
    class Counted(Utterances):
        def truth(self, index: int):  # type: ignore[no-untyped-def]
            phonemes = ["m"] * 600 + ["ˈa"] * 300 + ["ˌa"] * 300 + ["", "x"] + (["ʒ"] * 9 if index else [])
            speech = utterance(0.1, *((0.001 * number, symbol) for number, symbol in enumerate(phonemes)))
            return type("Truth", (), {"speech": speech})

        def __len__(self) -> int:
            return 2

    assert Phonemes.of(Counted([], Path())).names == ("", "a", "m", "ʒ", OTHER)


def test_a_batch_depends_on_its_samples_alone(paths: Paths) -> None:
    training = training_utterances(paths)
    sampler = SpeechSampler(training, Phonemes.of(training), 16000)
    whole = sampler(BatchShard(1, "speech", 5, 4, range(4)))
    part = pickle.loads(pickle.dumps(sampler))(BatchShard(1, "speech", 5, 4, range(2, 4)))
    assert whole.sound.shape == (4, 16000) and whole.phonemes.shape == (4, 49)
    assert torch.equal(whole.sound[2:], part.sound) and torch.equal(whole.phonemes[2:], part.phonemes)
    assert whole.sound.mean(1).abs().max() < 1e-5 and (whole.sound.var(1) - 1).abs().max() < 1e-3
    assert not torch.equal(whole.sound, sampler(BatchShard(1, "speech", 6, 4, range(4))).sound)
    longer = SpeechSampler(training, sampler.phonemes, 10**6)(BatchShard(1, "speech", 0, 1, range(1)))
    assert longer.sound.shape == (1, 19200)  # the whole clip


def test_recordings_differ_and_keep_length_and_silence() -> None:
    sound = utterance(1.0, (0.0, "m")).audio
    changed = [rerecorded(sound, lambda: sound[::-1], np.random.default_rng(seed)) for seed in range(20)]
    assert all(one.shape == sound.shape and one.dtype == np.float32 and np.isfinite(one).all() for one in changed)
    levels = [float(np.sqrt(np.mean(one**2))) for one in changed]
    assert max(levels) > 3 * min(levels)
    spectra = [np.abs(np.fft.rfft(one))[: len(sound) // 2] for one in changed]
    sharpness = [float(spectrum[4000:].sum() / spectrum.sum()) for spectrum in spectra]
    assert max(sharpness) > 1.5 * min(sharpness)
    silence = np.zeros(16000, np.float32)
    assert rerecorded(silence, lambda: silence, np.random.default_rng(0)) is silence


def test_the_folder_gives_features_and_states_its_origin(paths: Paths, trained: Path) -> None:
    assert trained == paths.speech and {*FILES, RECORD} <= {path.name for path in trained.iterdir()}
    sound = training_utterances(paths).truth(0).speech.audio
    rows = encode(sound, 30, Speech(encoder=str(trained), dim=DIM))
    assert rows.shape == (30, DIM) and rows.std() > 0.1
    with pytest.raises(InputError, match=rf"dim is 24, but .* gives {DIM} channels"):
        encode(sound, 30, Speech(encoder=str(trained), dim=24))
    record = read_json(trained / RECORD)
    assert (record["clips"], record["steps"], record["corpus"], record["kind"]) == (4, 12, "spoken", "demo")
    assert record["sha256"] == sha256_file(trained / "model.safetensors") and record["hours"] >= 0
    assert set(record["accuracy"]) == {"all", "espeak", "speech"}
    assert all(0 <= share <= 1 for share in record["accuracy"].values())
    assert not (trained / "writing").exists()


def test_the_written_weights_are_the_trained_ones_to_the_rounding_of_half(paths: Paths, trained: Path) -> None:
    from safetensors.torch import load_file
    from transformers import AutoModel

    network = AutoModel.from_pretrained(trained, dtype=torch.float32).state_dict()
    kept = load_file(trained / "step-00000012/weights.safetensors")
    assert {f"speech.{key}" for key in network} == {key for key in kept if key.startswith("speech.")}
    for key, value in network.items():
        torch.testing.assert_close(value, kept[f"speech.{key}"], rtol=2**-11, atol=2**-25)
    written = load_file(trained / "model.safetensors")
    assert {value.dtype for value in written.values()} == {torch.float16}


def test_a_killed_training_ends_with_the_same_folder(
    paths: Paths, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss, steps = SpeechTask.loss, iter(range(7))

    def interrupted(task: SpeechTask, *arguments):  # type: ignore[no-untyped-def]
        next(steps)  # StopIteration after step 7, past the checkpoint of step 4
        return loss(task, *arguments)

    again = Paths(paths.corpus, paths.prepared, tmp_path / "again")
    monkeypatch.setattr(SpeechTask, "loss", interrupted)
    with pytest.raises(StopIteration):
        train_speech_encoder(CONFIG, again)
    assert not (again.speech / "model.safetensors").exists() and (again.speech / "step-00000004").is_dir()
    monkeypatch.setattr(SpeechTask, "loss", loss)
    train_speech_encoder(CONFIG, again)
    assert [line["step"] for line in map(json.loads, (again.speech / "log.jsonl").read_text().splitlines())][-1] == 12
    for name in FILES:
        assert (again.speech / name).read_bytes() == (trained / name).read_bytes()


def test_training_learns_phonemes(paths: Paths, tmp_path: Path) -> None:
    """Cross-entropy falls below that of the frequencies of the classes, which about 3 nats are here."""
    config = configuration(steps=60, lr=1e-2, warmup=5)
    place = Paths(paths.corpus, paths.prepared, tmp_path)
    train_speech_encoder(config, place)
    losses = [json.loads(line)["phonemes"] for line in (place.speech / "log.jsonl").read_text().splitlines()]
    assert np.mean(losses[-5:]) < 0.85 * losses[0]


def test_unusable_corpora(paths: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = parse({"corpus": {"kind": "folder"}})
    with pytest.raises(InputError, match=r"corpus\.kind: folder: .* phonemes of the embedded corpus"):
        train_stage(people, Paths.of(people, tmp_path, tmp_path), "speech")
    absent = Paths.of(CONFIG, tmp_path / "data", tmp_path / "results")
    with pytest.raises(InputError, match=r"clips\.csv: no such corpus; prepare it first \(dawn corpus\)"):
        train_stage(CONFIG, absent, "speech")
    assert not (tmp_path / "results").exists()
    (tmp_path / "config.yaml").write_text("corpus: {kind: folder}\n")
    assert main(["train", "speech", "--config", str(tmp_path / "config.yaml")]) == 2
    assert "phonemes of the embedded corpus" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"train\.validation: the speech encoder trains for a fixed number of steps"):
        parse({"speech": {"train": {"steps": 1, "validation": {"every": 1}}}})
    with pytest.raises(ConfigError, match="dim = 96 is not divisible by heads = 5"):
        parse({"speech": {"model": {"heads": 5}}})


def training_utterances(paths: Paths) -> Utterances:
    from dawn.features.clips import clips_of_split

    return Utterances(clips_of_split(paths.manifest, "train"), paths.corpus)
