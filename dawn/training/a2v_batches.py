"""Batches of stages ``a2v_stage1`` and ``a2v_stage2``: clip segments (paper 3.5), read and drawn on the CPU."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from dawn.config import A2vStage, Config
from dawn.models.build import latent_side
from dawn.training.augmentation import draw_colour
from dawn.training.batch_shard import BatchShard, collate
from dawn.training.clip_views import Clips
from dawn.training.lfg_batches import detail_boxes

HUE_JITTER = 0.04  # largest hue shift of A2V's colour jitter, as a fraction of the circle


class A2vBatch(NamedTuple):
    """Segments of n frames of b clips, with the random numbers of the diffusion."""

    source: Tensor  # (b, 3, S, S) uint8, before augmentation
    frames: Tensor  # (b, n, 3, S, S) uint8, before augmentation
    colour: Tensor  # (b, 3, 4) factors of augmentation.recolour
    face_box: Tensor  # (b, 4) of the source, pixels
    details: Tensor  # (b, n, 3, 4) mouth and eye boxes of the frames, pixels
    speech: Tensor  # (b, n, c)
    pose: Tensor  # (b, n, 6) difference to the source, in units of a2v.pose_unit
    eye: Tensor  # (b, n, 2) difference to the source, in units of a2v.blink_unit
    keep: Tensor  # (b, n, 1) 0 where all conditions of a frame are dropped, else 1
    keep_speech: Tensor  # (b, 1, 1) 0 where the speech of a clip is dropped, else 1
    t: Tensor  # (b,) diffusion step
    noise: Tensor  # (b, 3, n, h, w) standard normal
    clip: tuple[int, ...]  # index of each clip
    frame_index: tuple[tuple[int, ...], ...]  # 1 + n indices within each clip: the source, then the frames


class A2vSampler:
    """Sampler of segments of random clips, of one length in each batch."""

    def __init__(self, config: Config, stage: A2vStage, clips: Clips) -> None:
        self.config = config
        self.stage = stage
        self.clips = clips
        self.latent_side = latent_side(config)

    def __call__(self, shard: BatchShard) -> A2vBatch:
        """Draw the segments of a shard.

        All samples of a batch have the length n: drawn from [frames_min, frames_max], at most that of the batch's
        shortest clip. Every process therefore draws the clips of the whole batch.
        """
        low, high = self.stage.frames_min, self.stage.frames_max
        n = int(torch.randint(low, high + 1, (), generator=shard.batch_generator()))
        generators = [shard.generator(sample) for sample in range(shard.batch)]
        clips = [int(torch.randint(len(self.clips), (), generator=generator)) for generator in generators]
        n = min([n, *(self.clips.length(clip) for clip in clips)])
        return collate(self._segment(clips[sample], n, generators[sample]) for sample in shard.samples)

    def _segment(self, clip: int, n: int, generator: torch.Generator) -> A2vBatch:
        """Draw a source and a segment of n frames of a clip."""
        length = self.clips.length(clip)
        start = int(torch.randint(length - n + 1, (), generator=generator))
        source = start if self.stage.source == "first" else int(torch.randint(length, (), generator=generator))
        segment = slice(start, start + n)

        def offsets(name: str) -> Tensor:
            return self.clips.rows(clip, name, segment) - self.clips.rows(clip, name, [source])

        colour = draw_colour(self.stage.jitter, HUE_JITTER, generator)
        pose_unit = torch.tensor(self.config.a2v.pose_unit)
        keep = (torch.rand(n, 1, generator=generator) >= self.stage.drop).float()
        t = torch.randint(self.config.a2v.diffusion.timesteps, (self.stage.step_draws,), generator=generator).max()
        noise = torch.randn((3, n, self.latent_side, self.latent_side), generator=generator)
        return A2vBatch(
            source=self.clips.frames(clip, [source])[0],
            frames=self.clips.frames(clip, segment),
            colour=colour,
            face_box=self.clips.rows(clip, "face_box", [source])[0],
            details=detail_boxes(self.clips.rows(clip, "landmarks", segment)),
            speech=self.clips.rows(clip, "speech", segment),
            pose=offsets("pose") / pose_unit,
            eye=offsets("blink") / self.config.a2v.blink_unit,
            keep=keep,
            keep_speech=(torch.rand(1, 1, generator=generator) >= self.stage.drop_speech).float(),
            t=t,
            noise=noise,
            clip=(clip,),
            frame_index=((source, *range(start, start + n)),),
        )
