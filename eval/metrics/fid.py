"""Fréchet inception distance (Heusel et al. 2017): Fréchet distance of frames on the 2048 features of FID's Inception.

All frames of all clips against all frames of all clips, as decoded. What moves the number most is how many frames there
are and how they were compressed, then the resizer; a number without these three cannot be compared with another.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dawn.errors import InputError
from eval.backbones.inception import DIMENSION
from eval.stats.frechet import frechet

# How other suites get from frames to features: preset to card (eval.backbones.cards).
PRESETS = {
    "pytorch-fid": "inception-fid",
    "clean-fid": "inception-tf-clean",
    "clean-fid-resize": "inception-fid-clean",  # clean-fid's pixels through pytorch-fid's copy of the same weights
    "torch-fidelity": "inception-fid-tf1",
}


def fid(real: ArrayLike, fake: ArrayLike) -> float:
    """(N, 2048) and (M, 2048) Inception features, one row a frame, N and M >= 2 -> FID. Raises InputError on shapes."""
    for name, rows in (("real", real), ("generated", fake)):
        shape = np.shape(rows)
        if len(shape) != 2 or shape[1] != DIMENSION:
            raise InputError(f"FID needs (N, {DIMENSION}) features of the {name} frames, got {shape}")
    return frechet(real, fake)
