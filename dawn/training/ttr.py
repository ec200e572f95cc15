"""Stages ``ttr_sparse`` and ``ttr_dense``: two networks for two temporal resolutions (paper 4.3, Harvey et al. 2022).

Both go on from A2V's. The sparse one learns keyframes, ``a2v.ttr.spacing`` frames apart. The dense one learns what lies
between them: every so many frames are shown without noise, and are no part of the loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dawn.config import A2vStage, Config
from dawn.features.clips import ClipStore
from dawn.features.store import Features
from dawn.models.diffusion import GaussianDiffusion
from dawn.models.lfg import LatentFlowGenerator
from dawn.training.a2v import A2vTask, Batch

_ROWS = ("landmarks", "pose", "blink", "speech", "face_box", "mouth_box", "found")


class StridedClips(ClipStore):
    """Every `spacing`-th frame of each clip of `store`, once from each of its first frames, as clips of their own."""

    def __init__(self, store: ClipStore, spacing: int) -> None:
        self.store = store
        self.spacing = spacing

    def __len__(self) -> int:
        return len(self.store) * self.spacing

    def _kept(self, index: int) -> tuple[int, range]:
        clip, phase = divmod(index, self.spacing)
        return clip, range(phase, self.store.length(clip), self.spacing)

    def features(self, index: int) -> Features:
        clip, kept = self._kept(index)
        found = self.store.features(clip)
        return replace(found, **{name: getattr(found, name)[kept.start :: self.spacing] for name in _ROWS})

    def length(self, index: int) -> int:
        return len(self._kept(index)[1])

    def frames(self, index: int, which: Sequence[int] | slice = slice(None)) -> Tensor:
        clip, kept = self._kept(index)
        chosen = kept[which] if isinstance(which, slice) else [kept[one] for one in which]
        return self.store.frames(clip, list(chosen))


class SparseTask(A2vTask):
    """Denoise keyframes."""

    def __init__(self, config: Config, stage: A2vStage, store: ClipStore, lfg: LatentFlowGenerator) -> None:
        super().__init__(config, stage, StridedClips(store, config.a2v.ttr.spacing), lfg)


class DenseTask(A2vTask):
    """Denoise what lies between keyframes, the first frame and every `spacing`-th after it."""

    def __init__(self, config: Config, stage: A2vStage, store: ClipStore, lfg: LatentFlowGenerator) -> None:
        super().__init__(config, stage, store, lfg)
        self.diffusion = KeyframesShown(config)
        self.frozen["diffusion"] = self.diffusion

    def _parts(
        self, x0: Tensor, output: Tensor, noisy: Tensor, t: Tensor, noise: Tensor, batch: Batch
    ) -> dict[str, Tensor]:
        """What the network returns for keyframes is taken for right."""
        key = self.diffusion.target(x0, t, noise)
        known = torch.zeros(x0.shape[2], dtype=torch.bool, device=x0.device)
        known[:: self.config.a2v.ttr.spacing] = True
        output = torch.where(known.view(1, 1, -1, 1, 1), key, output)
        return super()._parts(x0, output, GaussianDiffusion.q_sample(self.diffusion, x0, t, noise), t, noise, batch)


class KeyframesShown(GaussianDiffusion):
    """A diffusion that leaves keyframes as they are."""

    def __init__(self, config: Config) -> None:
        super().__init__(config.a2v.diffusion)
        self.spacing = config.a2v.ttr.spacing

    def q_sample(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        noisy = super().q_sample(x0, t, noise)
        noisy[:, :, :: self.spacing] = x0[:, :, :: self.spacing]
        return noisy
