"""Every measuring network as a card: what goes in, what comes out, which weights, which preprocessing.

The name and the preprocessing together with the hashes of the weights are what features depend on, and what stands
beside a number that was made of them. Nothing heavy is imported until :func:`load`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dawn.errors import InputError
from dawn.fingerprint import fingerprint
from dawn.weights import Found, MissingWeights, locate, verified


class Takes(StrEnum):
    """How a network is called."""

    FRAMES = "frames"  # net((N, H, W, 3) uint8 RGB) -> (N, D) float32; a row of NaN where it found no face
    CLIPS = "clips"  # net((B, T, H, W, 3) uint8 RGB tensor) -> (B, D) float32 tensor
    FACES = "faces"  # net((N, H, W, 3) uint8 RGB, (N, 68, 2) landmarks) -> (N, D) float32, NaN without landmarks
    SYNC = "lips and sound"  # eval.metrics.lse.embeddings(net, crops, sound) -> two (T, D) float32


@dataclass(frozen=True)
class Card:
    """One network with one way to prepare what it sees."""

    name: str
    takes: Takes
    dimension: int
    preprocessing: str
    weights: tuple[str, ...]  # names in config/weights.yaml
    module: str  # of this package; its make(card) gives the network
    executable: bool = False  # the format can hold code: only a file with a pinned hash is opened

    def files(self) -> dict[str, Found]:
        """Path and hash of every file of weights. Raises MissingWeights for an absent or a wrong one."""
        return {name: verified(name, pinned=self.executable) for name in self.weights}

    def missing(self) -> str | None:
        """Why the network cannot be loaded on this machine, or None when its files are there; hashes not looked at."""
        try:
            for name in self.weights:
                locate(name)
        except MissingWeights as error:
            return str(error)
        return None

    def key(self) -> str:
        """What features are filed under: digest of name, preprocessing and the weights' hashes."""
        hashes = {name: found.sha256 for name, found in self.files().items()}
        return fingerprint([self.name, self.preprocessing, hashes])[:16]


_ALIGNED = "5 points by similarity to 112 pixels, RGB, (x - 127.5) / 127.5"
CARDS: dict[str, Card] = {
    card.name: card
    for card in (
        Card("inception-fid", Takes.FRAMES, 2048, "bilinear 299, 2 x / 255 - 1", ("inception-fid",), "inception"),
        Card(
            "inception-fid-clean", Takes.FRAMES, 2048, "Pillow bicubic 299, (x - 128) / 128", ("inception-fid",),
            "inception",
        ),
        Card(
            "inception-fid-tf1", Takes.FRAMES, 2048, "TensorFlow 1 bilinear 299, (x - 128) / 128", ("inception-fid",),
            "inception",
        ),
        Card(
            "inception-tf-clean", Takes.FRAMES, 2048, "Pillow bicubic 299, (x - 128) / 128", ("inception-tf",),
            "inception", executable=True,
        ),
        Card(
            "efficientnet-lite0-1280", Takes.FRAMES, 1280, "antialiased bilinear 224, (x - 127) / 128",
            ("efficientnet-lite0",), "efficientnet",
        ),
        Card(
            "i3d-kinetics400-logits", Takes.CLIPS, 400, "bilinear short side 224, centre, 2 x / 255 - 1",
            ("i3d-kinetics400",), "i3d",
        ),
        Card(
            "i3d-stylegan-v", Takes.CLIPS, 400, "the network's own: bilinear 224 x 224, 2 x / 255 - 1",
            ("i3d-torchscript",), "i3d_script", executable=True,
        ),
        Card(
            "i3d-common-metrics", Takes.CLIPS, 400, "bilinear short side 224, centre, 2 x / 255 - 1",
            ("i3d-torchscript",), "i3d_script", executable=True,
        ),
        Card("arcface-w600k-r50", Takes.FRAMES, 512, f"SCRFD at 640, largest face, {_ALIGNED}",
             ("arcface-w600k-r50", "scrfd-10g"), "arcface"),
        Card("arcface-w600k-r50-mesh", Takes.FACES, 512, f"face mesh, {_ALIGNED}", ("arcface-w600k-r50",), "arcface"),
        Card(
            "dlib-resnet-v1-128", Takes.FACES, 128, "enlarged to 256, 68 points by dlib, chip of 150",
            ("dlib-resnet", "dlib-landmarks"), "dlib_face",
        ),
        Card("syncnet-v2", Takes.SYNC, 1024, "224 x 224, BGR, 0 to 255; 13 MFCC on the 16-bit scale", ("syncnet-v2",),
             "syncnet"),
    )
}  # fmt: skip


def card(name: str) -> Card:
    """The card called `name`. Raises InputError for none."""
    try:
        return CARDS[name]
    except KeyError:
        raise InputError(f"no network is called {name!r}; known: {', '.join(CARDS)}") from None


def load(name: str) -> Any:
    """The network of card `name`, ready to be called as its :class:`Takes` says.

    Raises MissingWeights, whose message is the reason, when its weights are absent or wrong.
    """
    chosen = card(name)
    return importlib.import_module(f"eval.backbones.{chosen.module}").make(chosen)
