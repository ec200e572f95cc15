"""Stages ``a2v_stage1`` and ``a2v_stage2``: audio-to-video flow diffusion model under the two-stage curriculum.

Paper 3.3 (conditions, eq. 6 and 7) and 3.5. Stage 1: the source is the first frame of a short clip of fixed length K'.
Stage 2: the source is any frame of the video and the length is drawn from [K_min, K_max] for each batch. The frozen
latent flow generator computes the targets: flow and occlusion from the source to each frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self, TypedDict

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from dawn.config import A2vStage, Config
from dawn.features.clips import to_float
from dawn.models.build import build_denoiser, build_flow_generator, latent_side
from dawn.models.compiled import CompiledStep
from dawn.models.diffusion import GaussianDiffusion, motion_to_data
from dawn.models.facemask import box_mask
from dawn.models.lfg import LatentFlowGenerator
from dawn.models.regions import Regions
from dawn.models.unet3d import UNet3D
from dawn.models.weights_io import load_weights
from dawn.precision import unlowered
from dawn.training.augmentation import color_jitter
from dawn.training.batch_shard import BatchShard, randn_per_sample, to_device
from dawn.training.clip_views import Clips, WithoutPoseBlink
from dawn.training.lfg import detail_boxes
from dawn.training.lowered import LoweredCopy

HUE_JITTER = 0.04  # largest hue shift of A2V's colour jitter, as a fraction of the circle


class Batch(NamedTuple):
    """Batch of b clip segments of n frames each."""

    source: Tensor  # (b, 3, S, S) in [0, 1]
    frames: Tensor  # (b, n, 3, S, S) in [0, 1]
    face_box: Tensor  # (b, 4) of the source, pixels
    details: Tensor  # (b, n, 3, 4) mouth and eye boxes of the frames, pixels
    clip: Tensor  # (b,) index of the clip
    frame_index: Tensor  # (b, 1 + n) indices within the clip: the source, then the frames
    speech: Tensor  # (b, n, c)
    pose: Tensor  # (b, n, 6) difference to the source, in units of a2v.pose_unit
    eye: Tensor  # (b, n, 2) difference to the source, in units of a2v.blink_unit


class Conditions(TypedDict):
    """Conditions of the denoiser for each frame, (b, n, channels); zeros where they are dropped."""

    speech: Tensor
    pose: Tensor
    eye: Tensor


class A2vTask:
    """Task of denoising the motion of a clip segment, conditioned on source, speech, pose and blink (paper 3.3)."""

    groups: tuple[tuple[str, ...], ...] = (("unet", "mask"),)

    def __init__(self, config: Config, stage: A2vStage, clips: Clips, lfg: LatentFlowGenerator) -> None:
        self.config = config
        self.stage = stage
        self.clips = clips if config.a2v.pose_blink else WithoutPoseBlink(clips)
        self.side = config.corpus.resolution
        self.latent_side = latent_side(config)
        self.lfg = lfg.eval().requires_grad_(False)
        self.unet, self.mask = build_denoiser(config)
        self.diffusion = GaussianDiffusion(config.a2v.diffusion)
        self.networks: dict[str, nn.Module] = {"unet": self.unet, "mask": self.mask}
        self.frozen: dict[str, nn.Module] = {"lfg": self.lfg, "diffusion": self.diffusion}
        self.region_cache: dict[int, Regions] = {}  # regions of unjittered clips, by index
        self._lowered: LoweredCopy[UNet3D] | None = None
        self._compiled: CompiledStep | None = None

    @classmethod
    def load(cls, config: Config, stage: A2vStage, clips: Clips, needs: Mapping[str, Path]) -> Self:
        """Build the task with the weights of earlier stages: ``lfg``, frozen, and those that training continues from.

        `needs` maps their names to files, in the order in which they are loaded.
        """
        lfg = build_flow_generator(config)
        load_weights(needs["lfg"], {"lfg": lfg})
        task = cls(config, stage, clips, lfg)
        for path in (path for need, path in needs.items() if need != "lfg"):
            load_weights(path, task.networks)
        return task

    def loss(self, shard: BatchShard, group: int) -> dict[str, Tensor]:
        """Draw clip segments, diffuse their motion, and compute the losses of the denoiser; see :meth:`Task.loss`."""
        batch, generators = self.draw(shard)
        x0, source_code = self.targets(batch)
        n = x0.shape[2]
        timesteps = self.config.a2v.diffusion.timesteps
        # All conditions of a frame are dropped with probability `drop`.
        uniform = torch.stack([torch.rand(n, 1, generator=generator) for generator in generators])
        keep = to_device((uniform >= self.stage.drop).float(), shard.device)
        # x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps, one t for each clip.
        t = torch.cat([torch.randint(timesteps, (1,), generator=generator) for generator in generators])
        t = to_device(t, shard.device)
        noise = to_device(randn_per_sample(tuple(x0.shape[1:]), generators), shard.device)
        x_t = self.diffusion.q_sample(x0, t, noise)
        face = self.mask(box_mask(batch.face_box, self.side, self.side)[:, None])
        static = torch.cat([source_code, face], dim=1)
        conditions = Conditions(speech=batch.speech * keep, pose=batch.pose * keep, eye=batch.eye * keep)
        unet = self.unet if shard.dtype == torch.float32 else self.lowered(shard.dtype)
        if self.stage.compile and x_t.is_cuda:
            output = self.compiled(unet)(x_t, t, static, **conditions)
        else:
            output = unet(x_t, t, unet.prepare(static, **conditions, recompute=self.stage.recompute))
        return self.losses(x0, output, x_t, t, noise, batch)

    def lowered(self, dtype: torch.dtype) -> UNet3D:
        """Return a copy of the denoiser with its present weights and operands of `dtype`."""
        if self._lowered is None:
            self._lowered = LoweredCopy(self.unet, self.unet.operands(), dtype)
        return self._lowered.network()

    def compiled(self, unet: UNet3D) -> CompiledStep:
        """Return the compiled step of `unet`, the denoiser or its only copy."""
        if self._compiled is None:
            self._compiled = CompiledStep(unet, self.stage.recompute)
        return self._compiled

    def losses(
        self, x0: Tensor, output: Tensor, x_t: Tensor, t: Tensor, noise: Tensor, batch: Batch
    ) -> dict[str, Tensor]:
        """Compute the weighted losses of the denoiser's `output` for x_t: paper eq. 7, and published variants of it.

        `x0`, `output`, `x_t` and `noise` are (b, 3, n, h, w), with channels flow x, flow y and occlusion; `t` is (b,).
        """
        weights = self.stage.loss
        b, channels = x0.shape[:2]
        error = (output - self.diffusion.target(x0, t, noise)) ** 2
        error = torch.cat([error[:, :2], error[:, 2:] * weights.occlusion], dim=1)
        losses = {"simple": error.mean()}
        for name, weight, boxes in (("lip", weights.lip, [0]), ("eyes", weights.eyes, [1, 2])):
            if weight:
                frame_boxes = rearrange(batch.details[:, :, boxes], "b n k xyxy -> (b n) k xyxy")
                inside = rearrange(box_mask(frame_boxes, self.side, self.latent_side), "(b n) h w -> b 1 n h w", b=b)
                # Mean over the box's cells (lip_mean), or over all cells of the clip (published).
                area = inside.sum((1, 2, 3, 4)).clamp(min=1) if weights.lip_mean else error[0, 0].numel()
                losses[name] = weight * ((error * inside).sum((1, 2, 3, 4)) / (area * channels)).mean()
        if weights.clean:
            predicted_x0 = self.diffusion.predict_x0(x_t, t, output)
            losses["clean"] = weights.clean * ((self.diffusion.threshold(predicted_x0) - x0) ** 2).mean()
        return losses

    @torch.no_grad()
    def targets(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Compute clean motion x_0 (b, 3, n, h, w) and the source's latent code z (b, c, h, w).

        Both come from the frozen latent flow generator, in float32 in every precision: sampling positions near 1 would
        have the spacing 2^-8 in bfloat16.
        """
        with unlowered(batch.frames.device):
            return self._targets(batch)

    def _targets(self, batch: Batch) -> tuple[Tensor, Tensor]:
        b, n = batch.frames.shape[:2]
        frames = rearrange(batch.frames, "b n c h w -> (b n) c h w")
        if self.stage.jitter:
            source_regions, driving_regions = self.lfg.regions(batch.source), self.lfg.regions(frames)
        else:
            # Unjittered frames always have the same regions: index those of the whole clips.
            samples = zip(batch.clip.tolist(), batch.frame_index, strict=True)
            rows = [[field[index] for field in self._clip_regions(clip)] for clip, index in samples]
            regions = [torch.stack(fields) for fields in zip(*rows, strict=True)]
            source_regions = Regions(*(field[:, 0] for field in regions))
            driving_regions = Regions(*(field[:, 1:].flatten(0, 1) for field in regions))
        flow, occlusion = self.lfg.motion(
            repeat(batch.source, "b c h w -> (b n) c h w", n=n),
            frames,
            Regions(*(field.repeat_interleave(n, 0) for field in source_regions)),
            driving_regions,
        )
        flow = rearrange(flow, "(b n) h w xy -> b n h w xy", b=b)
        occlusion = rearrange(occlusion, "(b n) 1 h w -> b n 1 h w", b=b)
        return motion_to_data(flow, occlusion, self.config.a2v.diffusion), self.lfg.encode(batch.source)[-1]

    def _clip_regions(self, clip: int) -> Regions:
        """Predict the regions of all frames of a clip, once, and cache them without their heat maps."""
        if clip not in self.region_cache:
            device = next(self.lfg.parameters()).device
            regions = self.lfg.regions(to_float(self.clips.frames(clip)).to(device))
            self.region_cache[clip] = regions._replace(heatmap=regions.heatmap[:, :, :0, :0].clone())
        return self.region_cache[clip]

    def draw(self, shard: BatchShard) -> tuple[Batch, list[torch.Generator]]:
        """Draw the shard's clip segments; returns them with each sample's generator in its state after the drawing.

        All samples of a batch have the length n: drawn from [frames_min, frames_max], at most that of the batch's
        shortest clip. Every process therefore draws the clips of the whole batch.
        """
        low, high = self.stage.frames_min, self.stage.frames_max
        n = int(torch.randint(low, high + 1, (), generator=shard.batch_generator()))
        generators = [shard.generator(sample) for sample in range(shard.batch)]
        clips = [int(torch.randint(len(self.clips), (), generator=generator)) for generator in generators]
        n = min([n, *(self.clips.length(clip) for clip in clips)])
        samples = [self._segment(clips[sample], n, generators[sample]) for sample in shard.samples]
        batch = Batch(*(to_device(torch.stack(field), shard.device) for field in zip(*samples, strict=True)))
        return batch, [generators[sample] for sample in shard.samples]

    def _segment(self, clip: int, n: int, generator: torch.Generator) -> Batch:
        """Draw a source and a segment of n frames of a clip; fields of :class:`Batch` without their first dimension."""
        features = self.clips.features(clip)
        length = self.clips.length(clip)
        start = int(torch.randint(length - n + 1, (), generator=generator))
        source = start if self.stage.source == "first" else int(torch.randint(length, (), generator=generator))
        index = [source, *range(start, start + n)]
        images = to_float(self.clips.frames(clip, index))
        if self.stage.jitter:
            images = color_jitter(images, self.stage.jitter, HUE_JITTER, generator)
        segment = slice(start, start + n)
        pose = torch.from_numpy(features.pose)
        blink = torch.from_numpy(features.blink)
        return Batch(
            source=images[0],
            frames=images[1:],
            face_box=torch.from_numpy(features.face_box[source]),
            details=detail_boxes(torch.from_numpy(features.landmarks[segment])),
            clip=torch.tensor(clip),
            frame_index=torch.tensor(index),
            speech=torch.from_numpy(features.speech[segment]),
            pose=(pose[segment] - pose[source]) / pose.new_tensor(self.config.a2v.pose_unit),
            eye=(blink[segment] - blink[source]) / self.config.a2v.blink_unit,
        )
