"""Registry of backbones, the networks that metrics use as feature extractors: input, output, preprocessing, weights.

Features depend on the card's name and preprocessing and on the hashes of its weights; all of these are recorded with
every score. This module imports neither torch nor any other heavy library; :func:`load` does.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dawn.choices import MeasuringDevice
from dawn.errors import InputError
from dawn.fingerprint import fingerprint
from dawn.weights import LocalWeights, MissingWeights, locate, verified

READS = ("*.py",)  # the networks, imported by the name of their module


class InputKind(StrEnum):
    """Call signature of a backbone."""

    FRAMES = "frames"  # net((N, H, W, 3) uint8 RGB) -> (N, D) float32; NaN rows where a face is needed and missing
    CLIPS = "clips"  # net((B, T, H, W, 3) uint8 RGB tensor) -> (B, D) float32 tensor
    FACES = "faces"  # net((N, H, W, 3) uint8 RGB, (N, 68, 2) landmarks) -> (N, D) float32, NaN without landmarks
    LIP_SYNC = "lips and audio"  # net.embed_lips(crops) and net.embed_sound(MFCC) -> (T, D) float32 tensors


@dataclass(frozen=True)
class BackboneCard:
    """Description of one network with one preprocessing.

    dimension: size of an embedding. weights: names in ``dawn/weights.yaml``, which states source, hash and licence.
    module: module of this package whose ``build(card, device)`` loads the network. executable: whether the weights'
    format can contain code; such a file is opened only if its hash is pinned.
    """

    name: str
    input: InputKind
    dimension: int
    preprocessing: str
    weights: tuple[str, ...]
    module: str
    executable: bool = False

    def files(self) -> dict[str, LocalWeights]:
        """Locate every weights file and verify its SHA-256.

        Raises MissingWeights for an absent file or another hash.
        """
        return {name: verified(name, pinned=self.executable) for name in self.weights}

    def missing(self) -> str | None:
        """Return the reason why a weights file is absent on this machine, or None. Hashes are not verified."""
        try:
            for name in self.weights:
                locate(name)
        except MissingWeights as error:
            return str(error)
        return None

    def fingerprint(self) -> str:
        """Compute a digest of name, preprocessing and weights' hashes; part of the features' cache key.

        Raises MissingWeights.
        """
        hashes = {name: file.sha256 for name, file in self.files().items()}
        return fingerprint([self.name, self.preprocessing, hashes])[:16]


_ALIGNED = "5 points by similarity to 112 pixels, RGB, (x - 127.5) / 127.5"
CARDS: dict[str, BackboneCard] = {
    card.name: card
    for card in (
        BackboneCard(
            "inception-fid", InputKind.FRAMES, 2048, "bilinear 299, 2 x / 255 - 1", ("inception-fid",), "inception"
        ),
        BackboneCard(
            "inception-fid-clean", InputKind.FRAMES, 2048, "Pillow bicubic 299, (x - 128) / 128",
            ("inception-fid",), "inception",
        ),
        BackboneCard(
            "inception-fid-tf1", InputKind.FRAMES, 2048, "TensorFlow 1 bilinear 299, (x - 128) / 128",
            ("inception-fid",), "inception",
        ),
        BackboneCard(
            "inception-tf-clean", InputKind.FRAMES, 2048, "Pillow bicubic 299, (x - 128) / 128",
            ("inception-tf",), "inception", executable=True,
        ),
        BackboneCard(
            "efficientnet-lite0-1280", InputKind.FRAMES, 1280, "antialiased bilinear 224, (x - 127) / 128",
            ("efficientnet-lite0",), "efficientnet",
        ),
        BackboneCard(
            "i3d-kinetics400-logits", InputKind.CLIPS, 400, "bilinear short side 224, centre, 2 x / 255 - 1",
            ("i3d-kinetics400",), "i3d",
        ),
        BackboneCard(
            "i3d-stylegan-v", InputKind.CLIPS, 400, "the network's own: bilinear 224 x 224, 2 x / 255 - 1",
            ("i3d-torchscript",), "i3d_script", executable=True,
        ),
        BackboneCard(
            "i3d-common-metrics", InputKind.CLIPS, 400, "bilinear short side 224, centre, 2 x / 255 - 1",
            ("i3d-torchscript",), "i3d_script", executable=True,
        ),
        BackboneCard(
            "arcface-w600k-r50", InputKind.FRAMES, 512, f"SCRFD at 640, largest face, {_ALIGNED}",
            ("arcface-w600k-r50", "scrfd-10g"), "arcface",
        ),
        BackboneCard(
            "arcface-w600k-r50-mesh", InputKind.FACES, 512, f"face mesh, {_ALIGNED}",
            ("arcface-w600k-r50",), "arcface",
        ),
        BackboneCard(
            "dlib-resnet-v1-128", InputKind.FACES, 128, "enlarged to 256, 68 points by dlib, chip of 150",
            ("dlib-resnet", "dlib-landmarks"), "dlib_face",
        ),
        BackboneCard(
            "syncnet-v2", InputKind.LIP_SYNC, 1024, "224 x 224, BGR, 0 to 255; 13 MFCC on the 16-bit scale",
            ("syncnet-v2",), "syncnet",
        ),
    )
}  # fmt: skip


def card(name: str) -> BackboneCard:
    """Return the card named `name`. Raises InputError for an unknown name."""
    try:
        return CARDS[name]
    except KeyError:
        raise InputError(f"no backbone is called {name!r}; known: {', '.join(CARDS)}") from None


def load(name: str, device: MeasuringDevice = "auto") -> Any:
    """Load the network of card `name` on `device`, with the call signature of its :class:`InputKind`.

    Arrays and tensors that it takes and returns are on the CPU. dlib computes on the CPU, and ONNX networks do unless
    onnxruntime has its CUDA provider.

    Raises InputError for an unknown name, MissingWeights when weights are absent or have another hash.
    """
    from dawn.devices import pick_measuring

    selected = card(name)
    return importlib.import_module(f"eval.backbones.{selected.module}").build(selected, pick_measuring(device))
