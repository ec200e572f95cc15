"""Batches of stage ``lfg``: pairs of frames of one clip (paper 3.2), read and drawn on the CPU."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from dawn.config import Config
from dawn.training.augmentation import draw_colour
from dawn.training.batch_shard import BatchShard, collate
from dawn.training.clip_views import Clips
from dawn.training.lfg_losses import SPLINE_POINTS

# Permutation of the 68 landmarks under a horizontal flip of the image.
MIRROR = torch.tensor(
    [
        *(*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)),
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
        *(*range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1)),
    ]
)


class LfgBatch(NamedTuple):
    """Pairs of b source and driving frames, with what changes their images (:meth:`LfgTask.loss`)."""

    images: Tensor  # (b, 2, 3, S, S) uint8, before augmentation
    flip: Tensor  # (b,) bool, whether the images are flipped
    colour: Tensor  # (b, 3, 4) factors of augmentation.recolour
    landmarks: Tensor  # (b, 2, 68, 2) in [-1, 1], flipped
    boxes: Tensor  # (b, 3, 4) mouth and eye boxes of the driving frames, pixels, flipped
    affine: Tensor  # (b, 2, 3) standard normal numbers of lfg_losses.Equivariance
    spline: Tensor  # (b, 25) the same


class LfgSampler:
    """Sampler of pairs of frames of random clips."""

    def __init__(self, config: Config, clips: Clips) -> None:
        self.schedule = config.lfg.train
        self.side = config.corpus.resolution
        self.clips = clips

    def __call__(self, shard: BatchShard) -> LfgBatch:
        """Draw the pairs of a shard."""
        return collate(self._pair(generator) for generator in shard.generators())

    def _pair(self, generator: torch.Generator) -> LfgBatch:
        clip = int(torch.randint(len(self.clips), (), generator=generator))
        pair = torch.randint(self.clips.length(clip), (2,), generator=generator).tolist()
        if torch.rand((), generator=generator) < self.schedule.blinks:
            pair[1] = _closed_eyes(self.clips.rows(clip, "blink"), generator)
        points = self.clips.rows(clip, "landmarks", pair) / self.side * 2 - 1
        flip = torch.rand((), generator=generator) < self.schedule.flip  # (), bool
        if flip:
            points = (points * points.new_tensor([-1.0, 1.0]))[:, MIRROR]
        return LfgBatch(
            images=self.clips.frames(clip, pair),
            flip=flip,
            colour=draw_colour(self.schedule.jitter, self.schedule.jitter, generator),
            landmarks=points,
            boxes=detail_boxes((points[1] + 1) / 2 * self.side),
            affine=torch.randn((2, 3), generator=generator),
            spline=torch.randn((SPLINE_POINTS**2,), generator=generator),
        )


def _closed_eyes(blink: Tensor, generator: torch.Generator) -> int:
    """Draw a frame from the eighth of a clip with the most closed eyes: uniform sampling would miss short blinks.

    blink: (N, 2) of all frames.
    """
    order = blink.mean(dim=1).argsort(stable=True)
    return int(order[int(torch.randint(max(1, len(order) // 8), (), generator=generator))])


def detail_boxes(landmarks: Tensor) -> Tensor:
    """Compute boxes (..., 3, 4) of the mouth and both eyes from landmarks (..., 68, 2), both in pixels.

    Boxes of eyes are squares, so that those of closed eyes contain the whole lid; then each side is moved outwards by a
    fifth of the box's longer side.
    """
    boxes = []
    for group, square in ((slice(48, 68), False), (slice(36, 42), True), (slice(42, 48), True)):
        points = landmarks[..., group, :]
        low, high = points.amin(-2), points.amax(-2)
        size = high - low
        longer = size.amax(-1, keepdim=True)
        margin = 0.2 * longer + ((longer - size) / 2 if square else 0)
        boxes.append(torch.cat([low - margin, high + margin], dim=-1))
    return torch.stack(boxes, dim=-2)
