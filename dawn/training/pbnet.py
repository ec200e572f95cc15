"""Stage ``pbnet``: pose and blink network, a conditional VAE with a PatchGAN (paper 3.4, A.2, eq. 11 to 13)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dawn.config import Config
from dawn.models.discriminator import PatchDiscriminator, cross_entropy
from dawn.models.pbnet import PBNet
from dawn.models.pose_blink import MOTION_PARTS, build_pbnet, part_width
from dawn.precision import lowered, widened
from dawn.training.batch_shard import BatchShard
from dawn.training.clip_views import Clips
from dawn.training.energy_score import energy_score
from dawn.training.pbnet_batches import PbnetBatch, PbnetSampler, motion_units, prior_samples


class PbnetTask:
    """Task of the PBNets: reconstruction, annealed KL and PatchGAN losses on sequences of up to `frames` frames.

    The first optimiser trains the PBNets, the second their discriminators.
    """

    def __init__(self, config: Config, clips: Clips, total: int) -> None:
        self.config = config
        self.schedule = config.pbnet.train
        self.sampler = PbnetSampler(config, clips)
        self.units = motion_units(config, clips) if self.schedule.loss.energy else torch.ones(8)
        self.total = total
        self.pbnets = build_pbnet(config)
        self.discriminators = {_weights_name(part): PatchDiscriminator(part_width(part)) for part in self.pbnets}
        self.networks: dict[str, nn.Module] = {**self.pbnets, **self.discriminators}
        self.frozen: dict[str, nn.Module] = {}
        self.groups: tuple[tuple[str, ...], ...] = (tuple(self.pbnets), tuple(self.discriminators))
        self.adversarial = frozenset(f"{part}/{loss}" for part in self.pbnets for loss in ("gan", "gan_prior"))
        # Real and generated sequences of each part and shard, from a step's PBNet losses to its discriminator losses.
        self.pending: dict[tuple[str, range], tuple[Tensor, list[Tensor]]] = {}

    def loss(self, batch: PbnetBatch, shard: BatchShard, group: int) -> dict[str, Tensor]:
        """Compute the losses of the PBNets (group 0) or of their discriminators (group 1); see :meth:`Task.loss`."""
        return self._discriminator_losses(shard) if group else self._pbnet_losses(batch, shard)

    def _pbnet_losses(self, batch: PbnetBatch, shard: BatchShard) -> dict[str, Tensor]:
        motion, speech, mask, noise = batch
        noises = iter(noise.permute(1, 2, 0, 3).unbind())  # (n, b, latent) for each part and distribution
        weights = self.schedule.loss
        self.units = self.units.to(motion.device)  # once: a copy to a GPU at every step would wait for it
        losses: dict[str, Tensor] = {}
        for part, net in self.pbnets.items():
            x = motion[..., MOTION_PARTS[part]]
            reference = x[:, 0]
            # Posterior N(mu, sigma^2) of the sequence, a sample z of it, and the decoded offsets to the first frame.
            with lowered(x.device, shard.dtype):
                mu, logvar = (widened(value) for value in net.encode(x, speech, mask))
            z = mu + (0.5 * logvar).exp() * next(noises)
            offsets = decode(net, z, speech, reference, mask, shard.dtype)
            true_offsets = x - reference[:, None]
            squared_error = (offsets - true_offsets) ** 2
            kl = -0.5 * (1 + logvar - mu**2 - logvar.exp())
            losses[f"{part}/reconstruction"] = weights.reconstruction * _mean(squared_error, mask[..., None])
            losses[f"{part}/kl"] = self.kl_weight(shard.step) * _mean(kl.transpose(0, 1), mask[..., None])
            # Offsets decoded from the prior N(0, 1), as in generation.
            samples = [
                decode(net, next(noises), speech, reference, mask, shard.dtype) for _ in range(prior_samples(weights))
            ]
            if weights.energy:
                unit = self.units[MOTION_PARTS[part]]
                losses[f"{part}/energy"] = weights.energy * energy_score(samples, true_offsets, mask, unit)
            # Adversarial losses of offsets decoded from the posterior and, where weighted, from the prior.
            generated = [("gan", weights.gan, offsets)]
            if weights.gan_prior:
                generated.append(("gan_prior", weights.gan_prior, samples[0]))
            fakes = [(decoded + reference[:, None]) * mask[..., None] for _, _, decoded in generated]
            for (loss, weight, _), fake in zip(generated, fakes, strict=True):
                logits = self.discriminators[_weights_name(part)](fake)
                losses[f"{part}/{loss}"] = weight * cross_entropy(logits, 1.0)
            self.pending[part, shard.samples] = (x, [fake.detach() for fake in fakes])
        return losses

    def _discriminator_losses(self, shard: BatchShard) -> dict[str, Tensor]:
        losses = {}
        for part in self.pbnets:
            real, fakes = self.pending.pop((part, shard.samples))
            discriminator = self.discriminators[_weights_name(part)]
            real_loss = cross_entropy(discriminator(real), 1.0)
            fake_losses = [cross_entropy(discriminator(fake), 0.0) for fake in fakes]
            losses[f"{part}/discriminator"] = 0.5 * (real_loss + torch.stack(fake_losses).mean())
        return losses

    def kl_weight(self, step: int) -> float:
        """Compute lambda_KL: zero until `kl_start` of the training, then rising linearly to `kl` (paper A.2).

        Without `kl_start` it is `kl` from the first step on.
        """
        weights = self.schedule.loss
        if weights.kl_start is None:
            return weights.kl
        start = weights.kl_start * self.total
        return weights.kl * min(1.0, max(0.0, (step - start) / max(1.0, self.total - start)))


def decode(net: PBNet, z: Tensor, speech: Tensor, reference: Tensor, mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Decode offsets (b, n, dim) in float32, with products of operands of `dtype`; see :meth:`PBNet.offsets`."""
    with lowered(z.device, dtype):
        return widened(net.offsets(z, speech, reference, mask))


def _weights_name(part: str) -> str:
    """Return the name of a discriminator in weights files and checkpoints, as in those of earlier versions."""
    return f"judge_{part}"


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Compute the mean over sequences of the mean over the valid frames and channels of (b, n, c)."""
    return ((values * mask).sum((1, 2)) / mask.expand_as(values).sum((1, 2))).mean()
