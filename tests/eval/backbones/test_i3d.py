"""I3D: recorded logits, its centre crop and batches, and real videos nearer to each other than to noise."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from dawn.errors import InputError
from dawn.media.video import load_frames
from eval.backbones import i3d
from eval.extract.windows import window_features
from eval.stats.frechet import frechet
from tests.support.signals import colour_pattern


def _square(frames: np.ndarray, side: int) -> np.ndarray:
    height, width = frames.shape[1:3]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    cut = frames[:, top : top + short, left : left + short]
    return np.stack([cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA) for frame in cut])


@pytest.fixture(scope="module")
def video_net() -> i3d.I3D:
    return i3d.load()


def test_i3d_computes_the_recorded_logits(video_net: i3d.I3D) -> None:
    """First logits of a drawn pattern, from the checkpoint run through JAX's convolutions and poolings."""
    got = video_net(torch.from_numpy(colour_pattern(16))[None])
    assert got.shape == (1, 400)
    assert got[0, :4].numpy() == pytest.approx([2.432997, 5.008554, 1.228213, 2.787329], abs=2e-4)


def test_i3d_does_not_depend_on_the_batch(video_net: i3d.I3D) -> None:
    pattern = torch.from_numpy(colour_pattern(9))
    clips = torch.stack([pattern, pattern.flip(0)])
    together = video_net(clips)
    assert torch.allclose(together[1:], video_net(clips[1:]), atol=1e-4)
    assert not torch.allclose(together[0], together[1], atol=0.1)  # time has a direction


def test_i3d_crops_the_centre_of_a_wide_clip() -> None:
    wide = torch.zeros((1, 9, 32, 48, 3), dtype=torch.uint8)
    wide[:, :, :, 8:40] = 255
    prepared = i3d.preprocess(wide)
    assert prepared.shape == (1, 3, 9, 224, 224)
    assert prepared[..., 8:-8].min() == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(InputError):
        i3d.preprocess(wide.float())


def test_i3d_needs_nine_frames(video_net: i3d.I3D) -> None:
    with pytest.raises(InputError, match="9"):
        video_net(torch.from_numpy(colour_pattern(8))[None])


def test_checkpoints_cannot_run_code(tmp_path: Path) -> None:
    bad = tmp_path / "bad.ckpt"
    bad.write_bytes(pickle.dumps({"params": Path("x")}))
    with pytest.raises(InputError, match="not the I3D checkpoint"):
        i3d.load(bad)
    with pytest.raises(InputError):
        i3d.load(tmp_path / "absent.ckpt")


def test_real_videos_are_near_each_other_and_far_from_noise(real: Path, video_net: i3d.I3D) -> None:
    clips = [_square(load_frames(real / "clips" / name)[:32], 96) for name in ("grid_bbaf2n.mpg", "grid_lwbsza.mpg")]
    features = np.stack([window_features(clip, video_net, (0, 16), 16) for clip in clips])
    noise = np.random.default_rng(0).integers(0, 256, (32, 96, 96, 3), dtype=np.uint8)
    far = frechet(features[:, 0], window_features(noise, video_net, (0, 16), 16))
    assert 5 * frechet(features[:, 0], features[:, 1]) < far
