"""Fréchet video distance: Fréchet distance of I3D logits over windows of 16 or 32 frames (Unterthiner et al. 2018).

All windows of a clip that do not overlap are used; a rest shorter than a window is left out. The paper states neither
stride nor count; the count moves the number more than anything else, so it is reported. How other suites take windows,
and what they divide the covariance by, has a name (:data:`PROTOCOLS`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from dawn.errors import InputError
from eval.backbones.i3d import MIN_FRAMES
from eval.stats.frechet import frechet

WINDOWS = (16, 32)
Side = Literal["real", "fake"]


@dataclass(frozen=True)
class Protocol:
    """What a published FVD is of: its windows, the network's card (:mod:`eval.backbones.cards`), which names the
    resizing, and the covariance's `ddof`.

    `windows` are ``all`` of them, `stride` frames apart; the ``first`` of a clip; or ``random``, the first of a
    generated clip and one anywhere in a true one.
    """

    name: str
    card: str
    window: int
    windows: Literal["all", "first", "random"]
    stride: int
    ddof: int

    def starts(self, frames: int, side: Side, rng: np.random.Generator) -> list[int]:
        """First frames of the windows of a clip of `frames`, none where it is too short."""
        last = frames - self.window
        if last < 0:
            return []
        if self.windows == "all":
            return list(range(0, last + 1, self.stride))
        return [int(rng.integers(last + 1))] if self.windows == "random" and side == "real" else [0]

    def part(self, side: Side) -> str:
        """The part of a video (:mod:`eval.extract.features`) that holds these windows' features."""
        return f"{self.card}:{self.name}" + (f"-{side}" if self.windows == "random" else "")

    def distance(self, real: ArrayLike, fake: ArrayLike) -> float:
        """(N, 400) and (M, 400) features, N and M >= 2 -> FVD. Raises InputError on shapes."""
        return frechet(real, fake, self.ddof)


PROTOCOLS = {
    protocol.name: protocol
    for window in WINDOWS
    for protocol in (
        Protocol(f"windows{window}", "i3d-kinetics400-logits", window, "all", window, 1),
        Protocol(f"stylegan-v{window}", "i3d-stylegan-v", window, "random", window, 0),
        Protocol(f"common-metrics{window}", "i3d-common-metrics", window, "first", window, 1),
    )
}


def protocol_of(shown: str) -> tuple[Protocol, Side]:
    """The protocol and the side that :meth:`Protocol.part` names after its colon."""
    for side in ("real", "fake"):
        if shown.endswith(f"-{side}"):
            return PROTOCOLS[shown.removesuffix(f"-{side}")], side
    return PROTOCOLS[shown], "fake"


def window_features(
    frames: NDArray[np.uint8], net: Callable[[torch.Tensor], torch.Tensor], window: int
) -> NDArray[np.float32]:
    """(N, H, W, 3) frames -> (N // window, 400) features, one row a window; those that do not overlap."""
    return features_at(frames, net, range(0, len(frames) - window + 1, window), window)


def features_at(
    frames: NDArray[np.uint8], net: Callable[[torch.Tensor], torch.Tensor], starts: Sequence[int], window: int
) -> NDArray[np.float32]:
    """(N, H, W, 3) frames -> (len(starts), 400) features of the windows that begin there.

    Raises InputError for windows too short for I3D or beyond the clip.
    """
    if window < MIN_FRAMES:
        raise InputError(f"windows of {window} frames are too short; I3D needs {MIN_FRAMES}")
    if not len(starts):
        return np.empty((0, 400), np.float32)
    if min(starts) < 0 or max(starts) + window > len(frames):
        raise InputError(f"windows of {window} frames from {min(starts)} to {max(starts)} are not in {len(frames)}")
    clips = (torch.from_numpy(np.ascontiguousarray(frames[start : start + window])) for start in starts)
    return np.concatenate([net(clip[None]).numpy() for clip in clips])  # one at a time: memory, and a fixed result
