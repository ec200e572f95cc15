"""Stage ``pbnet``: the pose and blink network (paper 3.4, A.2, eq. 11 to 13)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.config import Config
from dawn.features.clips import ClipStore
from dawn.features.store import Features
from dawn.models.build import MOTION_PARTS, build_pbnet, normalise, part_width
from dawn.models.discriminator import PatchDiscriminator
from dawn.models.pbnet import latent_noise
from dawn.training.batch_shard import BatchShard


class PbnetTask:
    """Reconstruction, annealed KL and PatchGAN losses on sequences of up to `frames` frames."""

    def __init__(self, config: Config, store: ClipStore, total: int) -> None:
        self.config = config
        self.schedule = config.pbnet.train
        self.store = store
        self.total = total
        self.generators = build_pbnet(config)
        self.discriminators = {
            f"discriminator_{name}": PatchDiscriminator(part_width(name)) for name in self.generators
        }
        self.networks: dict[str, nn.Module] = {**self.generators, **self.discriminators}
        self.frozen: dict[str, nn.Module] = {}
        self.groups: tuple[tuple[str, ...], ...] = (tuple(self.generators), tuple(self.discriminators))
        self._generated: dict[tuple[str, range], tuple[Tensor, list[Tensor]]] = {}

    def loss(self, shard: BatchShard, group: int) -> dict[str, Tensor]:
        return self._discriminator_loss(shard) if group else self._generator_loss(shard)

    def _generator_loss(self, shard: BatchShard) -> dict[str, Tensor]:
        generators = shard.generators()
        motion, speech, mask = (part.to(shard.device) for part in self._batch(generators))
        weights = self.schedule.loss
        parts: dict[str, Tensor] = {}
        for name, net in self.generators.items():
            x = motion[..., MOTION_PARTS[name]]
            reference = x[:, 0]
            mu, logvar = net.encode(x, speech, mask)
            code = mu + (0.5 * logvar).exp() * self._noise(len(mu), generators, shard)
            output = net.decode(code, speech, reference, mask)
            error = (output - (x - reference[:, None])) ** 2
            kl = -0.5 * (1 + logvar - mu**2 - logvar.exp())
            parts[f"{name}/reconstruction"] = weights.reconstruction * _mean(error, mask[..., None])
            parts[f"{name}/kl"] = self.kl_weight(shard.step) * _mean(kl.transpose(0, 1), mask[..., None])
            # Offsets to the first frame that the decoder generates from the posterior and, optionally, from the prior.
            generated = [("gan", weights.gan, output)]
            if weights.gan_prior:
                from_prior = net.decode(self._noise(len(mu), generators, shard), speech, reference, mask)
                generated.append(("gan_prior", weights.gan_prior, from_prior))
            fakes = [(offsets + reference[:, None]) * mask[..., None] for _, _, offsets in generated]
            for (loss, weight, _), fake in zip(generated, fakes, strict=True):
                logits = self.discriminators[f"discriminator_{name}"](fake)
                parts[f"{name}/{loss}"] = weight * F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
            self._generated[name, shard.samples] = (x, [fake.detach() for fake in fakes])
        return parts

    def _noise(self, frames: int, generators: list[torch.Generator], shard: BatchShard) -> Tensor:
        """Latent noise (frames, b, audio_latent), each sequence's from its own generator."""
        drawn = [latent_noise(frames, self.config.pbnet.model, generator) for generator in generators]
        return torch.stack(drawn, dim=1).to(shard.device)

    def _discriminator_loss(self, shard: BatchShard) -> dict[str, Tensor]:
        parts = {}
        for name in self.generators:
            real, fakes = self._generated.pop((name, shard.samples))
            discriminator = self.discriminators[f"discriminator_{name}"]
            real_logits, fake_logits = discriminator(real), [discriminator(fake) for fake in fakes]
            fake_losses = [F.binary_cross_entropy_with_logits(x, torch.zeros_like(x)) for x in fake_logits]
            parts[f"{name}/discriminator"] = 0.5 * (
                F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
                + torch.stack(fake_losses).mean()
            )
        return parts

    def kl_weight(self, step: int) -> float:
        """lambda_KL: zero at first, then rising linearly to its end value (paper A.2)."""
        start = self.schedule.loss.kl_start * self.total
        return self.schedule.loss.kl * min(1.0, max(0.0, (step - start) / max(1.0, self.total - start)))

    def _batch(self, generators: list[torch.Generator]) -> tuple[Tensor, Tensor, Tensor]:
        """Motion (b, n, 8), speech (b, n, c) and validity (b, n), padded with zeros to the longest sequence."""
        rows = [self._sequence(generator) for generator in generators]
        motion = nn.utils.rnn.pad_sequence([row[0] for row in rows], batch_first=True)
        speech = nn.utils.rnn.pad_sequence([row[1] for row in rows], batch_first=True)
        lengths = torch.tensor([len(row[0]) for row in rows])
        return motion, speech, torch.arange(motion.shape[1])[None] < lengths[:, None]

    def _sequence(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        features = self.store.features(int(torch.randint(len(self.store), (), generator=generator)))
        motion, speech = motion_of(features, self.config), torch.from_numpy(features.speech)
        frames = min(self.schedule.frames, len(motion))
        start = int(torch.randint(len(motion) - frames + 1, (), generator=generator))
        return motion[start : start + frames], speech[start : start + frames]


def motion_of(features: Features, config: Config) -> Tensor:
    """Normalised pose and blink (N, 8) of a clip."""
    return normalise(torch.from_numpy(features.pose), torch.from_numpy(features.blink), config)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over sequences of the mean over the valid frames and channels of (b, n, c)."""
    return ((values * mask).sum((1, 2)) / mask.expand_as(values).sum((1, 2))).mean()
