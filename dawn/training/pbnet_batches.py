"""Batches of stage ``pbnet``: segments of pose, blink and speech (paper 3.4), read and drawn on the CPU."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dawn.config import Config, PbnetLoss
from dawn.models.pbnet import latent_noise
from dawn.models.pose_blink import normalise, part_names
from dawn.training.batch_shard import BatchShard, collate
from dawn.training.clip_views import Clips


class PbnetBatch(NamedTuple):
    """Sequences of b clips, zero-padded to n frames."""

    motion: Tensor  # (b, n, 8) pose and blink, normalised
    speech: Tensor  # (b, n, c)
    mask: Tensor  # (b, n) bool, whether the frame is part of the sequence
    noise: Tensor  # (b, k, n, audio_latent): for each PBNet that of the posterior and of motions decoded from noise


UNIT_CLIPS = 256  # from which the units of motion are estimated, whatever the size of the corpus


def motion_units(config: Config, clips: Clips) -> Tensor:
    """Estimate the scale (8,) of normalised motion relative to a clip's first frame: its root mean square.

    It is that of at most :data:`UNIT_CLIPS` clips, spread evenly over the corpus.
    """
    chosen = torch.linspace(0, len(clips) - 1, min(len(clips), UNIT_CLIPS)).round().int().tolist()
    motions = [normalise(clips.rows(clip, "pose"), clips.rows(clip, "blink"), config) for clip in chosen]
    offsets = torch.cat([motion - motion[:1] for motion in motions])
    return offsets.square().mean(0).sqrt().clamp(min=1e-8)


def prior_samples(loss: PbnetLoss) -> int:
    """Return how many motions a step decodes from noise for each sequence: the energy score compares two."""
    return 2 if loss.energy else 1 if loss.gan_prior else 0


def mirrored(pose: Tensor, blink: Tensor) -> tuple[Tensor, Tensor]:
    """Return pose (..., 6) and blink (..., 2) of the mirrored frames: yaw, roll and x change sides, and the eyes."""
    yaw, pitch, roll, scale, x, y = pose.unbind(-1)
    return torch.stack([-yaw, pitch, -roll, scale, 1 - x, y], dim=-1), blink.flip(-1)


class PbnetSampler:
    """Sampler of segments of up to `frames` frames of random clips."""

    def __init__(self, config: Config, clips: Clips) -> None:
        self.config = config
        self.clips = clips
        self.noises = (1 + prior_samples(config.pbnet.train.loss)) * len(part_names(config.pbnet.joint))

    def __call__(self, shard: BatchShard) -> PbnetBatch:
        """Draw the sequences of a shard, padded to the longest of the whole batch, whichever process has it."""
        generators = [shard.generator(sample) for sample in range(shard.batch)]
        clips = [int(torch.randint(len(self.clips), (), generator=generator)) for generator in generators]
        longest = max(self._frames(clip) for clip in clips)
        return collate(self._sequence(clips[sample], longest, generators[sample]) for sample in shard.samples)

    def _frames(self, clip: int) -> int:
        return min(self.config.pbnet.train.frames, self.clips.length(clip))

    def _sequence(self, clip: int, longest: int, generator: torch.Generator) -> PbnetBatch:
        """Draw a segment of a clip."""
        frames = self._frames(clip)
        start = int(torch.randint(self.clips.length(clip) - frames + 1, (), generator=generator))
        rows = (self.clips.rows(clip, name, slice(start, start + frames)) for name in ("pose", "blink", "speech"))
        pose, blink, speech = rows
        probability = self.config.pbnet.train.mirror
        if probability and float(torch.rand((), generator=generator)) < probability:
            pose, blink = mirrored(pose, blink)
        noise = [latent_noise(frames, self.config.pbnet.model, generator) for _ in range(self.noises)]
        padding = (0, 0, 0, longest - frames)
        return PbnetBatch(
            motion=F.pad(normalise(pose, blink, self.config), padding),
            speech=F.pad(speech, padding),
            mask=torch.arange(longest) < frames,
            noise=F.pad(torch.stack(noise), padding),
        )
