"""Resizers of the FID implementations: canonical pixels, and channels, frames and sides kept apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from eval.backbones import resize
from tests.support import canonical

RESIZERS = {
    "clean_fid_pil_bicubic": resize.pillow_bicubic,
    "tf1_bilinear": resize.tf1_bilinear,
    "torch_bilinear": resize.bilinear,
}


@pytest.mark.parametrize("name", canonical.names("resize"))
def test_canonical_pixels(name: str) -> None:
    with canonical.case(name) as (label, case):
        resizer, direction = label.rsplit("_", 1)
        seed, source, target = (95, 5, 8) if direction == "up" else (96, 9, 4)
        image = np.random.RandomState(seed).randint(0, 256, (source, source, 3))
        got = RESIZERS[resizer](torch.from_numpy(image).permute(2, 0, 1)[None], (target, target))
        assert got.shape == (1, 3, target, target)
        assert got[0, 0].numpy() == pytest.approx(np.asarray(case["pixels"]), abs=6e-5)


@pytest.mark.parametrize("name", RESIZERS)
def test_resizers_keep_channels_frames_and_sides_apart(name: str) -> None:
    frames = torch.zeros(2, 3, 6, 10)
    frames[1, 2] = 200.0
    got = RESIZERS[name](frames, (12, 5))
    assert got.shape == (2, 3, 12, 5)
    assert got[1, 2].numpy() == pytest.approx(200.0, abs=1e-3)
    assert got[0].abs().max() == 0
    assert got[1, :2].abs().max() == 0
