"""Stages ``ttr_sparse`` and ``ttr_dense``: two networks for two temporal resolutions (paper 4.3, Harvey et al. 2022).

Both start from A2V's weights. The sparse network generates keyframes, ``a2v.ttr.spacing`` frames apart. The dense
network fills the frames between them: it is conditioned on keyframes without noise, which its loss ignores.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dawn.config import A2vStage, Config
from dawn.models.diffusion import GaussianDiffusion
from dawn.models.lfg import LatentFlowGenerator
from dawn.training.a2v import A2vTask
from dawn.training.a2v_batches import A2vBatch
from dawn.training.clip_views import Clips, StridedClips


class SparseTask(A2vTask):
    """Task of denoising keyframes: the A2V task on every `spacing`-th frame."""

    def __init__(self, config: Config, stage: A2vStage, clips: Clips, lfg: LatentFlowGenerator) -> None:
        super().__init__(config, stage, StridedClips(clips, config.a2v.ttr.spacing), lfg)


class DenseTask(A2vTask):
    """Task of denoising the frames between keyframes, which are the first frame and every `spacing`-th after it."""

    def __init__(self, config: Config, stage: A2vStage, clips: Clips, lfg: LatentFlowGenerator) -> None:
        super().__init__(config, stage, clips, lfg)
        self.diffusion = NoiselessKeyframes(config)
        self.frozen["diffusion"] = self.diffusion

    def losses(
        self, x0: Tensor, output: Tensor, x_t: Tensor, t: Tensor, noise: Tensor, batch: A2vBatch
    ) -> dict[str, Tensor]:
        """Compute A2V's losses with the output on keyframes replaced by the target, where losses are thus zero."""
        keyframe = torch.zeros(x0.shape[2], dtype=torch.bool, device=x0.device)
        keyframe[:: self.config.a2v.ttr.spacing] = True
        output = torch.where(keyframe.view(1, 1, -1, 1, 1), self.diffusion.target(x0, t, noise), output)
        # The loss "clean" recovers x_0 from the output and x_t, which has to have the noise of step t on keyframes too.
        x_t = GaussianDiffusion.q_sample(self.diffusion, x0, t, noise)
        return super().losses(x0, output, x_t, t, noise, batch)


class NoiselessKeyframes(GaussianDiffusion):
    """Diffusion whose forward process leaves keyframes without noise."""

    def __init__(self, config: Config) -> None:
        super().__init__(config.a2v.diffusion)
        self.spacing = config.a2v.ttr.spacing

    def q_sample(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Diffuse x_0 to x_t at steps t (b,) on all frames but the keyframes, which stay x_0."""
        x_t = super().q_sample(x0, t, noise)
        x_t[:, :, :: self.spacing] = x0[:, :, :: self.spacing]
        return x_t
