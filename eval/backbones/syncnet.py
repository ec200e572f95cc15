"""SyncNet (Chung and Zisserman 2016): joint embedding of five mouth frames and 0.2 s of audio.

The layers are the original's. `side` is the side of the mouth crop in pixels and `width` scales the number of channels,
so that a small network can be trained on a corpus of minutes; with 224 and 1 the sizes are the original's, whose
weights ``syncnet_v2.model`` (for research purposes, Creative Commons Attribution) :func:`load_published` reads. For
crops too small for the last pooling, that pooling is omitted and the next convolution covers the remaining map.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from einops import rearrange
from torch import Tensor, nn

from dawn.errors import InputError
from dawn.media.tensor_files import load_arrays, save_arrays
from dawn.weights import MissingWeights
from eval.backbones.cards import BackboneCard
from eval.backbones.states import load_state, read_state

NAME = "syncnet-own"
_ORIGINAL = {"netcnnlip": "lips", "netfclip": "lips_head", "netcnnaud": "sound", "netfcaud": "sound_head"}
_IDENTITY = 3  # layer of the original's audio encoder that pools 1 x 1, an identity, which is omitted here


class SyncNet(nn.Module):
    """Mouth encoder and audio encoder, both with `size` outputs: 1024 at width 1.

    side: side of the mouth crops in pixels, at least 19. width: factor of the number of channels. bgr: whether the
    mouth crops are BGR instead of RGB. Raises InputError for a smaller side.
    """

    def __init__(self, side: int = 224, width: float = 1.0, bgr: bool = False) -> None:
        super().__init__()
        self.side, self.width, self.bgr = side, width, bgr
        c = [max(8, round(n * width)) for n in (64, 96, 192, 256, 384, 512, 1024)]
        c64, c96, c192, c256, c384, c512, self.size = c
        self.lips = nn.Sequential(
            *_block3d(3, c96, (5, 7, 7), stride=2, padding=0),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_block3d(c96, c256, (1, 5, 5), stride=2, padding=1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_block3d(c256, c256, (1, 3, 3), padding=1),
            *_block3d(c256, c256, (1, 3, 3), padding=1),
            *_block3d(c256, c256, (1, 3, 3), padding=1),
        )
        rest = _map_side(side)
        if rest < 1:
            raise InputError(f"SyncNet crops need at least 19 pixels, got {side}")
        if rest >= 3:
            self.lips.append(nn.MaxPool3d((1, 3, 3), (1, 2, 2)))
            rest = (rest - 3) // 2 + 1
        self.lips.extend(_block3d(c256, c512, (1, rest, rest), padding=0))
        self.lips_head = _head(c512, self.size)
        self.sound = nn.Sequential(
            *_block2d(1, c64, (3, 3), padding=1),
            *_block2d(c64, c192, (3, 3), padding=1),
            nn.MaxPool2d((3, 3), (1, 2)),
            *_block2d(c192, c384, (3, 3), padding=1),
            *_block2d(c384, c256, (3, 3), padding=1),
            *_block2d(c256, c256, (3, 3), padding=1),
            nn.MaxPool2d((3, 3), (2, 2)),
            *_block2d(c256, c512, (5, 4), padding=0),
        )
        self.sound_head = _head(c512, self.size)

    def embed_lips(self, mouths: Tensor) -> Tensor:
        """Embed mouth crops (B, 3, T, side, side) in [0, 255], T >= 5, as (B, T - 4, size): one vector per five frames.

        Raises InputError for other shapes.
        """
        if mouths.ndim != 5 or mouths.shape[1] != 3 or mouths.shape[2] < 5 or mouths.shape[-1] != self.side:
            raise InputError(
                f"SyncNet takes (B, 3, T >= 5, {self.side}, {self.side}) mouths, got {tuple(mouths.shape)}"
            )
        # Only the first layer has an extent in time, so all overlapping windows are computed in one pass.
        x = rearrange(self.lips(mouths), "b c t 1 1 -> (b t) c")
        return rearrange(self.lips_head(x), "(b t) d -> b t d", b=len(mouths))

    def embed_sound(self, windows: Tensor) -> Tensor:
        """Embed audio windows (B, 13, 20), 13 MFCC over 20 steps of 10 ms, as (B, size).

        Raises InputError for other shapes.
        """
        if windows.ndim != 3 or windows.shape[1:] != (13, 20):
            raise InputError(f"SyncNet takes (B, 13, 20) MFCC windows, got {tuple(windows.shape)}")
        out: Tensor = self.sound_head(self.sound(windows.unsqueeze(1)).flatten(1))
        return out

    def save(self, path: str | Path, metadata: dict[str, str] | None = None) -> None:
        """Write the weights atomically, with sizes and `metadata` as file metadata. Equal weights give equal bytes."""
        description = {"side": self.side, "width": self.width, "network": NAME} | (metadata or {})
        arrays = {key: value.numpy(force=True) for key, value in self.state_dict().items()}
        save_arrays(path, arrays, "syncnet", json.dumps(description, sort_keys=True))


def load(path: str | Path) -> SyncNet:
    """Load the network from a file of :meth:`SyncNet.save`, in evaluation mode. Raises InputError for another file."""
    try:
        arrays, description = load_arrays(path, "syncnet")
        net = SyncNet(int(description["side"]), float(description["width"]))
        net.load_state_dict({key: torch.from_numpy(array) for key, array in arrays.items()})
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{path}: no SyncNet weights ({error}); train them with 'dawn-eval fit-syncnet'") from None
    return net.eval()


def load_published(path: str | Path) -> SyncNet:
    """Load the original's ``syncnet_v2.model``, in evaluation mode. Raises MissingWeights for another file."""
    expected = "the published SyncNet"
    state = {}
    for name, tensor in read_state(Path(path), expected).items():
        part, _, rest = name.partition(".")
        index, _, leaf = rest.partition(".")
        if part not in _ORIGINAL or not index.isdigit():
            raise MissingWeights(f"{path}: not the weights of {expected} (unexpected key {name})")
        layer = int(index) - (part == "netcnnaud" and int(index) > _IDENTITY)
        state[f"{_ORIGINAL[part]}.{layer}.{leaf}"] = tensor
    net = SyncNet(bgr=True)
    load_state(net, state, Path(path), expected)
    return net.eval()


def build(card: BackboneCard, device: torch.device) -> SyncNet:
    """Load the published network of `card` on `device`. Raises MissingWeights."""
    return load_published(card.files()["syncnet-v2"].path).to(device)


def _block3d(inputs: int, outputs: int, kernel: tuple[int, int, int], padding: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv3d(inputs, outputs, kernel, (1, stride, stride), (0, padding, padding))
    return [conv, nn.BatchNorm3d(outputs), nn.ReLU(inplace=True)]


def _block2d(inputs: int, outputs: int, kernel: tuple[int, int], padding: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, 1, padding), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


def _head(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, inputs), nn.BatchNorm1d(inputs), nn.ReLU(inplace=True), nn.Linear(inputs, outputs)
    )


def _map_side(side: int) -> int:
    """Compute the side of the feature map before the last pooling; layers as (kernel, padding), all of stride 2."""
    for kernel, padding in ((7, 0), (3, 0), (5, 1), (3, 1)):
        side = max(0, (side + 2 * padding - kernel) // 2 + 1)
    return side
