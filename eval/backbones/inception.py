"""Inception of FID (Heusel et al. 2017): pooled 2048 features of the network trained in 2015, as two suites carry it.

The network and its TensorFlow poolings are those of pytorch-fid, its weights a plain state dict. clean-fid runs the
same weights as TorchScript, which can hold code and is opened only after its hash was checked.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dawn.errors import InputError
from dawn.weights import MissingWeights
from eval.backbones import resize
from eval.backbones.cards import Card
from eval.backbones.states import fill, read_script, read_state

SIDE = 299
DIMENSION = 2048


def _pytorch_fid(frames: Tensor) -> Tensor:
    return 2 * resize.bilinear(frames / 255, (SIDE, SIDE)) - 1


def _clean(frames: Tensor) -> Tensor:
    return (resize.pillow_bicubic(frames, (SIDE, SIDE)) - 128) / 128


def _tf1(frames: Tensor) -> Tensor:
    return (resize.tf1_bilinear(frames, (SIDE, SIDE)) - 128) / 128


PREPARED: dict[str, Callable[[Tensor], Tensor]] = {
    "inception-fid": _pytorch_fid,
    "inception-fid-clean": _clean,
    "inception-fid-tf1": _tf1,
    "inception-tf-clean": _clean,
}


class Inception:
    """(N, H, W, 3) uint8 RGB frames -> (N, 2048) float32 features.

    `prepare` brings (N, 3, H, W) in [0, 255] to what `net` takes.
    """

    def __init__(self, net: Callable[[Tensor], Tensor], prepare: Callable[[Tensor], Tensor]) -> None:
        self._net, self._prepare = net, prepare

    @torch.inference_mode()
    def __call__(self, frames: NDArray[np.uint8], batch: int = 16) -> NDArray[np.float32]:
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
            raise InputError(f"Inception takes uint8 (N, H, W, 3), got {frames.dtype} {frames.shape}")
        parts = [self._features(torch.from_numpy(frames[i : i + batch])) for i in range(0, len(frames), batch)]
        return torch.cat(parts).numpy() if parts else np.empty((0, DIMENSION), np.float32)

    def _features(self, frames: Tensor) -> Tensor:
        x = self._prepare(frames.permute(0, 3, 1, 2).float())
        features = self._net(x.contiguous(memory_format=torch.channels_last)).flatten(1)  # twice as fast on a CPU
        if features.shape[1] != DIMENSION:
            raise InputError(f"Inception gave {features.shape[1]} features a frame, expected {DIMENSION}")
        return features


def make(card: Card) -> Inception:
    """The network of `card`. Raises MissingWeights."""
    (found,) = card.files().values()
    net = load_script(found.path, found.sha256) if card.executable else load(found.path)
    return Inception(net, PREPARED[card.name])


def load(path: Path) -> nn.Module:
    """pytorch-fid's network with the weights in `path`: (N, 3, 299, 299) in [-1, 1] -> (N, 2048)."""
    net = network()
    fill(net, read_state(path, "the Inception of pytorch-fid"), path, "the Inception of pytorch-fid")
    net.fc = nn.Identity()
    return net.eval().to(memory_format=torch.channels_last)


def load_script(path: Path, sha256: str) -> Callable[[Tensor], Tensor]:
    """The TorchScript file of clean-fid: (N, 3, 299, 299) in [-1, 1] -> (N, 2048, 1, 1).

    Raises MissingWeights unless the file has that hash.
    """
    script = read_script(path, sha256, "the TorchScript Inception of clean-fid")
    if not hasattr(script, "layers"):
        raise MissingWeights(f"{path}: not the TorchScript Inception of clean-fid (it has no layers)")
    layers: Callable[[Tensor], Tensor] = script.layers  # its own forward would resize and scale once more
    return layers


def network() -> nn.Module:
    """torchvision's Inception with pytorch-fid's blocks in place of those where TensorFlow's poolings differ."""
    from pytorch_fid.inception import FIDInceptionA, FIDInceptionC, FIDInceptionE_1, FIDInceptionE_2
    from torchvision.models import inception_v3

    net: nn.Module = inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
    net.Mixed_5b = FIDInceptionA(192, pool_features=32)
    net.Mixed_5c = FIDInceptionA(256, pool_features=64)
    net.Mixed_5d = FIDInceptionA(288, pool_features=64)
    net.Mixed_6b = FIDInceptionC(768, channels_7x7=128)
    net.Mixed_6c = FIDInceptionC(768, channels_7x7=160)
    net.Mixed_6d = FIDInceptionC(768, channels_7x7=160)
    net.Mixed_6e = FIDInceptionC(768, channels_7x7=192)
    net.Mixed_7b = FIDInceptionE_1(1280)
    net.Mixed_7c = FIDInceptionE_2(2048)
    return net
