"""Windows of lips and sound: MFCC, both crop modes, and embeddings of long clips in parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dawn.media.video import load_frames
from eval.backbones import syncnet
from eval.extract import lip_windows
from tests.support import canonical


def test_sound_window_of_a_frame_starts_four_hops_later() -> None:
    hops = np.arange(100, dtype=np.float32)[:, None] + np.zeros(13, np.float32)
    windows = lip_windows.audio_windows(hops, 20)
    assert windows.shape == (20, 13, 20)
    assert (windows[:, 0, 0] == 4 * np.arange(20)).all()
    assert (windows[3, 5] == 12 + np.arange(20)).all()


@pytest.mark.parametrize("name", canonical.names("mfcc"))
def test_canonical_mfcc_and_counts_of_windows(name: str) -> None:
    with canonical.case(name) as (_, case):
        samples = (canonical.normal(61, 16000) * 3000).astype(np.int16)
        got = lip_windows.mfcc((samples / 32768).astype(np.float32))
        assert list(got.shape) == case["shape"]
        assert got[0] == pytest.approx(case["first_row"], rel=1e-4)
        assert got[-1] == pytest.approx(case["last_row"], rel=1e-4)
        assert (got.mean(), got.std()) == pytest.approx((case["mean"], case["std"]), rel=1e-5)
        for row in case["windows"]:
            assert row["samples"] == 16000 * row["seconds"]
            assert lip_windows.window_count(row["video_frames"], row["samples"]) == row["syncnet_windows"]
            assert len(lip_windows.mfcc(np.zeros(row["samples"], np.float32))) == row["mfcc_frames"]


def test_whole_frames_are_resized_to_a_square() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 100, 80, 3), dtype=np.uint8)
    crops = lip_windows.whole_frame(frames)
    assert crops.frames.shape == (3, 224, 224, 3)
    assert (crops.coverage, crops.first, crops.mode) == (1.0, 0, "whole_frame")
    assert lip_windows.whole_frame(frames[:0]).coverage == 0


def test_tracked_mode_reports_the_share_of_frames_with_a_track() -> None:
    frames = np.zeros((60, 128, 128, 3), np.uint8)
    calls = iter(range(60))

    def detect(frame: np.ndarray) -> np.ndarray:
        assert frame.shape == (512, 512, 3)  # small videos are enlarged before detection
        return np.array([[100, 100, 300, 300]]) if next(calls) >= 20 else np.empty((0, 4))

    crops = lip_windows.tracked(frames, detect)
    assert (crops.first, len(crops.frames), crops.mode) == (20, 40, "tracked, small")
    assert crops.coverage == pytest.approx(2 / 3)
    audio = np.arange(60 * 640, dtype=np.float32)
    assert crops.audio(audio)[0] == 20 * 640
    assert len(crops.audio(audio)) == 40 * 640
    nothing = lip_windows.tracked(frames, lambda frame: np.empty((0, 4)))
    assert (len(nothing.frames), nothing.coverage) == (0, 0.0)
    net = syncnet.SyncNet(48, 0.1).eval()
    assert [part.shape for part in lip_windows.lip_embeddings(net, nothing.frames, audio[:0])] == [(0, net.size)] * 2


def test_embeddings_of_long_clips_in_parts_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    net = syncnet.SyncNet(48, 0.1).eval()
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (40, 48, 48, 3), dtype=np.uint8)
    audio = rng.normal(size=40 * 640).astype(np.float32) / 10
    whole = lip_windows.lip_embeddings(net, crops, audio)
    monkeypatch.setattr(lip_windows, "CPU_PIXELS", 48 * 48 * 7)
    parts = lip_windows.lip_embeddings(net, crops, audio)
    assert parts[0].shape == (35, net.size)
    assert parts[0] == pytest.approx(whole[0], abs=1e-4)
    assert (parts[1] == whole[1]).all()
    net.bgr = True
    assert lip_windows.lip_embeddings(net, np.ascontiguousarray(crops[..., ::-1]), audio)[0] == pytest.approx(
        parts[0], abs=1e-4
    )


def test_a_real_clip_is_tracked(real: Path) -> None:
    """Boxes of the landmark detector stand in for S3FD's, whose weights are not at hand."""
    from dawn.features.boxes import face_box
    from dawn.features.landmarks import FaceLandmarker

    frames = load_frames(real / "clips" / "grid_bbaf2n.mpg")[:30]
    with FaceLandmarker(256) as landmarker:

        def detect(frame: np.ndarray) -> np.ndarray:
            face = landmarker.detect(frame)
            return np.empty((0, 4)) if face is None else face_box(face.landmarks)[None]

        crops = lip_windows.tracked(frames, detect)
    assert crops.coverage == 1
    assert crops.frames.shape == (30, 224, 224, 3)
    assert crops.frames.std() > 10
