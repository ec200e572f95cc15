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
from eval.backbones.cards import BackboneCard
from eval.backbones.i3d import MIN_FRAMES, preprocess
from eval.backbones.states import read_script


class ScriptedI3D:
    """I3D network in TorchScript: clips (B, T, H, W, 3) uint8 RGB, T >= 9 -> (B, 400) float32 logits.

    resize: True as in StyleGAN-V: the script resizes clips to 224 x 224 regardless of their aspect ratio and scales
    them; False as in common_metrics: short side to 224, centre crop (:func:`eval.backbones.i3d.preprocess`). Raises
    InputError for other clips.
    """

    def __init__(self, script: Callable[..., Tensor], resize: bool) -> None:
        self._script, self._resize = script, resize

    @torch.inference_mode()
    def __call__(self, clips: Tensor) -> Tensor:
        if clips.ndim != 5 or clips.shape[-1] != 3 or clips.shape[1] < MIN_FRAMES or clips.dtype != torch.uint8:
            raise InputError(f"I3D takes uint8 (B, T >= {MIN_FRAMES}, H, W, 3), got {clips.dtype} {tuple(clips.shape)}")
        x = rearrange(clips, "b t h w c -> b c t h w").float() if self._resize else preprocess(clips)
        return self._script(x, rescale=self._resize, resize=self._resize, return_features=True)


def build(card: BackboneCard) -> ScriptedI3D:
    """Load the network of `card`. Raises MissingWeights."""
    (file,) = card.files().values()
    return load(file.path, file.sha256, resize=card.name == "i3d-stylegan-v")


def load(path: Path, sha256: str, resize: bool) -> ScriptedI3D:
    """Load the network of the TorchScript file `path`. Raises MissingWeights unless the file's hash is `sha256`."""
    return ScriptedI3D(read_script(path, sha256, "the TorchScript I3D of StyleGAN-V"), resize)
