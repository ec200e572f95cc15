"""Stages ``a2v_stage1`` and ``a2v_stage2``: the audio-to-video flow diffusion model under the two-stage curriculum.

Paper 3.3 (conditions, eq. 6 and 7) and 3.5. Stage 1: the source is the first frame of a short clip of fixed length K'.
Stage 2: the source is any frame of the video and the length is drawn from [K_min, K_max] for each batch. The targets
come from the frozen latent flow generator.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dawn.config import A2vStage, Config
from dawn.features.clips import ClipStore, to_float
from dawn.models.build import build_denoiser
from dawn.models.diffusion import GaussianDiffusion, to_data
from dawn.models.facemask import box_mask
from dawn.models.lfg import LatentFlowGenerator
from dawn.models.regions import Regions
from dawn.training.batch_shard import BatchShard, randn_per_sample
from dawn.training.data import color_jitter
from dawn.training.lfg import detail_boxes


class Batch(NamedTuple):
    """Clips of one length n."""

    source: Tensor  # (b, 3, S, S) in [0, 1]
    frames: Tensor  # (b, n, 3, S, S) in [0, 1]
    face_box: Tensor  # (b, 4) of the source, pixels
    details: Tensor  # (b, n, 3, 4) mouth and eye boxes of the frames, pixels
    clip: Tensor  # (b,) which clip of the store
    frame_index: Tensor  # (b, 1 + n) frames of the clip: the source, then the others
    speech: Tensor  # (b, n, c)
    pose: Tensor  # (b, n, 6) difference to the source, in units of a2v.pose_unit
    eye: Tensor  # (b, n, 2) difference to the source, in units of a2v.blink_unit


class A2vTask:
    """Denoise the motion of a clip given source, speech, pose and blink."""

    groups: tuple[tuple[str, ...], ...] = (("unet", "mask"),)

    def __init__(self, config: Config, stage: A2vStage, store: ClipStore, lfg: LatentFlowGenerator) -> None:
        self.config = config
        self.stage = stage
        self.store = store
        self.side = config.corpus.resolution
        self.latent = config.latent_side
        self.lfg = lfg.eval().requires_grad_(False)
        self.unet, self.mask = build_denoiser(config)
        self.diffusion = GaussianDiffusion(config.a2v.diffusion)
        self.networks: dict[str, nn.Module] = {"unet": self.unet, "mask": self.mask}
        self.frozen: dict[str, nn.Module] = {"lfg": self.lfg, "diffusion": self.diffusion}
        self._known: dict[int, Regions] = {}

    def loss(self, shard: BatchShard, group: int) -> dict[str, Tensor]:
        batch, generators = self._batch(shard)
        x0, z_src = self._targets(batch)
        n = x0.shape[2]
        steps = self.config.a2v.diffusion.timesteps
        chance = torch.stack([torch.rand(n, 1, generator=generator) for generator in generators])
        kept = (chance >= self.stage.drop).float().to(shard.device)
        t = torch.cat([torch.randint(steps, (1,), generator=generator) for generator in generators]).to(shard.device)
        noise = randn_per_sample(tuple(x0.shape[1:]), generators).to(shard.device)
        noisy = self.diffusion.q_sample(x0, t, noise)
        face = self.mask(box_mask(batch.face_box, self.side, self.side)[:, None])
        static = torch.cat([z_src, face], dim=1)
        told = self.unet.prepare(static, speech=batch.speech * kept, pose=batch.pose * kept, eye=batch.eye * kept)
        output = self.unet(noisy, t, told)
        return self._parts(x0, output, noisy, t, noise, batch)

    def _parts(
        self, x0: Tensor, output: Tensor, noisy: Tensor, t: Tensor, noise: Tensor, batch: Batch
    ) -> dict[str, Tensor]:
        """Paper eq. 7, with the published variants behind their weights."""
        weights = self.stage.loss
        channels = x0.new_tensor([1.0, 1.0, weights.occlusion]).view(3, 1, 1, 1)
        error = (output - self.diffusion.target(x0, t, noise)) ** 2 * channels
        parts = {"simple": error.mean()}
        for name, weight, boxes in (("lip", weights.lip, [0]), ("eyes", weights.eyes, [1, 2])):
            if weight:
                inside = box_mask(batch.details[:, :, boxes].flatten(0, 1), self.side, self.latent)
                inside = inside.view(x0.shape[0], 1, *x0.shape[2:])
                area = inside.sum((1, 2, 3, 4)).clamp(min=1) if weights.lip_mean else error[0, 0].numel()
                parts[name] = weight * ((error * inside).sum((1, 2, 3, 4)) / (area * x0.shape[1])).mean()
        if weights.clean:
            clean = self.diffusion.clean(noisy, t, output)
            parts["clean"] = weights.clean * ((self.diffusion.threshold(clean) - x0) ** 2).mean()
        return parts

    @torch.no_grad()
    def _targets(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Clean motion (b, 3, n, h, w) and the source's latent code (b, c, h, w)."""
        b, n = batch.frames.shape[:2]
        if self.stage.jitter:
            source_regions, driving_regions = (self.lfg.regions(x) for x in (batch.source, batch.frames.flatten(0, 1)))
        else:
            every = zip(batch.clip.tolist(), batch.frame_index, strict=True)
            rows = [[part[index] for part in self._regions(clip)] for clip, index in every]
            known = [torch.stack(parts) for parts in zip(*rows, strict=True)]
            source_regions = Regions(*(part[:, 0] for part in known))
            driving_regions = Regions(*(part[:, 1:].flatten(0, 1) for part in known))
        flow, occlusion = self.lfg.motion(
            batch.source.repeat_interleave(n, 0),
            batch.frames.flatten(0, 1),
            Regions(*(part.repeat_interleave(n, 0) for part in source_regions)),
            driving_regions,
        )
        x0 = to_data(flow.unflatten(0, (b, n)), occlusion.unflatten(0, (b, n)), self.config.a2v.diffusion)
        return x0, self.lfg.encode(batch.source)[-1]

    def _regions(self, clip: int) -> Regions:
        """Regions of every frame of a clip, without their heat maps: frames that no jitter changes keep theirs."""
        if clip not in self._known:
            device = next(self.lfg.parameters()).device
            found = self.lfg.regions(to_float(self.store.frames(clip)).to(device))
            self._known[clip] = found._replace(heatmap=found.heatmap[:, :, :0, :0].clone())
        return self._known[clip]

    def _batch(self, shard: BatchShard) -> tuple[Batch, list[torch.Generator]]:
        """The share's clips, cut to the length of the whole batch, and the generators that chose them."""
        low, high = self.stage.frames_min, self.stage.frames_max
        n = int(torch.randint(low, high + 1, (), generator=shard.batch_generator()))
        every = [shard.generator(sample) for sample in range(shard.batch)]
        clips = [int(torch.randint(len(self.store), (), generator=generator)) for generator in every]
        n = min([n, *(self.store.length(clip) for clip in clips)])
        rows = [self._clip(clips[sample], n, every[sample]) for sample in shard.samples]
        batch = Batch(*(torch.stack(column).to(shard.device) for column in zip(*rows, strict=True)))
        return batch, [every[sample] for sample in shard.samples]

    def _clip(self, clip: int, n: int, generator: torch.Generator) -> Batch:
        features = self.store.features(clip)
        length = self.store.length(clip)
        start = int(torch.randint(length - n + 1, (), generator=generator))
        source = start if self.stage.source == "first" else int(torch.randint(length, (), generator=generator))
        index = [source, *range(start, start + n)]
        images = to_float(self.store.frames(clip, index))
        if self.stage.jitter:
            images = color_jitter(images, self.stage.jitter, 0.04, generator)
        window = slice(start, start + n)
        pose = torch.from_numpy(features.pose)
        blink = torch.from_numpy(features.blink)
        return Batch(
            source=images[0],
            frames=images[1:],
            face_box=torch.from_numpy(features.face_box[source]),
            details=detail_boxes(torch.from_numpy(features.landmarks[window])),
            clip=torch.tensor(clip),
            frame_index=torch.tensor(index),
            speech=torch.from_numpy(features.speech[window]),
            pose=(pose[window] - pose[source]) / pose.new_tensor(self.config.a2v.pose_unit),
            eye=(blink[window] - blink[source]) / self.config.a2v.blink_unit,
        )
