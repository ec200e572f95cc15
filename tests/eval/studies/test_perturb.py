"""Perturbations of known strength: what each changes in a clip, and in a folder of clips."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from dawn.errors import InputError
from dawn.media.video import load_frames, probe
from dawn.media.video_writer import write_video
from eval.cli import main
from eval.extract.video import DecodedVideo
from eval.studies.perturb import PERTURBATIONS, perturb_folder


def _drawn(seed: int, frames: int = 20) -> DecodedVideo:
    rng = np.random.default_rng(seed)
    smooth = np.linspace(30, 220, 32)[None, :, None, None] + rng.uniform(-20, 20, (frames, 1, 32, 3))
    return DecodedVideo(np.clip(smooth, 0, 255).astype(np.uint8), rng.normal(0, 0.1, frames * 640).astype(np.float32))


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_strength_0_changes_nothing_and_lengths_stay(name: str) -> None:
    one, clip, other = PERTURBATIONS[name], _drawn(0), _drawn(1, 13)
    assert one(clip, 0, other) is clip
    assert one.strengths[0] == 0
    assert list(one.strengths) == sorted(set(one.strengths))
    hurt = one(clip, one.strengths[-1], other)
    assert hurt.frames.shape == clip.frames.shape
    assert hurt.frames.dtype == np.uint8
    assert hurt.audio.shape == clip.audio.shape
    touched = (not np.array_equal(hurt.frames, clip.frames), not np.array_equal(hurt.audio, clip.audio))
    assert touched == (one.stream == "frames", one.stream == "audio")
    assert np.array_equal(one(clip, one.strengths[-1], other).frames, hurt.frames)
    for wrong in (-1, one.strengths[-1] + 1, math.nan):
        with pytest.raises(InputError, match=name):
            one(clip, wrong, other)


def test_each_perturbation_is_as_described() -> None:
    clip, other = _drawn(0), _drawn(1, 13)
    frozen = PERTURBATIONS["freeze"](clip, 50, other).frames
    assert np.array_equal(frozen[:10], clip.frames[:10])
    assert (frozen[10:] == clip.frames[9]).all()
    shuffled = PERTURBATIONS["shuffle"](clip, 8, other).frames
    for start in (0, 8, 16):
        mixed, kept = shuffled[start : start + 8], clip.frames[start : start + 8]
        assert sorted(frame.tobytes() for frame in mixed) == sorted(frame.tobytes() for frame in kept)
    swapped = PERTURBATIONS["swap"](clip, 25, other).frames
    assert np.array_equal(swapped[:15], clip.frames[:15])
    assert np.array_equal(swapped[15:], other.frames[[2, 3, 4, 5, 6]])  # the 13 frames of the other begin again
    late = PERTURBATIONS["delay"](clip, 3, other).audio
    assert not late[: 3 * 640].any()
    assert np.array_equal(late[3 * 640 :], clip.audio[: -3 * 640])
    assert PERTURBATIONS["dim"](clip, 40, other).frames == pytest.approx(clip.frames * 0.6, abs=0.5001)
    tone = DecodedVideo(clip.frames, np.sin(2 * np.pi * 400 * np.arange(16000) / 16000).astype(np.float32))
    octave = np.abs(np.fft.rfft(PERTURBATIONS["pitch"](tone, 12, other).audio[2000:14000]))
    assert np.argmax(octave) * 16000 / 12000 == pytest.approx(800, abs=3)


def test_blur_is_relative_to_the_frame() -> None:
    edge = np.zeros((1, 200, 200, 3), np.uint8)
    edge[:, :, 100:] = 255
    blurred = PERTURBATIONS["blur"](DecodedVideo(edge, np.empty(0, np.float32)), 2, _drawn(0)).frames[0, 100, :, 0]
    # A Gaussian of sigma 4 px: an edge passes 16 % and 84 % one sigma to either side.
    assert np.interp(255 * 0.1587, blurred, np.arange(200)) == pytest.approx(99.5 - 4, abs=0.3)


def test_every_clip_of_a_folder_is_perturbed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "list.txt").write_text("a\nb\n")
    write_video(tmp_path / "in/a.mp4", _drawn(0).frames, audio=_drawn(0).audio)
    write_video(tmp_path / "in/b.mp4", _drawn(1).frames)  # no sound
    run = ["perturb", "delay", "--clips", str(tmp_path / "list.txt"), "--videos", str(tmp_path / "in")]
    assert main([*run, "--strength", "2", "--out", str(tmp_path / "out")]) == 0
    assert [probe(tmp_path / f"out/{name}.mp4").has_audio for name in "ab"] == [True, False]
    assert np.abs(load_frames(tmp_path / "out/a.mp4").astype(int) - load_frames(tmp_path / "in/a.mp4")).mean() < 2
    assert main([*run, "--strength", "99", "--out", str(tmp_path / "out")]) == 2
    assert "strengths are 0 to 8" in capsys.readouterr().err
    with pytest.raises(InputError, match="blur, reencode"):
        perturb_folder("melt", 1, tmp_path / "in", ["a"], tmp_path / "out")
    with pytest.raises(InputError, match="name another folder"):
        perturb_folder("blur", 1, tmp_path / "in", ["a"], tmp_path / "in")
