"""Identity similarity: cosine of face embeddings of a generated frame and the true frame of the same index.

The true videos scoring 1 in the paper implies this pairing. The paper embeds with ArcFace; the column is named after
the network that was used here, and its preprocessing (:mod:`eval.backbones.cards`) moves the number as much: which
detector, which alignment, the largest face of each frame on its own. A frame in which no face was found is counted,
never skipped in silence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dawn.errors import InputError

EVERY = 5  # frames; neighbours differ little, and each face costs 70 ms


@dataclass(frozen=True)
class Similarity:
    """Mean cosine over the compared frames (NaN for none) and how many frames could not be compared."""

    csim: float
    compared: int
    failed: int

    @property
    def failure_rate(self) -> float:
        """Share of the paired frames without a face in one of the two; NaN for no frames."""
        total = self.compared + self.failed
        return self.failed / total if total else float("nan")


def csim(real: NDArray[np.floating], fake: NDArray[np.floating]) -> Similarity:
    """(K, D) embeddings of paired frames, a row of NaN where no face was found; the longer side is cut."""
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1]:
        raise InputError(f"similarity needs (K, D) embeddings, got {real.shape} and {fake.shape}")
    count = min(len(real), len(fake))
    a, b = real[:count].astype(np.float64), fake[:count].astype(np.float64)
    valid = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
    a, b = a[valid], b[valid]
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine = (a * b).sum(axis=1) / norms
    return Similarity(float(cosine.mean()) if len(cosine) else float("nan"), int(valid.sum()), int((~valid).sum()))
