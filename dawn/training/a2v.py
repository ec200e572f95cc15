"""Stages ``a2v_stage1`` and ``a2v_stage2``: audio-to-video flow diffusion model under the two-stage curriculum.

Paper 3.3 (conditions, eq. 6 and 7) and 3.5. Stage 1: the source is the first frame of a short clip of fixed length K'.
Stage 2: the source is any frame of the video and the length is drawn from [K_min, K_max] for each batch. The frozen
latent flow generator computes the targets: flow and occlusion from the source to each frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self, TypedDict

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
from dawn.training.a2v_batches import A2vBatch, A2vSampler
from dawn.training.augmentation import recolour
from dawn.training.batch_shard import BatchShard
from dawn.training.clip_views import Clips, WithoutPoseBlink
from dawn.training.lowered import LoweredCopy

CACHED_FRAMES = 500_000  # of a corpus whose regions are kept, 400 bytes each; in a larger one a frame hardly recurs
REGION_FRAMES = 64  # whose regions are predicted at once


class Conditions(TypedDict):
    """Conditions of the denoiser for each frame, (b, n, channels); zeros where they are dropped."""

    speech: Tensor
    pose: Tensor
    eye: Tensor


class A2vTask:
    """Task of denoising the motion of a clip segment, conditioned on source, speech, pose and blink (paper 3.3)."""

    groups: tuple[tuple[str, ...], ...] = (("unet", "mask"),)
    adversarial: frozenset[str] = frozenset()

    def __init__(self, config: Config, stage: A2vStage, clips: Clips, lfg: LatentFlowGenerator) -> None:
        self.config = config
        self.stage = stage
        self.clips = clips if config.a2v.pose_blink else WithoutPoseBlink(clips)
        self.sampler = A2vSampler(config, stage, self.clips)
        self.side = config.corpus.resolution
        self.latent_side = latent_side(config)
        self.lfg = lfg.eval().requires_grad_(False)
        self.unet, self.mask = build_denoiser(config)
        self.diffusion = GaussianDiffusion(config.a2v.diffusion)
        self.networks: dict[str, nn.Module] = {"unet": self.unet, "mask": self.mask}
        self.frozen: dict[str, nn.Module] = {"lfg": self.lfg, "diffusion": self.diffusion}
        self.region_cache: dict[int, Regions] = {}  # regions of unjittered clips, by index
        frames = sum(self.clips.length(clip) for clip in range(len(self.clips)))
        self.caches_regions = not stage.jitter and frames <= CACHED_FRAMES
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

    def loss(self, batch: A2vBatch, shard: BatchShard, group: int) -> dict[str, Tensor]:
        """Diffuse the motion of clip segments and compute the losses of the denoiser; see :meth:`Task.loss`."""
        x0, source_code = self.targets(batch)
        # x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps, one t for each clip.
        t, noise, keep = batch.t, batch.noise, batch.keep
        x_t = self.diffusion.q_sample(x0, t, noise)
        face = self.mask(box_mask(batch.face_box, self.side, self.side)[:, None])
        static = torch.cat([source_code, face], dim=1)
        # All conditions of a frame are dropped with probability `drop`, the speech of a clip with `drop_speech`.
        speech = batch.speech * keep * batch.keep_speech
        conditions = Conditions(speech=speech, pose=batch.pose * keep, eye=batch.eye * keep)
        unet = self.unet if shard.dtype == torch.float32 else self.lowered(shard.dtype)
        if self.stage.compile and x_t.is_cuda and torch.is_grad_enabled():  # a validation is no step
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
        self, x0: Tensor, output: Tensor, x_t: Tensor, t: Tensor, noise: Tensor, batch: A2vBatch
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
    def targets(self, batch: A2vBatch) -> tuple[Tensor, Tensor]:
        """Compute clean motion x_0 (b, 3, n, h, w) and the source's latent code z (b, c, h, w).

        Both come from the frozen latent flow generator, in float32 in every precision: sampling positions near 1 would
        have the spacing 2^-8 in bfloat16.
        """
        with unlowered(batch.frames.device):
            return self._targets(batch)

    def _targets(self, batch: A2vBatch) -> tuple[Tensor, Tensor]:
        b, n = batch.frames.shape[:2]
        source, frames = to_float(batch.source), to_float(batch.frames)
        if self.stage.jitter:
            source, frames = recolour(source, batch.colour), recolour(frames, batch.colour)
        frames = rearrange(frames, "b n c h w -> (b n) c h w")
        if not self.caches_regions:
            source_regions, driving_regions = self.lfg.regions(source), self.lfg.regions(frames)
        else:
            # Unjittered frames always have the same regions: index those of the whole clips.
            samples = zip(batch.clip, batch.frame_index, strict=True)
            rows = [[field[list(index)] for field in self._clip_regions(clip)] for clip, index in samples]
            regions = [torch.stack(fields) for fields in zip(*rows, strict=True)]
            source_regions = Regions(*(field[:, 0] for field in regions))
            driving_regions = Regions(*(field[:, 1:].flatten(0, 1) for field in regions))
        flow, occlusion = self.lfg.motion(
            repeat(source, "b c h w -> (b n) c h w", n=n),
            frames,
            Regions(*(field.repeat_interleave(n, 0) for field in source_regions)),
            driving_regions,
        )
        flow = rearrange(flow, "(b n) h w xy -> b n h w xy", b=b)
        occlusion = rearrange(occlusion, "(b n) 1 h w -> b n 1 h w", b=b)
        return motion_to_data(flow, occlusion, self.config.a2v.diffusion), self.lfg.encode(source)[-1]

    def _clip_regions(self, clip: int) -> Regions:
        """Predict the regions of all frames of a clip, once, and cache them without their heat maps."""
        if clip not in self.region_cache:
            device = next(self.lfg.parameters()).device
            parts = self.clips.frames(clip).split(REGION_FRAMES)
            runs = [self.lfg.regions(to_float(part.to(device))) for part in parts]
            runs = [run._replace(heatmap=run.heatmap[:, :, :0, :0].clone()) for run in runs]
            self.region_cache[clip] = Regions(*(torch.cat(fields) for fields in zip(*runs, strict=True)))
        return self.region_cache[clip]
