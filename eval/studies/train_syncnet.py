"""Training of SyncNet on a corpus' training split, for LSE-C and LSE-D where the published weights do not fit.

The loss is a contrastive cross-entropy over negative Euclidean distances between the lip and audio embeddings of
windows of the same clip, in both directions (lips to audio, audio to lips). The original SyncNet contrasts one pair
with one shifted pair; here all other windows of the clip are negatives, which converges sooner. Windows of other clips
are no negatives: voice and face alone would distinguish them. As the logits are distances, LSE-C = 1 means that the
best offset is e times as likely as the median offset.

The training loop is that of DAWN's stages: it resumes, divides batches over GPUs, and reads mouths from packed clips.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.config import Config, Schedule, SyncnetModel
from dawn.errors import InputError
from dawn.fingerprint import code_fingerprint, fingerprint
from dawn.media.files import sha256_file
from dawn.media.json_files import read_json
from dawn.paths import Paths
from dawn.precision import lowered
from dawn.schedules import total_steps
from dawn.stages import starts_of, syncnet_seed_of, syncnet_settings_of
from dawn.training.batch_shard import BatchShard, collate
from dawn.training.clip_views import Clips
from dawn.training.distributed import launch
from dawn.training.loop import initialise, train
from dawn.training.training_clips import training_clips, validation_clips
from eval.backbones.syncnet import SyncNet, load
from eval.extract.lip_windows import VIDEO_WINDOW
from eval.extract.mouth_crop import crop_square, mouth_squares

STAGE = "syncnet"  # its name, and stream of its random numbers
SHIFT = 0.1  # largest random shift of the crops, as a fraction of their width
PER_CLIP = 16  # windows of each clip in a step: one positive and 15 negatives for each window


def fit(config: Config, paths: Paths, out: Path) -> None:
    """Train the SyncNet of ``evaluate.syncnet`` on the corpus' training split and write its weights to `out`.

    Checkpoints and the log are written to the folder ``out`` without suffix; a killed training resumes there. Raises
    InputError when no clip has enough frames, when the weights of ``start`` are absent or of other sizes, and as
    :func:`~dawn.training.training_clips.training_clips`.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"{out}: the weights are a safetensors file; give a name that ends in .safetensors")
    model = config.evaluate.syncnet
    sampler = _sampler(config, paths, "training", training_clips(config, paths))
    starts = starts_of(config, STAGE)
    for path in starts:
        if not path.is_file():
            raise InputError(f"{path}: no such weights; train that SyncNet first")
    schedule = schedule_of_clips(model.train)
    seed = syncnet_seed_of(config)
    total = total_steps(schedule, len(sampler.usable))
    state = fingerprint(
        {
            "settings": syncnet_settings_of(config),
            "code": code_fingerprint(__name__),
            "data": read_json(paths.dataset.with_suffix(".json"))["digest"],
            **({"starts": [sha256_file(path) for path in starts]} if starts else {}),
        }
    )
    task = initialise(lambda: SyncnetTask(model, sampler), stage=STAGE, schedule=schedule, seed=seed)
    for path in starts:
        start_from(task.net, path)
    validation_task = None
    if schedule.validation is not None:
        held_out = _sampler(config, paths, "validation", validation_clips(config, paths))
        validation_task = SyncnetTask(model, held_out)
    with launch(schedule.processes, schedule.batch) as distributed:
        weights = train(
            task,
            distributed,
            stage=STAGE,
            schedule=schedule,
            total=total,
            out=out.with_suffix(""),
            seed=seed,
            fingerprint=state,
            config=config.dump(),
            workers=config.data.workers,
            validation_task=validation_task,
        )
        if distributed.is_main_process:
            about = {"fingerprint": state, "clips": str(len(sampler.usable)), "steps": str(total)}
            task.net.load_state_dict(weights["syncnet"])
            task.net.save(out, about | {"seed": str(seed)})


def _sampler(config: Config, paths: Paths, purpose: str, clips: Clips) -> LipSampler:
    """Return the sampler of clips. Raises InputError, naming their `purpose`, when none has enough frames."""
    sampler = LipSampler(config.evaluate.syncnet.side, clips)
    if not len(sampler.usable):
        raise InputError(
            f"{paths.dataset}: none of {len(clips)} {purpose} clips has the {PER_CLIP + VIDEO_WINDOW} frames that "
            "SyncNet's training needs"
        )
    return sampler


def schedule_of_clips(schedule: Schedule) -> Schedule:
    """Return the schedule of a batch of `schedule.batch` windows, with the number of their clips as batch."""
    return schedule.model_copy(update={"batch": max(1, schedule.batch // PER_CLIP)})


def start_from(net: SyncNet, path: Path) -> None:
    """Load the weights of another run's SyncNet into `net`. Raises InputError when they are of other sizes."""
    other = load(path)
    if (other.side, other.width) != (net.side, net.width):
        raise InputError(
            f"{path}: SyncNet of side {other.side} and width {other.width}, but evaluate.syncnet has {net.side} and "
            f"{net.width}"
        )
    net.load_state_dict(other.state_dict())


class LipBatch(NamedTuple):
    """Windows of b clips, w = :data:`PER_CLIP` of each, with what changes their mouths (:func:`augmented`)."""

    mouths: Tensor  # (b, w, 5, s, s, 3) uint8 RGB
    sound: Tensor  # (b, w, 13, 20) MFCC
    flip: Tensor  # (b,) bool, whether the mouths are flipped
    gain: Tensor  # (b,) factor of the pixels
    offset: Tensor  # (b, 3) added to the pixels' channels


class LipSampler:
    """Sampler of windows of mouth and sound of random clips, with mouths of `side` pixels.

    usable: (U,) indices of the clips of at least :data:`PER_CLIP` windows.
    """

    def __init__(self, side: int, clips: Clips) -> None:
        self.side = side
        self.clips = clips
        windows = np.asarray([clips.length(index) - VIDEO_WINDOW for index in range(len(clips))])
        self.usable = np.flatnonzero(windows >= PER_CLIP)

    def __call__(self, shard: BatchShard) -> LipBatch:
        """Draw the clips of a shard, each with its windows."""
        return collate(self._windows(generator) for generator in shard.generators())

    def _windows(self, generator: torch.Generator) -> LipBatch:
        clip = int(self.usable[int(torch.randint(len(self.usable), (), generator=generator))])
        starts = torch.randperm(self.clips.length(clip) - VIDEO_WINDOW, generator=generator)[:PER_CLIP].tolist()
        shift = SHIFT * (2 * torch.rand(2, generator=generator).double() - 1)
        centres, width = mouth_squares(
            self.clips.rows(clip, "landmarks").numpy(), self.clips.rows(clip, "found").numpy()
        )
        centres = centres + width * shift.numpy()
        mouths, sound = [], []
        for start in starts:
            window = slice(start, start + VIDEO_WINDOW)
            frames = self.clips.frames(clip, window).permute(0, 2, 3, 1).numpy()
            pairs = zip(frames, centres[window], strict=True)
            mouths.append(np.stack([crop_square(np.ascontiguousarray(f), c, width, self.side) for f, c in pairs]))
            sound.append(self.clips.rows(clip, "mfcc", window).flatten(0, 1).T)
        return LipBatch(
            mouths=torch.from_numpy(np.stack(mouths)),
            sound=torch.stack(sound),
            flip=torch.rand((), generator=generator) < 0.5,
            gain=torch.empty(()).uniform_(0.8, 1.2, generator=generator),
            offset=torch.empty(3).uniform_(-20, 20, generator=generator),
        )


class SyncnetTask:
    """Task of the training loop: SyncNet and its contrastive loss."""

    groups: tuple[tuple[str, ...], ...] = (("syncnet",),)
    adversarial: frozenset[str] = frozenset()

    def __init__(self, model: SyncnetModel, sampler: LipSampler) -> None:
        self.sampler = sampler
        self.net = SyncNet(model.side, model.width)
        self.networks: dict[str, nn.Module] = {"syncnet": self.net}
        self.frozen: dict[str, nn.Module] = {}

    def loss(self, batch: LipBatch, shard: BatchShard, group: int) -> dict[str, Tensor]:
        """Compute the contrastive loss of the clips of `shard`."""
        with lowered(batch.mouths.device, shard.dtype):
            lips = self.net.embed_lips(augmented(batch)).squeeze(1)
            sound = self.net.embed_sound(batch.sound.flatten(0, 1))
        return {"contrast": contrast(lips.float(), sound.float())}


def augmented(batch: LipBatch) -> Tensor:
    """Compute the network's input (b * w, 3, 5, s, s) in [0, 255] from the mouths of a batch.

    All windows of a clip have the same augmentation, so that they differ by motion alone.
    """
    mouths = batch.mouths.permute(0, 1, 5, 2, 3, 4).float()  # (b, w, 3, 5, s, s)
    mouths = mouths * batch.gain[:, None, None, None, None, None] + batch.offset[:, None, :, None, None, None]
    mouths = torch.where(batch.flip[:, None, None, None, None, None], mouths.flip(-1), mouths)
    return mouths.clamp(0, 255).flatten(0, 1)


def contrast(lips: Tensor, sound: Tensor) -> Tensor:
    """Compute the contrastive loss in nats of embeddings (B, D); at chance it is the logarithm of :data:`PER_CLIP`.

    Each :data:`PER_CLIP` consecutive rows are of one clip. Row i of `lips` and row i of `sound` are a positive pair;
    the other rows of its clip are negatives.
    """
    distances = torch.cdist(lips.unflatten(0, (-1, PER_CLIP)), sound.unflatten(0, (-1, PER_CLIP)))
    target = torch.arange(PER_CLIP, device=lips.device).repeat(len(distances))
    lips_to_sound = F.cross_entropy(-distances.flatten(0, 1), target)
    return (lips_to_sound + F.cross_entropy(-distances.transpose(1, 2).flatten(0, 1), target)) / 2
