"""Training of SyncNet on a corpus' training split, for LSE-C and LSE-D where the published weights do not fit.

The loss is a contrastive cross-entropy over negative Euclidean distances between the lip and audio embeddings of
windows of the same clip, in both directions (lips to audio, audio to lips). The original SyncNet contrasts one pair
with one shifted pair; here all other windows of the clip are negatives, which converges sooner. Windows of other clips
are no negatives: voice and face alone would distinguish them. As the logits are distances, LSE-C = 1 means that the
best offset is e times as likely as the median offset.
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

from dawn.config import SyncnetModel
from dawn.errors import InputError
from dawn.features.store import Features
from dawn.fingerprint import fingerprint
from dawn.media.audio import read_audio
from dawn.media.files import atomic_path
from dawn.media.video import load_frames
from dawn.paths import clip_file
from dawn.schedules import learning_rate, total_steps
from dawn.seeds import numpy_generator, set_global_seed
from eval.backbones.syncnet import SyncNet
from eval.extract.lip_windows import VIDEO_WINDOW, audio_windows, mfcc, window_count
from eval.extract.mouth_crop import mouth_crops

MARGIN = 0.2  # stored crops are wider than the network's input by this fraction, for random shifts
PER_CLIP = 16  # windows of each clip in a step: one positive and 15 negatives for each window


@dataclass(frozen=True)
class Recording:
    """Training data of one clip of T frames, W <= T - 4 windows.

    mouths: (T, s, s, 3) uint8 mouth crops, wider than the network's input by :data:`MARGIN`.
    sound: (W, 13, 20) float32 MFCC windows.
    """

    mouths: NDArray[np.uint8]
    sound: NDArray[np.float32]


def fit(
    model: SyncnetModel, names: Sequence[str], clips: Path, features: Path, out: Path, seed: int
) -> dict[str, float]:
    """Train on the clips `names` of the folders `clips` and `features` of a corpus, and write the weights to `out`.

    Returns the last step's loss in nats and accuracy in [0, 1]. Raises InputError when no clip has enough windows.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mouths-", dir=out.parent) as scratch:
        recordings = [
            recording
            for name in tqdm(names, desc="mouths", unit="clip", mininterval=2)
            if len((recording := _read(name, clips, features, model.side, Path(scratch))).sound) >= PER_CLIP
        ]
        if not recordings:
            raise InputError(f"{clips}: none of {len(names)} clips has {PER_CLIP} windows of mouth and sound")
        return train(model, recordings, out, seed, fingerprint([model.model_dump(mode="json"), list(names), seed]))


def train(
    model: SyncnetModel, recordings: Sequence[Recording], out: Path, seed: int, fingerprint: str
) -> dict[str, float]:
    """Train SyncNet on `recordings` of at least :data:`PER_CLIP` windows each; writes and returns as :func:`fit`.

    The random numbers of a step are seeded by (seed, step). A killed run that is started again resumes from its last
    checkpoint (``<out>.unfinished``) and ends with the same weights. A checkpoint of another `fingerprint` is ignored.
    """
    schedule = model.train
    torch.set_num_threads(schedule.threads)
    torch.use_deterministic_algorithms(True)
    total = total_steps(schedule, len(recordings))
    set_global_seed(seed)
    net = SyncNet(model.side, model.width).train()
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=schedule.lr, betas=schedule.betas, weight_decay=schedule.weight_decay
    )
    checkpoint = out.with_suffix(".unfinished")
    start = _resume(checkpoint, fingerprint, net, optimizer)
    result: dict[str, float] = {}
    bar = tqdm(range(start, total), desc="syncnet", initial=start, total=total, mininterval=2, unit="step")
    for step in bar:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(schedule, step, total)
        mouths, sound = _batch(recordings, model.side, schedule.batch, numpy_generator(seed, step))
        lips = net.embed_lips(mouths).squeeze(1)
        loss, accuracy = contrast(lips, net.embed_sound(sound))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if schedule.clip_norm:
            torch.nn.utils.clip_grad_norm_(net.parameters(), schedule.clip_norm)
        optimizer.step()
        if step % schedule.log_every == 0 or step == total - 1:
            result = {"loss": loss.item(), "accuracy": accuracy.item()}
            bar.set_postfix(loss=f"{result['loss']:.2f}", accuracy=f"{result['accuracy']:.0%}")
        if (step + 1) % schedule.checkpoint_every == 0 and step + 1 < total:
            state = {"net": net.state_dict(), "optimiser": optimizer.state_dict(), "step": step + 1}
            with atomic_path(checkpoint) as partial:
                torch.save(state | {"fingerprint": fingerprint}, partial)
    net.save(out, {"fingerprint": fingerprint, "clips": str(len(recordings)), "steps": str(total), "seed": str(seed)})
    checkpoint.unlink(missing_ok=True)
    return result


def contrast(lips: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the contrastive loss in nats and the accuracy in [0, 1] of embeddings (B, D).

    Each :data:`PER_CLIP` consecutive rows are of one clip. Row i of `lips` and row i of `sound` are a positive pair;
    the other rows of its clip are negatives. Accuracy is the fraction of lip windows whose nearest audio window is
    their positive.
    """
    distances = torch.cdist(lips.unflatten(0, (-1, PER_CLIP)), sound.unflatten(0, (-1, PER_CLIP)))
    lips_to_sound = -distances.flatten(0, 1)
    sound_to_lips = -distances.transpose(1, 2).flatten(0, 1)
    target = torch.arange(PER_CLIP).repeat(len(distances))
    loss = (F.cross_entropy(lips_to_sound, target) + F.cross_entropy(sound_to_lips, target)) / 2
    return loss, (lips_to_sound.argmax(dim=1) == target).float().mean()


def _read(name: str, clips: Path, features: Path, side: int, scratch: Path) -> Recording:
    """Crop one clip's mouths and window its audio; the crops are memory-mapped from `scratch`, not held in memory."""
    video = clip_file(clips, name, ".mp4")
    frames = load_frames(video)
    audio = read_audio(video)
    clip = Features.load(clip_file(features, name, ".safetensors"))
    count = min(len(frames), len(clip.found))
    crop_side = math.ceil(side * (1 + MARGIN))
    mouths = mouth_crops(frames[:count], clip.landmarks[:count], clip.found[:count], crop_side, MARGIN)
    path = scratch / f"{name}.npy"
    np.save(path, mouths)
    sound = audio_windows(mfcc(audio), window_count(count, len(audio)))
    return Recording(np.load(path, mmap_mode="r"), sound)


def _batch(recordings: Sequence[Recording], side: int, batch: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Sample mouths (B, 3, 5, side, side) in [0, 255] and audio windows (B, 13, 20), PER_CLIP of each of B / PER_CLIP
    clips.

    B is `batch` rounded down to a multiple of PER_CLIP, at least PER_CLIP.
    """
    clips = max(1, batch // PER_CLIP)
    mouths, sound = [], []
    for index in rng.choice(len(recordings), clips, replace=clips > len(recordings)):
        recording = recordings[index]
        starts = rng.choice(len(recording.sound), PER_CLIP, replace=False)
        sound.append(recording.sound[starts])
        mouths.append(_jitter(recording.mouths[starts[:, None] + np.arange(VIDEO_WINDOW)], side, rng))
    tensor = torch.from_numpy(np.concatenate(mouths)).permute(0, 4, 1, 2, 3)
    return tensor.contiguous(), torch.from_numpy(np.concatenate(sound))


def _jitter(windows: NDArray[np.uint8], side: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Augment windows (N, 5, s, s, 3) of one clip to (N, 5, side, side, 3): shift, flip, contrast and colour offset.

    All windows have the same augmentation, so that they differ by motion alone.
    """
    slack = windows.shape[2] - side
    top, left = rng.integers(0, slack + 1, 2)
    crops = windows[:, :, top : top + side, left : left + side]
    if rng.random() < 0.5:
        crops = crops[:, :, :, ::-1]
    gain, offset = rng.uniform(0.8, 1.2), rng.uniform(-20, 20, 3)
    return np.clip(crops.astype(np.float32) * np.float32(gain) + offset.astype(np.float32), 0, 255)


def _resume(path: Path, fingerprint: str, net: SyncNet, optimizer: torch.optim.Optimizer) -> int:
    """Load the checkpoint if its fingerprint matches; returns the step to continue with, 0 without a checkpoint."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    if state["fingerprint"] != fingerprint:
        return 0
    net.load_state_dict(state["net"])
    optimizer.load_state_dict(state["optimiser"])
    return int(state["step"])
