"""Training of SyncNet: it learns to synchronise, is deterministic, and resumes to the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dawn.config import Schedule, SyncnetModel
from dawn.errors import InputError
from dawn.media.video_writer import write_video
from dawn.paths import clip_file
from eval.backbones import syncnet
from eval.extract.lip_windows import HOPS_PER_FRAME, VIDEO_WINDOW, audio_windows
from eval.metrics import lse
from eval.studies import train_syncnet
from eval.studies.train_syncnet import PER_CLIP, Recording, contrast, fit, train
from tests.support.clips import features_of


def _recording(seed: int, frames: int = 40) -> Recording:
    """A mouth whose height is the loudness of the sound in the same frame."""
    rng = np.random.default_rng(seed)
    loud = np.clip(np.convolve(rng.normal(size=frames + 4), np.ones(3) / 2, mode="same")[2:-2], -1, 1) / 2 + 0.5
    side = 23
    rows = np.abs(np.arange(side) - side // 2)[None, :, None] < (8 * loud)[:, None, None]
    mouths = np.where(rows, 40, 180).repeat(side, axis=2)[..., None].repeat(3, axis=3).astype(np.uint8)
    hops = np.zeros((HOPS_PER_FRAME * frames, 13), np.float32)
    hops[:, 0] = np.repeat(loud, HOPS_PER_FRAME) * 20
    return Recording(mouths, audio_windows(hops, frames - VIDEO_WINDOW))


def _model(steps: int, checkpoint: int = 1000) -> SyncnetModel:
    schedule = Schedule(steps=steps, batch=32, lr=2e-3, threads=1, checkpoint_every=checkpoint, log_every=1)
    return SyncnetModel(side=19, width=0.1, train=schedule)


def _embeddings(net: syncnet.SyncNet, clip: Recording) -> tuple[np.ndarray, np.ndarray]:
    crops = clip.mouths[:, 2:21, 2:21]
    with torch.inference_mode():
        lips = net.embed_lips(torch.tensor(crops).permute(3, 0, 1, 2)[None].float())[0, : len(clip.sound)]
        return lips.numpy(), net.embed_sound(torch.from_numpy(clip.sound)).numpy()


def test_training_learns_which_sound_belongs_to_which_mouth(tmp_path: Path) -> None:
    out = tmp_path / "sync.safetensors"
    train(_model(60), [_recording(seed) for seed in range(6)], out, 0, "x")
    net = syncnet.load(out)
    held_out = [_embeddings(net, _recording(100 + k)) for k in range(4)]
    matching = [lse.sync(lips, sound) for lips, sound in held_out]
    swapped = [lse.sync(lips, held_out[k - 1][1]) for k, (lips, _) in enumerate(held_out)]
    assert [scores.offset for scores in matching] == [0] * 4
    assert min(scores.lse_c for scores in matching) > max(scores.lse_c for scores in swapped)
    assert np.mean([scores.lse_d for scores in matching]) < np.mean([scores.lse_d for scores in swapped])


def test_resumed_training_ends_with_the_weights_of_an_uninterrupted_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings = [_recording(seed) for seed in range(3)]
    uninterrupted = tmp_path / "uninterrupted.safetensors"
    train(_model(6), recordings, uninterrupted, 1, "x")

    steps = 0

    def stop(*embeddings: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        nonlocal steps
        steps += 1
        if steps == 5:
            raise KeyboardInterrupt
        return contrast(*embeddings)

    resumed = tmp_path / "resumed.safetensors"
    monkeypatch.setattr(train_syncnet, "contrast", stop)
    with pytest.raises(KeyboardInterrupt):
        train(_model(6, checkpoint=2), recordings, resumed, 1, "x")
    assert resumed.with_suffix(".unfinished").exists() and not resumed.exists()
    steps = -100
    train(_model(6, checkpoint=2), recordings, resumed, 1, "x")
    assert steps == -98  # the four steps before the checkpoint did not run again
    assert not resumed.with_suffix(".unfinished").exists()
    expected, weights = (syncnet.load(path).state_dict() for path in (uninterrupted, resumed))
    assert all(torch.equal(expected[key], weights[key]) for key in expected)


def test_negatives_come_from_the_same_clip_only() -> None:
    points = torch.arange(PER_CLIP).float()[:, None] * 10
    two_clips = torch.cat([points, points])  # equal embeddings in the other clip must not count as negatives
    loss, accuracy = contrast(two_clips, two_clips)
    assert accuracy == 1
    assert loss < 1e-3
    loss, accuracy = contrast(two_clips, two_clips.flip(0))
    assert accuracy == 0 and loss > 10


def test_fit_reads_clips_and_features(tmp_path: Path) -> None:
    frames = 24
    rng = np.random.default_rng(0)
    write_video(
        clip_file(tmp_path, "a", ".mp4"),
        rng.integers(0, 256, (frames, 64, 64, 3), dtype=np.uint8),
        audio=rng.normal(0, 0.1, frames * 640).astype(np.float32),
    )
    points = rng.uniform(20, 44, (68, 2)).astype(np.float32)[None].repeat(frames, 0)
    features_of(frames, landmarks=points).save(clip_file(tmp_path, "a", ".safetensors"))
    out = tmp_path / "weights" / "sync.safetensors"
    result = fit(_model(2), ["a"], tmp_path, tmp_path, out, seed=0)
    assert np.isfinite(result["loss"])
    first = out.read_bytes()
    fit(_model(2), ["a"], tmp_path, tmp_path, out, seed=0)
    assert out.read_bytes() == first
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    with pytest.raises(InputError, match="none of 0 clips"):
        fit(_model(2), [], tmp_path, tmp_path, out, seed=0)
