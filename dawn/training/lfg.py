"""Stage ``lfg``: latent flow generator, self-supervised on pairs of frames of one clip (paper 3.2, eq. 3 to 5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dawn.config import Config
from dawn.features.clips import to_float
from dawn.features.store import Features
from dawn.models.facemask import box_mask
from dawn.models.lfg import LatentFlowGenerator
from dawn.models.regions import Regions
from dawn.precision import lowered
from dawn.training.augmentation import color_jitter
from dawn.training.batch_shard import BatchShard, to_device
from dawn.training.clip_views import Clips
from dawn.training.lfg_losses import Equivariance, Perceptual, landmark_guidance, occlusion_guidance, pyramid_l1

# Permutation of the 68 landmarks under a horizontal flip of the image.
MIRROR = torch.tensor(
    [
        *(*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)),
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
        *(*range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1)),
    ]
)


class LfgTask:
    """Task of reconstructing a driving frame from a source frame of the same clip."""

    groups: tuple[tuple[str, ...], ...] = (("lfg",),)

    def __init__(self, config: Config, clips: Clips, total: int) -> None:
        self.schedule = config.lfg.train
        self.total = total
        self.clips = clips
        self.side = config.corpus.resolution
        self.network = LatentFlowGenerator(config.lfg.model)
        self.networks: dict[str, nn.Module] = {"lfg": self.network}
        self.frozen: dict[str, nn.Module] = {}
        weights = self.schedule.loss
        self.perceptual = Perceptual(weights.scales) if weights.perceptual else None
        if self.perceptual is not None:
            self.frozen["perceptual"] = self.perceptual

    def loss(self, shard: BatchShard, group: int) -> dict[str, Tensor]:
        """Draw pairs of frames, reconstruct the driving frames, and compute the losses; see :meth:`Task.loss`."""
        generators = shard.generators()
        images, landmarks, boxes = (to_device(tensor, shard.device) for tensor in self._batch(generators))
        source, driving = images[:, 0].contiguous(), images[:, 1].contiguous()
        with lowered(shard.device, shard.dtype):
            out = self.network(source, driving)
        weights = self.schedule.loss
        losses: dict[str, Tensor] = {}
        if weights.pyramid:
            losses["pyramid"] = weights.pyramid * pyramid_l1(out.prediction, driving, weights.scales)
        for name, weight, which in (("mouth", weights.mouth, [0]), ("eyes", weights.eyes, [1, 2])):
            if weight:
                inside = box_mask(boxes[:, which], self.side, self.side)[:, None]
                error = (out.prediction - driving).abs().mean(1, keepdim=True) * inside
                losses[name] = weight * (error.sum((1, 2, 3)) / inside.sum((1, 2, 3)).clamp(min=1)).mean()
        if self.perceptual is not None:
            with lowered(shard.device, shard.dtype):
                distance = self.perceptual(out.prediction, driving)
            losses["perceptual"] = weights.perceptual * distance
        if weights.equivariance_shift or weights.equivariance_affine:

            def regions(images: Tensor) -> Regions:
                with lowered(shard.device, shard.dtype):
                    return self.network.regions(images)

            shift, affine = Equivariance.losses(out.driving, regions, driving, generators)
            losses["equivariance_shift"] = weights.equivariance_shift * shift
            losses["equivariance_affine"] = weights.equivariance_affine * affine
        if weights.landmark_guidance:
            divergence = landmark_guidance(out.source, landmarks[:, 0]) + landmark_guidance(
                out.driving, landmarks[:, 1]
            )
            losses["landmark_guidance"] = weights.landmark_guidance * self.guidance_scale(shard.step) * divergence
        if weights.occlusion_guidance:
            open_mouth = occlusion_guidance(out.occlusion, landmarks[:, 1])
            losses["occlusion_guidance"] = weights.occlusion_guidance * self.guidance_scale(shard.step) * open_mouth
        return losses

    def guidance_scale(self, step: int) -> float:
        """Return the factor of the guidance losses: 1 up to the fraction `guidance_until` of the training, then 0.1."""
        return 0.1 if step >= self.schedule.loss.guidance_until * self.total else 1.0

    def _batch(self, generators: list[torch.Generator]) -> tuple[Tensor, Tensor, Tensor]:
        """Draw and augment pairs of a source and a driving frame of the same clip.

        Returns images (b, 2, 3, S, S) in [0, 1], landmarks (b, 2, 68, 2) in [-1, 1], and the driving frames' mouth and
        eye boxes (b, 3, 4) in pixels.
        """
        images, landmarks = [], []
        for generator in generators:
            clip = int(torch.randint(len(self.clips), (), generator=generator))
            features = self.clips.features(clip)
            pair = torch.randint(self.clips.length(clip), (2,), generator=generator).tolist()
            if torch.rand((), generator=generator) < self.schedule.blinks:
                pair[1] = _closed_eyes(features, generator)
            image = to_float(self.clips.frames(clip, pair))
            points = torch.from_numpy(features.landmarks[pair]) / self.side * 2 - 1
            if torch.rand((), generator=generator) < self.schedule.flip:
                image = image.flip(-1)
                points = (points * points.new_tensor([-1.0, 1.0]))[:, MIRROR]
            if self.schedule.jitter:
                image = color_jitter(image, self.schedule.jitter, self.schedule.jitter, generator)
            images.append(image)
            landmarks.append(points)
        points = torch.stack(landmarks)
        return torch.stack(images), points, detail_boxes((points[:, 1] + 1) / 2 * self.side)


def _closed_eyes(features: Features, generator: torch.Generator) -> int:
    """Draw a frame from the eighth of a clip with the most closed eyes: uniform sampling would miss short blinks."""
    order = features.blink.mean(axis=1).argsort(kind="stable")
    return int(order[int(torch.randint(max(1, len(order) // 8), (), generator=generator))])


def detail_boxes(landmarks: Tensor) -> Tensor:
    """Compute boxes (..., 3, 4) of the mouth and both eyes from landmarks (..., 68, 2), both in pixels.

    Each side is moved outwards by a fifth of the box's longer side.
    """
    boxes = []
    for group in (slice(48, 68), slice(36, 42), slice(42, 48)):
        points = landmarks[..., group, :]
        low, high = points.amin(-2), points.amax(-2)
        margin = 0.2 * (high - low).amax(-1, keepdim=True)
        boxes.append(torch.cat([low - margin, high + margin], dim=-1))
    return torch.stack(boxes, dim=-2)
