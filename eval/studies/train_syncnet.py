"""Trains SyncNet on the training split, so that lip sync can be judged where no published weights fit.

The loss tells, among windows of one clip, which sound belongs to which mouth, both ways: a cross-entropy over negative
Euclidean distances. The original contrasts one pair with one shifted pair; here every other window of the clip is a
false pair, which separates sooner. Other clips are no false pairs: they could be told apart by voice and face alone.
Because the logits are distances, a confidence of 1 means that the right shift is e times as likely as the usual one.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from dawn.config import Schedule, SyncnetModel
from dawn.errors import InputError
from dawn.features.store import Features
from dawn.fingerprint import fingerprint
from dawn.media.audio import read_audio
from dawn.media.files import atomic_path
from dawn.media.video import load_frames
from eval.backbones.syncnet import SyncNet
from eval.extract.mouth_crop import mouth_crops
from eval.metrics.lse import VIDEO_WINDOW, audio_windows, mfcc, window_count

MARGIN = 0.2  # crops are cut this much wider and jittered back, so that a shaken face box changes little
PER_CLIP = 16  # windows of one clip in a step; the false pairs of each


@dataclass(frozen=True)
class Recording:
    """Mouths (T, s, s, 3) uint8, wider than the network takes by MARGIN, and sound (W, 13, 20), W <= T - 4."""

    mouths: NDArray[np.uint8]
    sound: NDArray[np.float32]


def fit(
    model: SyncnetModel, names: Sequence[str], clips: Path, features: Path, out: Path, seed: int
) -> dict[str, float]:
    """Train on ``<clips>/<name>.mp4`` with ``<features>/<name>.safetensors`` and write `out`; returns the last figures.

    Every step draws from its own seed, so that a run which was killed continues from its last checkpoint to the same
    weights. Raises InputError when no clip is long enough.
    """
    schedule = model.train
    torch.set_num_threads(schedule.threads)
    torch.use_deterministic_algorithms(True)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mouths-", dir=out.parent) as scratch:
        data = [
            recording
            for name in tqdm(names, desc="mouths", unit="clip", mininterval=2)
            if len((recording := _read(name, clips, features, model.side, Path(scratch))).sound) >= PER_CLIP
        ]
        if not data:
            raise InputError(f"{clips}: none of {len(names)} clips has {PER_CLIP} windows of mouth and sound")
        return _train(model, data, out, seed, fingerprint([model.model_dump(mode="json"), list(names), seed]))


def _train(model: SyncnetModel, data: list[Recording], out: Path, seed: int, fingerprint: str) -> dict[str, float]:
    schedule = model.train
    total = schedule.total_steps(len(data))
    torch.manual_seed(seed)
    net = SyncNet(model.side, model.width).train()
    optimiser = torch.optim.AdamW(
        net.parameters(), lr=schedule.lr, betas=schedule.betas, weight_decay=schedule.weight_decay
    )
    unfinished = out.with_suffix(".unfinished")
    start = _resume(unfinished, fingerprint, net, optimiser)
    shown: dict[str, float] = {}
    bar = tqdm(range(start, total), desc="syncnet", initial=start, total=total, mininterval=2, unit="step")
    for step in bar:
        for group in optimiser.param_groups:
            group["lr"] = _rate(schedule, step, total)
        mouths, sound = _batch(data, model.side, schedule.batch, np.random.default_rng((seed, step)))
        video = net.embed_lips(mouths).squeeze(1)
        loss, right = contrast(video, net.embed_sound(sound))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if schedule.clip_norm:
            torch.nn.utils.clip_grad_norm_(net.parameters(), schedule.clip_norm)
        optimiser.step()
        if step % schedule.log_every == 0 or step == total - 1:
            shown = {"loss": loss.item(), "right": right.item()}
            bar.set_postfix(loss=f"{shown['loss']:.2f}", right=f"{shown['right']:.0%}")
        if (step + 1) % schedule.checkpoint_every == 0 and step + 1 < total:
            state = {"net": net.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1}
            with atomic_path(unfinished) as aside:
                torch.save(state | {"fingerprint": fingerprint}, aside)
    net.save(out, {"fingerprint": fingerprint, "clips": str(len(data)), "steps": str(total), "seed": str(seed)})
    unfinished.unlink(missing_ok=True)
    return shown


def contrast(video: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
    """(B, D) embeddings, PER_CLIP consecutive rows a clip -> loss in nats and the share of pairs ranked first."""
    distances = torch.cdist(video.unflatten(0, (-1, PER_CLIP)), sound.unflatten(0, (-1, PER_CLIP)))
    logits = -distances.flatten(0, 1)
    back = -distances.transpose(1, 2).flatten(0, 1)
    target = torch.arange(PER_CLIP).repeat(len(distances))
    loss = (F.cross_entropy(logits, target) + F.cross_entropy(back, target)) / 2
    return loss, (logits.argmax(dim=1) == target).float().mean()


def _read(name: str, clips: Path, features: Path, side: int, scratch: Path) -> Recording:
    """One clip's mouths and sound; mouths stay on disk, so that a large corpus needs no memory."""
    frames = load_frames(clips / f"{name}.mp4")
    audio = read_audio(clips / f"{name}.mp4")
    found = Features.load(features / f"{name}.safetensors")
    count = min(len(frames), len(found.found))
    wide = math.ceil(side * (1 + MARGIN))
    mouths = mouth_crops(frames[:count], found.landmarks[:count], found.found[:count], wide, MARGIN)
    path = scratch / f"{name}.npy"
    np.save(path, mouths)
    sound = audio_windows(mfcc(audio), window_count(count, len(audio)))
    return Recording(np.load(path, mmap_mode="r"), sound)


def _batch(data: list[Recording], side: int, batch: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """(B, 3, 5, side, side) mouths and (B, 13, 20) sound of B windows, PER_CLIP from each of B // PER_CLIP clips."""
    clips = max(1, batch // PER_CLIP)
    mouths, sound = [], []
    for index in rng.choice(len(data), clips, replace=clips > len(data)):
        clip = data[index]
        starts = rng.choice(len(clip.sound), PER_CLIP, replace=False)
        sound.append(clip.sound[starts])
        mouths.append(_jitter(clip.mouths[starts[:, None] + np.arange(VIDEO_WINDOW)], side, rng))
    tensor = torch.from_numpy(np.concatenate(mouths)).permute(0, 4, 1, 2, 3)
    return tensor.contiguous(), torch.from_numpy(np.concatenate(sound))


def _jitter(windows: NDArray[np.uint8], side: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """One shift, flip and change of light for the windows of a clip, so that only motion tells them apart."""
    room = windows.shape[2] - side
    top, left = rng.integers(0, room + 1, 2)
    cut = windows[:, :, top : top + side, left : left + side]
    if rng.random() < 0.5:
        cut = cut[:, :, :, ::-1]
    gain, offset = rng.uniform(0.8, 1.2), rng.uniform(-20, 20, 3)
    return np.clip(cut.astype(np.float32) * np.float32(gain) + offset.astype(np.float32), 0, 255)


def _rate(schedule: Schedule, step: int, total: int) -> float:
    if step < schedule.warmup:
        return schedule.lr * (step + 1) / schedule.warmup
    progress = (step - schedule.warmup) / max(1, total - schedule.warmup)
    return schedule.lr_final + (schedule.lr - schedule.lr_final) * (1 + math.cos(math.pi * progress)) / 2


def _resume(path: Path, fingerprint: str, net: SyncNet, optimiser: torch.optim.Optimizer) -> int:
    """The step to go on from; a checkpoint of other settings is not used."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    if state["fingerprint"] != fingerprint:
        return 0
    net.load_state_dict(state["net"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])
