"""Stage ``lfg``: latent flow generator, self-supervised on pairs of frames of one clip (paper 3.2, eq. 3 to 5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dawn.config import Config
from dawn.features.clips import to_float
from dawn.models.discriminator import ImageDiscriminator, cross_entropy
from dawn.models.facemask import box_mask
from dawn.models.lfg import LatentFlowGenerator
from dawn.models.regions import Regions
from dawn.precision import lowered
from dawn.training.augmentation import recolour
from dawn.training.batch_shard import BatchShard
from dawn.training.clip_views import Clips
from dawn.training.lfg_batches import LfgBatch, LfgSampler
from dawn.training.lfg_losses import Equivariance, Perceptual, landmark_guidance, occlusion_guidance, pyramid_l1


class LfgTask:
    """Task of reconstructing a driving frame from a source frame of the same clip.

    With the loss `adversarial`, a second optimiser trains a discriminator of driving frames and reconstructions.
    """

    adversarial: frozenset[str] = frozenset({"adversarial", "feature_matching"})

    def __init__(self, config: Config, clips: Clips, total: int) -> None:
        self.schedule = config.lfg.train
        self.total = total
        self.sampler = LfgSampler(config, clips)
        self.side = config.corpus.resolution
        self.network = LatentFlowGenerator(config.lfg.model)
        self.networks: dict[str, nn.Module] = {"lfg": self.network}
        self.frozen: dict[str, nn.Module] = {}
        self.groups: tuple[tuple[str, ...], ...] = (("lfg",),)
        weights = self.schedule.loss
        self.discriminator = ImageDiscriminator() if weights.adversarial else None
        if self.discriminator is not None:
            self.networks["discriminator"] = self.discriminator
            self.groups = (("lfg",), ("discriminator",))
        # Driving frames and reconstructions of each shard, from a step's generator losses to its discriminator loss.
        self.pending: dict[range, tuple[Tensor, Tensor]] = {}
        self.perceptual = Perceptual(weights.scales) if weights.perceptual else None
        if self.perceptual is not None:
            self.frozen["perceptual"] = self.perceptual

    def loss(self, batch: LfgBatch, shard: BatchShard, group: int) -> dict[str, Tensor]:
        """Compute the losses of the generator (group 0) or of the discriminator (group 1); see :meth:`Task.loss`."""
        return self._discriminator_loss(shard) if group else self._generator_losses(batch, shard)

    def _generator_losses(self, batch: LfgBatch, shard: BatchShard) -> dict[str, Tensor]:
        """Reconstruct the driving frames from the sources and compute the losses."""
        source, driving = self.images(batch).unbind(1)
        device = driving.device
        with lowered(device, shard.dtype):
            out = self.network(source, driving)
        weights = self.schedule.loss
        losses: dict[str, Tensor] = {}
        if weights.pyramid:
            losses["pyramid"] = weights.pyramid * pyramid_l1(out.prediction, driving, weights.scales)
        for name, weight, which in (("mouth", weights.mouth, [0]), ("eyes", weights.eyes, [1, 2])):
            if weight:
                inside = box_mask(batch.boxes[:, which], self.side, self.side)[:, None]
                error = (out.prediction - driving).abs().mean(1, keepdim=True) * inside
                losses[name] = weight * (error.sum((1, 2, 3)) / inside.sum((1, 2, 3)).clamp(min=1)).mean()
        if self.perceptual is not None:
            with lowered(device, shard.dtype):
                distance = self.perceptual(out.prediction, driving)
            losses["perceptual"] = weights.perceptual * distance
        if self.discriminator is not None:
            logits, features = self.discriminator(out.prediction)
            with torch.no_grad():
                _, true_features = self.discriminator(driving)
            distances = [(a - b).abs().mean() for a, b in zip(features, true_features, strict=True)]
            losses["adversarial"] = weights.adversarial * cross_entropy(logits, 1.0)
            matching = weights.adversarial * weights.feature_matching
            losses["feature_matching"] = matching * torch.stack(distances).mean()
            self.pending[shard.samples] = (driving, out.prediction.detach())
        if weights.equivariance_shift or weights.equivariance_affine:

            def regions(images: Tensor) -> Regions:
                with lowered(device, shard.dtype):
                    return self.network.regions(images)

            shift, affine = Equivariance.losses(out.driving, regions, driving, batch.affine, batch.spline)
            losses["equivariance_shift"] = weights.equivariance_shift * shift
            losses["equivariance_affine"] = weights.equivariance_affine * affine
        if weights.landmark_guidance:
            source_points, driving_points = batch.landmarks.unbind(1)
            divergence = landmark_guidance(out.source, source_points) + landmark_guidance(out.driving, driving_points)
            losses["landmark_guidance"] = weights.landmark_guidance * self.guidance_scale(shard.step) * divergence
        if weights.occlusion_guidance:
            unseen = occlusion_guidance(out.occlusion, *batch.landmarks.unbind(1))
            losses["occlusion_guidance"] = weights.occlusion_guidance * self.guidance_scale(shard.step) * unseen
        return losses

    def _discriminator_loss(self, shard: BatchShard) -> dict[str, Tensor]:
        """Compute the cross-entropy of the driving frames and the reconstructions of the step."""
        assert self.discriminator is not None
        logits = [self.discriminator(images)[0] for images in self.pending.pop(shard.samples)]
        return {"discriminator": 0.5 * (cross_entropy(logits[0], 1.0) + cross_entropy(logits[1], 0.0))}

    def images(self, batch: LfgBatch) -> Tensor:
        """Return the augmented images (b, 2, 3, S, S) in [0, 1]."""
        images = to_float(batch.images)
        images = torch.where(batch.flip.view(-1, 1, 1, 1, 1), images.flip(-1), images)
        return recolour(images, batch.colour) if self.schedule.jitter else images

    def guidance_scale(self, step: int) -> float:
        """Return the factor of the guidance losses: 1 up to the fraction `guidance_until` of the training, then 0.1."""
        return 0.1 if step >= self.schedule.loss.guidance_until * self.total else 1.0
