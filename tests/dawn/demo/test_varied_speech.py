"""Speech of varied people: in step with their mouths, and recorded in many ways that leave it in step."""

# ruff: noqa: RUF001 (phonemes are IPA letters, many of which look like others)

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.config import Corpus, DemoCorpus
from dawn.corpora.prepare import prepare
from dawn.demo import flite, generate_truth
from dawn.demo.acoustics import NOISES, Acoustics, draw_acoustics, record
from dawn.demo.casting import generate_varied_person
from dawn.demo.sentences import MORE_SENTENCES, SENTENCES
from dawn.demo.speech import Speech, Voice
from dawn.demo.truth import GroundTruth
from dawn.demo.visemes import mouth_shapes
from dawn.demo.voices import VariedVoice, draw_voice, synthesise_varied
from dawn.errors import InputError

SECONDS = 6.0
CLEAN = Acoustics(-20.0, 0.0, 0.1, "", 30.0, (20.0, 8000.0), 0.0, 1)
needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
VOICES = [
    VariedVoice(Voice("en-us+f3", 50, 50, 150), 0.9),
    VariedVoice(Voice("en-gb-scotland+Andy", 30, 80, 180), 1.1),
    *(
        pytest.param(VariedVoice(flite.FliteVoice(name, pitch, 15.0, stretch), speed), marks=needs_flite)
        for (name, pitch), stretch, speed in zip(
            flite.VOICES.items(), (0.9, 1.0, 1.2, 1.2), (1.1, 0.9, 1.1, 0.94), strict=True
        )
    ),
]


@pytest.fixture(scope="module")
def truths() -> list[GroundTruth]:
    return [generate_truth(1234, index, 0, 4.0, "wide") for index in range(24)]


def test_sentences_of_varied_people_are_many_and_unique() -> None:
    assert len(set(SENTENCES + MORE_SENTENCES)) == len(SENTENCES) + len(MORE_SENTENCES) >= 220
    assert all(text.isascii() for text in MORE_SENTENCES)


@pytest.mark.parametrize("voice", VOICES, ids=lambda voice: voice.engine.name)
def test_mouths_open_with_the_sound_of_every_voice(voice: VariedVoice) -> None:
    """Loudness and mouth opening, at 100 frames a second, correlate best when neither is moved by more than 20 ms."""
    speech = synthesise_varied(voice, SECONDS, np.random.default_rng(2))
    assert len(speech.audio) == SECONDS * 16000 and speech.audio.dtype == np.float32
    assert speech.starts[0] == 0 and (np.diff(speech.starts) >= 0).all() and speech.starts[-1] < SECONDS
    frames = round(SECONDS * 100)
    loudness = np.log10(np.sqrt((speech.audio.reshape(frames, -1) ** 2).mean(axis=1)) + 1e-3)
    opening = mouth_shapes(speech.starts, speech.phonemes, SECONDS, frames)[:, 0]
    moved = {
        lag: np.corrcoef(loudness[25 + lag : frames - 25 + lag], opening[25 : frames - 25])[0, 1]
        for lag in range(-20, 21)
    }
    assert abs(max(moved, key=lambda lag: moved[lag])) <= 2
    assert moved[0] > 0.45


@pytest.mark.parametrize("voice", VOICES, ids=lambda voice: voice.engine.name)
def test_sound_is_weak_during_the_closures_of_voiceless_stops(voice: VariedVoice) -> None:
    speech = synthesise_varied(voice, 4 * SECONDS, np.random.default_rng(3))
    opening = mouth_shapes(speech.starts, speech.phonemes, 4 * SECONDS, round(400 * SECONDS))[:, 0]
    stops, vowels, closed = [], [], []
    for start, end, symbol in _phonemes(speech, 4 * SECONDS):
        piece = speech.audio[int(start * 16000) : int(end * 16000)]
        if len(piece) < 320:
            continue
        level = float(np.sqrt(np.mean(piece[len(piece) // 5 : len(piece) * 3 // 5] ** 2)))  # before the release
        letter = symbol.lstrip("ˈˌ")[:1]
        if letter in ("p", "t", "k"):
            stops.append(level)
        if letter == "p":
            closed.append(opening[round(100 * (start + end) / 2)])
        elif letter and letter in "aɑæɛeɪʌoɔ":
            vowels.append(level)
    assert len(stops) > 10 and np.median(stops) < 0.3 * np.median(vowels)
    assert len(closed) > 2 and np.mean(closed) < 0.1


def test_long_pauses_have_a_shut_mouth(truths: list[GroundTruth]) -> None:
    silent, long = [], 0
    for truth in truths:
        for start, end in _silences(truth.speech, 4.0):
            if end - start > 0.35:
                long += 1
                silent.append(truth.motion.mouth[round((start + 0.16) * 25) : round((end - 0.16) * 25), 0])
    assert long > 12
    assert np.concatenate(silent).max() < 0.06


def test_the_same_numbers_give_the_same_samples() -> None:
    for index in range(6):
        first, second = (generate_truth(3, index, 1, 1.5, "wide").speech for _ in range(2))
        assert np.array_equal(first.audio, second.audio) and first.phonemes == second.phonemes


def test_recordings_vary_and_stay_within_full_scale(truths: list[GroundTruth]) -> None:
    levels = [20 * np.log10(np.sqrt(np.mean(truth.speech.audio**2))) for truth in truths]
    assert np.ptp(levels) > 8 and min(levels) > -40 and max(levels) < -8
    for truth in truths:
        assert truth.speech.audio.dtype == np.float32 and np.isfinite(truth.speech.audio).all()
        assert np.abs(truth.speech.audio).max() <= 1


@pytest.fixture(scope="module")
def burst() -> NDArray[np.float32]:
    """One second of silence, then one of a tone."""
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    return np.concatenate([np.zeros(16000), tone]).astype(np.float32)


def test_no_recording_moves_the_sound_in_time(burst: NDArray[np.float32]) -> None:
    for seed in range(40):
        acoustics = replace(draw_acoustics(np.random.default_rng(seed)), snr=40.0)
        sound = record(burst, acoustics, burst[::-1].copy() if acoustics.noise == "babble" else None)
        loudness = np.sqrt((sound.reshape(-1, 80) ** 2).mean(axis=1))  # of 5 ms
        begin = int(np.argmax(loudness > 0.3 * loudness.max()))
        assert 199 <= begin <= 203


def test_loudness_noise_and_band_are_those_of_the_settings(burst: NDArray[np.float32]) -> None:
    clean = record(burst, CLEAN, None)
    assert 20 * np.log10(np.sqrt(np.mean(clean[16000:] ** 2))) == pytest.approx(-20, abs=0.3)
    for noise in NOISES:
        babble = np.random.default_rng(0).standard_normal(32000).astype(np.float32) if noise == "babble" else None
        noisy = record(burst, replace(CLEAN, noise=noise, snr=10.0), babble)
        ratio = np.sqrt(np.mean(noisy[16000:] ** 2) / np.mean(noisy[4000:12000] ** 2))
        assert 20 * np.log10(ratio) == pytest.approx(10.4, abs=1.5), noise
    hiss = np.random.default_rng(1).standard_normal(32000).astype(np.float32)
    narrow = np.abs(np.fft.rfft(record(0.1 * hiss, replace(CLEAN, band=(300.0, 3400.0)), None)))
    assert narrow[:200].mean() < 0.2 * narrow[2000:6000].mean()  # bins are half a hertz wide
    assert narrow[12000:].mean() < 0.05 * narrow[2000:6000].mean()
    ended = np.concatenate([burst[16000:24000], np.zeros(8000, np.float32)])
    dry, wet = (record(ended, replace(CLEAN, reverberation=room, wet=0.3), None) for room in (0.0, 0.4))
    assert np.abs(wet[8400:9000]).max() > 20 * np.abs(dry[8400:9000]).max()


def test_voices_follow_age_and_the_synthesisers_of_the_configuration() -> None:
    rng = np.random.default_rng(5)
    children = [draw_voice(rng, False, True, 0.0, ("espeak",)).engine for _ in range(30)]
    old = [draw_voice(rng, False, False, 1.0, ("espeak",)).engine for _ in range(30)]
    assert min(voice.pitch for voice in children) > max(voice.pitch for voice in old)
    both = [generate_varied_person(1, index, ("espeak", "flite")) for index in range(40)]
    assert 10 < sum(isinstance(person.voice.engine, flite.FliteVoice) for person in both) < 30
    assert both[4].look == generate_varied_person(1, 4).look and both[4].manner == generate_varied_person(1, 4).manner


def test_other_voices_need_varied_people() -> None:
    assert "voices" not in DemoCorpus(variety="wide").model_dump()
    with pytest.raises(ValueError, match="set variety: wide"):
        DemoCorpus(voices=("flite",))


def test_flite_prints_phones_that_become_ipa() -> None:
    events = flite._events("pau:0.2 hh:0.25 ax:0.3 l:0.4 ow:0.55 sh:0.6 ih:0.64 pau:0.9 ")
    assert [symbol for _, symbol in events] == ["", "h", "ə", "l", "ˈoʊ", "ʃ", "ɪ", ""]
    assert [start for start, _ in events] == pytest.approx([0, 0.2, 0.25, 0.3, 0.4, 0.55, 0.6, 0.64])


def test_without_flite_nothing_is_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    demo = DemoCorpus(train_identities=1, test_identities=1, seconds=1.0, variety="wide", voices=("espeak", "flite"))
    with pytest.raises(InputError, match=r"flite is missing: install it .* or remove flite from corpus\.demo\.voices"):
        prepare(Corpus(demo=demo), tmp_path / "corpus")
    assert not (tmp_path / "corpus" / "clips.csv").exists()
    assert not list((tmp_path / "corpus").glob("truth/*"))


def test_an_incomplete_flite_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "flite"
    command.write_text("#!/bin/sh\necho 'Voices available: kal slt'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(InputError, match="flite has no voice awb, kal16, rms"):
        flite.check_flite()
    command.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(InputError, match=r"flite -lv: .*exit status 3"):
        flite.check_flite()


def _phonemes(speech: Speech, seconds: float) -> list[tuple[float, float, str]]:
    ends = np.append(speech.starts[1:], seconds)
    return [(float(a), float(b), s) for a, b, s in zip(speech.starts, ends, speech.phonemes, strict=True)]


def _silences(speech: Speech, seconds: float) -> list[tuple[float, float]]:
    """Return start and end of each run of silent phonemes."""
    runs: list[tuple[float, float]] = []
    for start, end, symbol in _phonemes(speech, seconds):
        if symbol == "":
            runs.append((runs.pop()[0] if runs and runs[-1][1] == start else start, end))
    return runs
