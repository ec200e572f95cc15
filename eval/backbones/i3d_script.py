"""I3D of Kinetics-400 as StyleGAN-V's TorchScript file, with the preprocessing of two published suites.

Weights: ``i3d_torchscript.pt``; the file has no stated licence, the network itself is Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from einops import rearrange
from torch import Tensor

from dawn.errors import InputError
from eval.backbones.batches import CPU
from eval.backbones.cards import BackboneCard
from eval.backbones.i3d import MIN_FRAMES, preprocess
from eval.backbones.states import read_script


class ScriptedI3D:
    """I3D network in TorchScript on `device`: clips (B, T, H, W, 3) uint8 RGB, T >= 9 -> (B, 400) float32 logits.

    resize: True as in StyleGAN-V: the script resizes clips to 224 x 224 regardless of their aspect ratio and scales
    them; False as in common_metrics: short side to 224, centre crop (:func:`eval.backbones.i3d.preprocess`). Raises
    InputError for other clips.
    """

    def __init__(self, script: Callable[..., Tensor], resize: bool, device: torch.device) -> None:
        self._script, self._resize, self._device = script, resize, device

    @torch.inference_mode()
    def __call__(self, clips: Tensor) -> Tensor:
        if clips.ndim != 5 or clips.shape[-1] != 3 or clips.shape[1] < MIN_FRAMES or clips.dtype != torch.uint8:
            raise InputError(f"I3D takes uint8 (B, T >= {MIN_FRAMES}, H, W, 3), got {clips.dtype} {tuple(clips.shape)}")
        clips = clips.to(self._device)
        x = rearrange(clips, "b t h w c -> b c t h w").float() if self._resize else preprocess(clips)
        return self._script(x, rescale=self._resize, resize=self._resize, return_features=True).cpu()


def build(card: BackboneCard, device: torch.device) -> ScriptedI3D:
    """Load the network of `card` on `device`. Raises MissingWeights."""
    (file,) = card.files().values()
    return load(file.path, file.sha256, card.name == "i3d-stylegan-v", device)


def load(path: Path, sha256: str, resize: bool, device: torch.device = CPU) -> ScriptedI3D:
    """Load the network of the TorchScript file `path`. Raises MissingWeights unless the file's hash is `sha256`."""
    return ScriptedI3D(read_script(path, sha256, "the TorchScript I3D of StyleGAN-V", device), resize, device)
