"""Training of the lip-sync judge: it learns who speaks when, repeats, and goes on where it was stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dawn.config import Schedule, SyncnetModel
from dawn.errors import InputError
from dawn.media.video import write_video
from eval.backbones import syncnet
from eval.metrics import lse
from eval.metrics.lse import HOPS, VIDEO_WINDOW, audio_windows
from eval.studies import train_syncnet as fit_syncnet
from eval.studies.train_syncnet import Recording, contrast, fit
from tests.support.clips import features_of


def _recording(seed: int, frames: int = 40) -> Recording:
    """A mouth whose height is the loudness of the sound in the same frame."""
    rng = np.random.default_rng(seed)
    loud = np.clip(np.convolve(rng.normal(size=frames + 4), np.ones(3) / 2, mode="same")[2:-2], -1, 1) / 2 + 0.5
    side = 23
    rows = np.abs(np.arange(side) - side // 2)[None, :, None] < (8 * loud)[:, None, None]
    mouths = np.where(rows, 40, 180).repeat(side, axis=2)[..., None].repeat(3, axis=3).astype(np.uint8)
    hops = np.zeros((HOPS * frames, 13), np.float32)
    hops[:, 0] = np.repeat(loud, HOPS) * 20
    return Recording(mouths, audio_windows(hops, frames - VIDEO_WINDOW))


def _model(steps: int, checkpoint: int = 1000) -> SyncnetModel:
    schedule = Schedule(steps=steps, batch=32, lr=2e-3, threads=1, checkpoint_every=checkpoint, log_every=1)
    return SyncnetModel(side=19, width=0.1, train=schedule)


def _embedded(net: syncnet.SyncNet, clip: Recording) -> tuple[np.ndarray, np.ndarray]:
    cut = clip.mouths[:, 2:21, 2:21]
    with torch.inference_mode():
        video = net.embed_lips(torch.tensor(cut).permute(3, 0, 1, 2)[None].float())[0, : len(clip.sound)]
        return video.numpy(), net.embed_sound(torch.from_numpy(clip.sound)).numpy()


def test_it_learns_which_sound_belongs_to_which_mouth(tmp_path: Path) -> None:
    out = tmp_path / "sync.safetensors"
    fit_syncnet._train(_model(60), [_recording(seed) for seed in range(6)], out, 0, "x")
    net = syncnet.load(out)
    unseen = [_embedded(net, _recording(100 + k)) for k in range(4)]
    own = [lse.sync(video, sound) for video, sound in unseen]
    other = [lse.sync(video, unseen[k - 1][1]) for k, (video, _) in enumerate(unseen)]
    assert [one.offset for one in own] == [0] * 4
    assert min(one.lse_c for one in own) > max(one.lse_c for one in other)
    assert np.mean([one.lse_d for one in own]) < np.mean([one.lse_d for one in other])


def test_stopped_and_resumed_ends_where_an_uninterrupted_run_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = [_recording(seed) for seed in range(3)]
    whole = tmp_path / "whole.safetensors"
    fit_syncnet._train(_model(6), data, whole, 1, "x")

    steps = 0

    def stop(*args: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal steps
        steps += 1
        if steps == 5:
            raise KeyboardInterrupt
        return contrast(*args)

    parted = tmp_path / "parted.safetensors"
    monkeypatch.setattr(fit_syncnet, "contrast", stop)
    with pytest.raises(KeyboardInterrupt):
        fit_syncnet._train(_model(6, checkpoint=2), data, parted, 1, "x")
    assert parted.with_suffix(".unfinished").exists() and not parted.exists()
    steps = -100
    fit_syncnet._train(_model(6, checkpoint=2), data, parted, 1, "x")
    assert steps == -98  # four steps were not done again
    assert not parted.with_suffix(".unfinished").exists()
    one, two = (syncnet.load(path).state_dict() for path in (whole, parted))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_false_pairs_come_from_the_same_clip_only() -> None:
    per = fit_syncnet.PER_CLIP
    points = torch.arange(per).float()[:, None] * 10
    twice = torch.cat([points, points])  # equal embeddings in another clip must not count as false pairs
    loss, right = contrast(twice, twice)
    assert right == 1
    assert loss < 1e-3
    loss, right = contrast(twice, twice.flip(0))
    assert right == 0 and loss > 10


def test_fit_reads_clips_and_features(tmp_path: Path) -> None:
    frames = 24
    rng = np.random.default_rng(0)
    write_video(
        tmp_path / "a.mp4",
        rng.integers(0, 256, (frames, 64, 64, 3), dtype=np.uint8),
        audio=rng.normal(0, 0.1, frames * 640).astype(np.float32),
    )
    points = rng.uniform(20, 44, (68, 2)).astype(np.float32)[None].repeat(frames, 0)
    features_of(frames, landmarks=points).save(tmp_path / "a.safetensors")
    out = tmp_path / "weights" / "sync.safetensors"
    shown = fit(_model(2), ["a"], tmp_path, tmp_path, out, seed=0)
    assert np.isfinite(shown["loss"])
    first = out.read_bytes()
    fit(_model(2), ["a"], tmp_path, tmp_path, out, seed=0)
    assert out.read_bytes() == first
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    with pytest.raises(InputError, match="none of 0 clips"):
        fit(_model(2), [], tmp_path, tmp_path, out, seed=0)
