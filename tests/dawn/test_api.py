"""The Python interface: what it accepts, and that it gives the videos of the command line and of the test set."""

from __future__ import annotations

import doctest
import os
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file

import dawn
from dawn import api
from dawn.cli import main
from dawn.config import Config
from dawn.corpora.manifest import Clip, write_manifest
from dawn.errors import InputError
from dawn.features.store import Features
from dawn.generation.driving import Source
from dawn.generation.sources import source_of
from dawn.generation.testset import generate_videos
from dawn.media.audio import as_audio, read_audio
from dawn.media.files import sha256_file
from dawn.media.json_files import read_json
from dawn.media.video import load_frames
from dawn.media.video_writer import write_video
from dawn.models.weights_io import save_weights, weights_metadata
from dawn.paths import Paths
from tests.support.clips import features_of
from tests.support.networks import config, networks
from tests.support.person import write_person
from tests.support.repository import REPOSITORY


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a drawn portrait, speech of 1 s at 16 kHz, a driving video, and a run of untrained networks."""
    folder = tmp_path_factory.mktemp("person")
    frames = write_person(folder, folder / "results/demo")
    for short, name in (("p.png", "portrait.png"), ("s.wav", "speech.wav")):
        shutil.copy(folder / name, folder / short)
    write_video(folder / "driving.mp4", frames)
    return folder


@pytest.fixture(scope="module")
def talker(person: Path) -> dawn.Talker:
    return dawn.load(person / "results/demo")


@pytest.fixture(scope="module")
def video(talker: dawn.Talker, person: Path) -> dawn.Video:
    return talker.generate(person / "p.png", person / "s.wav")


def test_the_snippet_gives_the_bytes_of_the_command(person: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(person)
    exec("import dawn; dawn.load('results/demo').generate('p.png', 's.wav').save('o.mp4')", {})
    assert main(["generate", "p.png", "s.wav", "-o", "command.mp4", "--run", "results/demo"]) == 0
    assert Path("o.mp4").read_bytes() == Path("command.mp4").read_bytes()


def test_examples_in_the_docstrings_run(person: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(person)
    monkeypatch.setattr(api.pretrained, "run", lambda: person / "results/demo")
    names = {"PIL": __import__("PIL.Image"), "samples": read_audio("s.wav"), "dawn": dawn}
    assert doctest.testmod(api, extraglobs=names, raise_on_error=True).attempted > 5
    with av.open("out.mp4") as container:
        assert container.metadata["synthetic"] == "true" and container.streams.audio


def test_a_video_is_iterated_repeatedly_from_its_motion(video: dawn.Video) -> None:
    assert len(video) == 25 and video.fps == 25
    frames = video.frames()
    assert frames.shape == (25, 64, 64, 3) and frames.dtype == np.uint8
    assert all(np.array_equal(frame, again) for frame, again in zip(frames, video, strict=True))
    assert video.pose.shape == (25, 6) and video.blink.shape == (25, 2)
    assert video.audio.shape == (16000,) and video.sample_rate == 16000


def test_a_saved_video_has_sound_and_says_that_it_is_synthetic(video: dawn.Video, tmp_path: Path) -> None:
    assert video.save(tmp_path / "out.mp4") == tmp_path / "out.mp4"
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert {key: container.metadata[key] for key in video.metadata} == video.metadata
        assert video.metadata["comment"].startswith("AI-generated")
    assert len(read_audio(tmp_path / "out.mp4")) == pytest.approx(16000, abs=1024)
    difference = load_frames(tmp_path / "out.mp4").astype(int) - video.frames()
    assert np.abs(difference).mean() < 3
    with pytest.raises(InputError, match=r"out\.gif: the output is an MP4 video"):
        video.save(tmp_path / "out.gif")


def test_an_output_that_cannot_be_written_is_refused_before_generation(
    person: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").touch()
    for output, problem in (("folder.mp4", "is a folder"), ("file/out.mp4", "is a file, not a folder")):
        words = ["generate", "absent.png", "absent.wav", "-o", str(tmp_path / output)]
        assert main([*words, "--run", str(person / "results/demo")]) == 2
        assert f"{output}: " in (error := capsys.readouterr().err) and problem in error
    assert main(["generate", "p.png", "s.wav", "-o", str(tmp_path / "out.mp4"), "--seed", "-1"]) == 2
    assert capsys.readouterr().err == "dawn: seed: must be an integer from 0 to 2**63 - 1, got -1\n"


def test_arrays_and_images_give_the_video_of_their_files(talker: dawn.Talker, video: dawn.Video, person: Path) -> None:
    image = Image.open(person / "p.png")
    for portrait in (image, np.array(image)):
        same = talker.generate(portrait, (read_audio(person / "s.wav"), 16000))
        assert np.array_equal(same.frames(), video.frames())
    assert not np.array_equal(talker.generate(image, person / "s.wav", seed=1).frames(), video.frames())


def test_head_pose_comes_from_a_driving_video(talker: dawn.Talker, person: Path) -> None:
    driven = talker.generate(person / "p.png", person / "s.wav", pose_from=person / "driving.mp4")
    other = talker.generate(person / "p.png", person / "s.wav", pose_from=person / "driving.mp4", seed=1)
    assert np.array_equal(driven.pose, other.pose) and np.ptp(driven.pose[:, 0]) > 0
    assert not np.array_equal(driven.frames(), other.frames())


@pytest.mark.parametrize(
    ("portrait", "speech", "problem"),
    [
        (np.zeros((64, 64), np.uint8), "s.wav", r"image array is uint8 \(64, 64\); give RGB uint8"),
        (np.full((96, 96, 3), 128, np.uint8), "s.wav", "no face found in portrait"),
        ("absent.png", "s.wav", "absent.png: no such file"),
        ("p.png", (np.zeros(16000, np.float32), 16000), "speech: holds no sound"),
        ("p.png", (np.zeros(16000, np.int64), 16000), r"sound is int64 \(16000,\) at 16000 Hz"),
        ("p.png", (np.ones(100, np.float32), 16000), "speech: shorter than one frame"),
        ("p.png", (np.full(16000, np.nan), 16000), "not finite"),
        ("p.png", (np.ones(1, np.float32), 8000), "speech: shorter than one frame"),
        ("p.png", (np.ones((2, 16000), np.float32), 16000), r"sound is float32 \(2, 16000\) .*give \(T,\) or"),
        ("p.png", (16000, np.ones(16000, np.float32)), r"give \(samples, rate\)"),
        ("p.png", (np.ones(16000, np.float32), "16000"), r"give \(samples, rate\)"),
        ("p.png", (np.ones(16000, np.float32), float("nan")), r"give \(samples, rate\)"),
        ("p.png", np.ones(16000, np.float32), r"speech: is a ndarray; give a file, or a pair \(samples, rate\)"),
    ],
)
def test_unusable_inputs_are_named(
    talker: dawn.Talker, person: Path, monkeypatch: pytest.MonkeyPatch, portrait: Any, speech: Any, problem: str
) -> None:
    monkeypatch.chdir(person)
    with pytest.raises(InputError, match=problem):
        talker.generate(portrait, speech)


def test_samples_are_mixed_scaled_and_resampled() -> None:
    tone = np.sin(np.arange(48000) * 2 * np.pi * 220 / 48000).astype(np.float32)
    stereo = np.stack([tone, np.zeros_like(tone)], axis=1)
    half = as_audio(stereo, 48000)
    assert len(half) == pytest.approx(16000, abs=40)
    expected = 0.5 * np.sin(np.arange(16000) * 2 * np.pi * 220 / 16000)
    assert np.abs(half[100:15800] - expected[100:15800]).max() < 0.01
    assert np.array_equal(as_audio(np.array([2**14, -(2**15)], np.int16), 16000), np.float32([0.5, -1]))


def test_settings_given_to_load_replace_the_runs(person: Path) -> None:
    talker = dawn.load(person / "results/demo", "cpu", steps=2, threads=3)
    assert (talker.config.generate.steps, talker.config.generate.threads) == (2, 3)
    assert talker.config.generate.device == "cpu" and talker.config.generate.window == 24
    with pytest.raises(InputError, match=r"generate\.steps"):
        dawn.load(person / "results/demo", steps=0)


def test_networks_of_other_pose_units_are_refused(person: Path, tmp_path: Path) -> None:
    run = shutil.copytree(person / "results/demo", tmp_path / "demo")
    weights = run / "pbnet/weights.safetensors"
    metadata = weights_metadata(weights)
    state = {key.removeprefix("pose/"): value for key, value in load_file(weights).items()}
    for earlier in ({"extractor": "mediapipe-face-mesh"}, {}):
        save_weights(weights, {"pose": state}, {k: v for k, v in metadata.items() if k != "extractor"} | earlier)
        with pytest.raises(InputError, match=r"pbnet/weights\.safetensors: trained on head poses of"):
            dawn.load(run)


def test_the_seed_of_a_test_video_generates_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test set derives a seed from configuration and clip, and states it: `dawn generate --seed` repeats it."""
    settings, nets = config(), networks()
    paths = Paths.of(settings, tmp_path / "data", tmp_path / "results")
    clip = Clip("anna_0", "anna", "test", 20, 0.8, "anna", "0" * 64)
    for manifest in (paths.test, paths.dataset):
        write_manifest(manifest, [clip])
    features = clip_features(settings)
    features.save(paths.clip_features("anna_0"))
    rng = np.random.default_rng(1)
    sound = rng.uniform(-0.5, 0.5, 12800).astype(np.float32)
    write_video(paths.clip("anna_0"), rng.integers(0, 256, (20, 64, 64, 3), dtype=np.uint8), audio=sound)
    monkeypatch.setattr("dawn.generation.testset.Networks.load", lambda *_, **__: nets)
    generate_videos(settings, paths, "dawn")
    sidecar = read_json(paths.videos("dawn") / "anna_0.json")

    def source(*_: object) -> Source:
        return source_of(clip, features, paths)

    def encode(*_: object) -> NDArray[np.float32]:
        return features.speech

    monkeypatch.setattr(api, "read_source", source)
    monkeypatch.setattr("dawn.features.speech.encode", encode)
    speech = read_audio(paths.clip("anna_0"))[:12800]
    for seed, equal in ((sidecar["seed"], True), (settings.seed, False)):
        video = dawn.Talker(nets).generate("portrait", (speech, 16000), seed=seed)
        video.save(tmp_path / "again.mp4")
        original = paths.videos("dawn") / "anna_0.mp4"
        assert (sha256_file(tmp_path / "again.mp4") == sha256_file(original)) is equal


def clip_features(settings: Config) -> Features:
    rng = np.random.default_rng(0)
    return features_of(
        20,
        pose=rng.normal(0, 0.1, (20, 6)).astype(np.float32),
        blink=rng.uniform(0, 0.4, (20, 2)).astype(np.float32),
        speech=rng.standard_normal((20, settings.features.speech.dim)).astype(np.float32),
        face_box=np.tile(np.float32([10, 10, 50, 50]), (20, 1)),
    )


def test_the_package_offers_the_interface_and_nothing_unknown() -> None:
    assert dawn.load is api.load and dawn.Talker is api.Talker and dawn.Video is api.Video
    assert not hasattr(dawn, "nothing")
    for package in ("dawn", "eval"):
        assert os.path.exists(REPOSITORY / package / "py.typed")
