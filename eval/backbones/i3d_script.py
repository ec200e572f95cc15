"""I3D of Kinetics-400 as the TorchScript file that StyleGAN-V published, called as two suites call it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from dawn.errors import InputError
from eval.backbones.cards import Card
from eval.backbones.i3d import MIN_FRAMES, prepare
from eval.backbones.states import read_script


class ScriptedI3D:
    """(B, T, H, W, 3) uint8 RGB clips, T >= 9 -> (B, 400) float32 logits.

    With `inside` the network itself brings clips to 224 x 224, which squashes those that are not square, and scales
    them, as in StyleGAN-V; without, they are prepared as common_metrics does: short side to 224, centre.
    """

    def __init__(self, script: Callable[..., Tensor], inside: bool) -> None:
        self._script, self._inside = script, inside

    @torch.inference_mode()
    def __call__(self, clips: Tensor) -> Tensor:
        if clips.ndim != 5 or clips.shape[-1] != 3 or clips.shape[1] < MIN_FRAMES or clips.dtype != torch.uint8:
            raise InputError(f"I3D takes uint8 (B, T >= {MIN_FRAMES}, H, W, 3), got {clips.dtype} {tuple(clips.shape)}")
        x = clips.permute(0, 4, 1, 2, 3).float() if self._inside else prepare(clips)
        return self._script(x, rescale=self._inside, resize=self._inside, return_features=True)


def make(card: Card) -> ScriptedI3D:
    """The network of `card`. Raises MissingWeights."""
    (found,) = card.files().values()
    return load(found.path, found.sha256, inside=card.name == "i3d-stylegan-v")


def load(path: Path, sha256: str, inside: bool) -> ScriptedI3D:
    """The file `path`. Raises MissingWeights unless it has the hash `sha256`."""
    return ScriptedI3D(read_script(path, sha256, "the TorchScript I3D of StyleGAN-V"), inside)
