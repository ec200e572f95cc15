"""Inception v3 (2015-12-05) of FID (Heusel et al. 2017): pooled 2048-dimensional features, as in three published
suites.

The network and its TensorFlow poolings are those of pytorch-fid, whose weights (Apache-2.0) are a plain state dict.
clean-fid runs the same weights as TorchScript, which can contain code: that file is opened only if its hash matches.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dawn.weights import MissingWeights
from eval.backbones import resize
from eval.backbones.batches import CPU, embed_frames
from eval.backbones.cards import BackboneCard
from eval.backbones.states import load_state, read_script, read_state

SIDE = 299
DIMENSION = 2048


def _pytorch_fid(frames: Tensor) -> Tensor:
    return 2 * resize.bilinear(frames / 255, (SIDE, SIDE)) - 1


def _clean(frames: Tensor) -> Tensor:
    return (resize.pillow_bicubic(frames, (SIDE, SIDE)) - 128) / 128


def _tf1(frames: Tensor) -> Tensor:
    return (resize.tf1_bilinear(frames, (SIDE, SIDE)) - 128) / 128


# (B, 3, H, W) in [0, 255] -> (B, 3, 299, 299), by card.
PREPROCESSING: dict[str, Callable[[Tensor], Tensor]] = {
    "inception-fid": _pytorch_fid,
    "inception-fid-clean": _clean,
    "inception-fid-tf1": _tf1,
    "inception-tf-clean": _clean,
}


class Inception:
    """Inception v3 image encoder: frames (N, H, W, 3) uint8 RGB -> (N, 2048) float32 pooled features.

    network: (B, 3, 299, 299) in about [-1, 1], on `device`, -> (B, 2048) or (B, 2048, 1, 1). preprocess: (B, 3, H, W)
    in [0, 255] to the network's input, one of :data:`PREPROCESSING`.
    """

    def __init__(
        self, network: Callable[[Tensor], Tensor], preprocess: Callable[[Tensor], Tensor], device: torch.device = CPU
    ) -> None:
        self._network, self._preprocess, self._device = network, preprocess, device

    @torch.inference_mode()
    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        return embed_frames(frames, self._features, DIMENSION, self._device)

    def _features(self, x: Tensor) -> Tensor:
        x = self._preprocess(x).contiguous(memory_format=torch.channels_last)  # twice as fast on a CPU
        return self._network(x).flatten(1)


def build(card: BackboneCard, device: torch.device) -> Inception:
    """Load the network of `card` on `device`. Raises MissingWeights."""
    (file,) = card.files().values()
    network = load_script(file.path, file.sha256, device) if card.executable else load(file.path).to(device)
    return Inception(network, PREPROCESSING[card.name], device)


def load(path: Path) -> nn.Module:
    """Load pytorch-fid's network with the weights of `path`: (N, 3, 299, 299) in [-1, 1] -> (N, 2048).

    Raises MissingWeights for another file.
    """
    net, expected = inception_v3_fid(), "the Inception of pytorch-fid"
    load_state(net, read_state(path, expected), path, expected)
    net.fc = nn.Identity()
    return net.eval().to(memory_format=torch.channels_last)


def load_script(path: Path, sha256: str, device: torch.device = CPU) -> Callable[[Tensor], Tensor]:
    """Load the layers of clean-fid's TorchScript file on `device`: (N, 3, 299, 299) in [-1, 1] -> (N, 2048, 1, 1).

    Raises MissingWeights unless the file has the hash `sha256`.
    """
    script = read_script(path, sha256, "the TorchScript Inception of clean-fid", device)
    if not hasattr(script, "layers"):
        raise MissingWeights(f"{path}: not the TorchScript Inception of clean-fid (it has no layers)")
    layers: Callable[[Tensor], Tensor] = script.layers  # the script's forward method resizes and scales too
    return layers


def inception_v3_fid() -> nn.Module:
    """Create torchvision's Inception v3 with pytorch-fid's blocks where TensorFlow's pooling differs; random
    weights."""
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
