"""Training of SyncNet: it learns to synchronise, reads packed clips, and resumes to the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dawn.config import Config, parse
from dawn.corpora.manifest import Clip, write_manifest
from dawn.errors import InputError
from dawn.features.mfcc import HOPS_PER_FRAME, frame_mfcc, mfcc
from dawn.features.pack import pack
from dawn.features.store import Features
from dawn.media.json_files import write_json
from dawn.media.video_writer import write_video
from dawn.paths import Paths
from dawn.stages import starts_of, syncnet_settings_of
from dawn.training.batch_shard import BatchShard
from dawn.training.distributed import Distributed
from dawn.training.loop import initialise, train
from eval.backbones import syncnet
from eval.extract.lip_windows import VIDEO_WINDOW, audio_windows
from eval.extract.mouth_crop import mouth_crops
from eval.metrics import lse
from eval.studies import train_syncnet
from eval.studies.train_syncnet import PER_CLIP, LipSampler, SyncnetTask, augmented, contrast, fit, schedule_of_clips
from tests.support.clips import features_of

SIDE = 19
_EYES = (36, 45)  # outer corners, whose distance is the scale of the mouth's square


class Mouths:
    """Clips in memory: a mouth whose height is the loudness of the sound in the same frame."""

    def __init__(self, seeds: Sequence[int], frames: int = 40) -> None:
        self._count = frames
        self._clips = [_speaking(seed, frames) for seed in seeds]

    def __len__(self) -> int:
        return len(self._clips)

    def length(self, index: int) -> int:
        return self._count

    def rows(self, index: int, name: str, which: slice | Sequence[int] = slice(None)) -> Tensor:
        return torch.from_numpy(getattr(self._clips[index][1], name)[which])

    def frames(self, index: int, which: slice | Sequence[int] = slice(None)) -> Tensor:
        return torch.from_numpy(self._clips[index][0][which]).permute(0, 3, 1, 2)


def _speaking(seed: int, frames: int) -> tuple[np.ndarray, Features]:
    """Frames (N, 40, 40, 3) and features of one clip."""
    rng = np.random.default_rng(seed)
    loud = np.clip(np.convolve(rng.normal(size=frames + 4), np.ones(3) / 2, mode="same")[2:-2], -1, 1) / 2 + 0.5
    rows = np.abs(np.arange(40) - 20)[None, :, None] < (8 * loud)[:, None, None]
    pixels = np.where(rows, 40, 180).repeat(40, axis=2)[..., None].repeat(3, axis=3).astype(np.uint8)
    points = np.full((frames, 68, 2), 20.5, np.float32)
    points[:, _EYES[0], 0], points[:, _EYES[1], 0] = 6, 6 + SIDE / 0.75  # a square of 19 pixels
    coefficients = np.zeros((frames, HOPS_PER_FRAME, 13), np.float32)
    coefficients[:, :, 0] = 20 * loud[:, None]
    return pixels, features_of(frames, landmarks=points, mfcc=coefficients)


def _config(steps: int, **train_keys: Any) -> Config:
    schedule = {"steps": steps, "batch": 32, "lr": 2e-3, "threads": 1, "checkpoint_every": 1000, "log_every": 1}
    model = {"side": SIDE, "width": 0.1, "train": schedule | train_keys}
    speech = {"encoder": "logmel", "dim": 8, "mels": 4, "context": 2}
    corpus = {"name": "drawn", "kind": "folder", "resolution": 64, "shards": 1}
    return parse({"corpus": corpus, "features": {"speech": speech}, "evaluate": {"syncnet": model}})


def _train(config: Config, clips: Mouths, out: Path) -> syncnet.SyncNet:
    model = config.evaluate.syncnet
    schedule = schedule_of_clips(model.train)
    task = initialise(lambda: SyncnetTask(model, LipSampler(SIDE, clips)), stage="syncnet", schedule=schedule, seed=1)
    train(
        task,
        Distributed(),
        stage="syncnet",
        schedule=schedule,
        total=model.train.steps or 0,
        out=out,
        seed=1,
        fingerprint="x",
        config="{}",
    )
    return task.net.eval()


def _embeddings(net: syncnet.SyncNet, clips: Mouths, index: int) -> tuple[np.ndarray, np.ndarray]:
    frames = clips.frames(index).permute(0, 2, 3, 1).numpy()
    crops = mouth_crops(frames, clips.rows(index, "landmarks").numpy(), clips.rows(index, "found").numpy(), SIDE)
    count = len(frames) - VIDEO_WINDOW
    sound = audio_windows(clips.rows(index, "mfcc").flatten(0, 1).numpy(), count)
    with torch.inference_mode():
        lips = net.embed_lips(torch.tensor(crops).permute(3, 0, 1, 2)[None].float())[0, :count]
        return lips.numpy(), net.embed_sound(torch.from_numpy(sound)).numpy()


def test_training_learns_which_sound_belongs_to_which_mouth(tmp_path: Path) -> None:
    net = _train(_config(60), Mouths(range(6)), tmp_path)
    others = Mouths(range(100, 104))
    held_out = [_embeddings(net, others, k) for k in range(4)]
    matching = [lse.sync(lips, sound) for lips, sound in held_out]
    swapped = [lse.sync(lips, held_out[k - 1][1]) for k, (lips, _) in enumerate(held_out)]
    assert [scores.offset for scores in matching] == [0] * 4
    assert min(scores.lse_c for scores in matching) > max(scores.lse_c for scores in swapped)
    assert np.mean([scores.lse_d for scores in matching]) < np.mean([scores.lse_d for scores in swapped])


def test_resumed_training_ends_with_the_weights_of_an_uninterrupted_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = Mouths(range(3))
    uninterrupted = _train(_config(6), clips, tmp_path / "uninterrupted")

    steps = 0

    def stop(*embeddings: Tensor) -> Tensor:
        nonlocal steps
        steps += 1
        if steps == 5:
            raise KeyboardInterrupt
        return contrast(*embeddings)

    monkeypatch.setattr(train_syncnet, "contrast", stop)
    with pytest.raises(KeyboardInterrupt):
        _train(_config(6, checkpoint_every=2), clips, tmp_path / "resumed")
    steps = -100
    resumed = _train(_config(6, checkpoint_every=2), clips, tmp_path / "resumed")
    assert steps == -98  # the four steps before the checkpoint did not run again
    expected, weights = uninterrupted.state_dict(), resumed.state_dict()
    assert all(torch.equal(expected[key], weights[key]) for key in expected)


def test_a_batch_is_mouths_with_their_sound_under_one_change_for_each_clip() -> None:
    clips = Mouths([3])
    shard = BatchShard(0, "syncnet", 0, 2, range(2))
    batch = LipSampler(SIDE, clips)(shard)
    assert batch.mouths.shape == (2, PER_CLIP, VIDEO_WINDOW, SIDE, SIDE, 3) and batch.mouths.dtype == torch.uint8
    assert batch.sound.shape == (2, PER_CLIP, 13, 20)
    # The mouth is open by as many rows as the sound of its frame is loud, wherever the square was shifted to.
    dark = (batch.mouths[..., SIDE // 2, 0].float() < 110).sum(dim=-1)  # (2, w, 5) rows
    loud = batch.sound[:, :, 0, ::HOPS_PER_FRAME] / 20
    assert np.corrcoef(dark.flatten().numpy(), loud.flatten().numpy())[0, 1] > 0.98
    pixels = augmented(batch)
    assert pixels.shape == (2 * PER_CLIP, 3, VIDEO_WINDOW, SIDE, SIDE)
    first = batch.mouths[0].permute(0, 4, 1, 2, 3).float() * batch.gain[0] + batch.offset[0][:, None, None, None]
    first = first.flip(-1) if batch.flip[0] else first
    torch.testing.assert_close(pixels[:PER_CLIP], first.clamp(0, 255))


def test_negatives_come_from_the_same_clip_only() -> None:
    points = torch.arange(PER_CLIP).float()[:, None] * 10
    two_clips = torch.cat([points, points])  # equal embeddings in the other clip must not count as negatives
    assert contrast(two_clips, two_clips) < 1e-3
    assert contrast(two_clips, two_clips.flip(0)) > 10


def test_mfcc_of_frames_are_those_of_the_whole_sound() -> None:
    audio = np.random.default_rng(0).normal(0, 0.1, 40 * 640).astype(np.float32)
    rows = frame_mfcc(audio, 40)
    whole = mfcc(audio)
    assert rows.shape == (40, 4, 13)
    np.testing.assert_array_equal(rows.reshape(-1, 13)[: len(whole)], whole)
    windows = audio_windows(whole, 35)
    np.testing.assert_array_equal(rows[7:12].reshape(20, 13).T, windows[7])
    np.testing.assert_array_equal(frame_mfcc(audio[: 30 * 640], 40)[:29], rows[:29])  # shorter sound is padded


@pytest.mark.parametrize("store", ["raw", "none"])
def test_fit_reads_the_clips_of_the_training_split(store: str, tmp_path: Path) -> None:
    config = _config(2)
    config = config.model_copy(update={"data": config.data.model_copy(update={"store": store})})
    paths = _corpus(config, tmp_path, frames=24)
    out = tmp_path / "weights" / "syncnet.safetensors"
    fit(config, paths, out)
    assert syncnet.load(out).side == SIDE
    first = out.read_bytes()
    fit(config, paths, out)
    assert out.read_bytes() == first
    assert (out.with_suffix("") / "log.jsonl").is_file()
    with pytest.raises(InputError, match=r"weights/sync: .*ends in \.safetensors"):
        fit(config, paths, out.with_name("sync"))
    short = _corpus(config, tmp_path / "short", frames=20)
    with pytest.raises(InputError, match="none of 1 training clips has the 21 frames"):
        fit(config, short, out)


def test_fit_draws_from_its_own_seed_where_it_has_one(tmp_path: Path) -> None:
    config = _config(1)
    paths = _corpus(config, tmp_path, frames=24)
    model = config.evaluate.syncnet.model_copy(update={"seed": config.seed})
    own = config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"syncnet": model})})
    weights = {}
    for name, trained in [
        ("base", config),
        ("other", config.model_copy(update={"seed": 1})),
        ("other networks", own.model_copy(update={"seed": 1})),
    ]:
        out = tmp_path / name / "syncnet.safetensors"
        fit(trained, paths, out)
        weights[name] = out.read_bytes()
    assert weights["other networks"] == weights["base"] != weights["other"]


def test_fit_starts_from_another_syncnet_and_keeps_the_best_weights(tmp_path: Path) -> None:
    plain = _config(2)
    paths = _corpus(plain, tmp_path, frames=24, names="abc")
    torch.manual_seed(5)
    start, out = tmp_path / "start.safetensors", tmp_path / "syncnet.safetensors"
    started = _held_out(plain, start, lr=1e30)  # no step improves on the start
    with pytest.raises(InputError, match=r"start\.safetensors: no such weights"):
        fit(started, paths, out)
    other = syncnet.SyncNet(SIDE, 0.1)
    other.save(start)
    fit(started, paths, out)
    weights = syncnet.load(out).state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in other.state_dict().items())
    assert starts_of(started, "syncnet") == (start,) and starts_of(plain, "syncnet") == ()
    assert syncnet_settings_of(started)["starts"] == [str(start)]
    syncnet.SyncNet(SIDE, 0.2).save(start)
    with pytest.raises(InputError, match=r"side 19 and width 0\.2, but evaluate\.syncnet has 19 and 0\.1"):
        fit(started, paths, out)


def _held_out(config: Config, start: Path, lr: float) -> Config:
    """The configuration with validation on a third of the clips and the start weights `start`."""
    tree = config.model_dump()
    tree["data"]["validation_fraction"] = 0.3
    tree["evaluate"]["syncnet"]["start"] = str(start)
    tree["evaluate"]["syncnet"]["train"] |= {"lr": lr, "validation": {"every": 1, "batches": 2}}
    return parse(tree)


def _corpus(config: Config, folder: Path, frames: int, names: str = "a") -> Paths:
    """Write a prepared corpus of the training clips `names` and a test clip, packed where the configuration does."""
    paths = Paths.of(config, folder / "data", folder / "results")
    paths.clips.mkdir(parents=True)
    rng = np.random.default_rng(0)
    clips = []
    splits = {name: "train" for name in names} | {"test": "test"}
    for name, split in splits.items():
        write_video(paths.clip(name), rng.integers(0, 256, (frames, 64, 64, 3), dtype=np.uint8))
        points = rng.uniform(20, 44, (68, 2)).astype(np.float32)[None].repeat(frames, 0)
        features = features_of(frames, landmarks=points, speech=np.zeros((frames, 8), np.float32))
        replace(features, extractor="mediapipe-face-landmarker-v2").save(paths.clip_features(name))
        clips.append(Clip(name, name, split, frames, frames / 25, f"{name}.mp4", "0" * 64))
    for manifest in (paths.manifest, paths.dataset):
        write_manifest(manifest, clips)
    write_json(paths.dataset.with_suffix(".json"), {"digest": "0"})
    for stage in ("clips", "features"):
        report = {"files": dict.fromkeys(splits, "0"), "rejected": [], "frames": dict.fromkeys(splits, frames)}
        write_json(paths.shard(stage, 0), report)
    if config.data.store != "none":
        pack(config, paths, 0)
    return paths
