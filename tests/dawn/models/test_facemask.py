"""Face mask and its embedder: recorded numbers of the published network."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from dawn.models.facemask import FaceMaskEmbedder, box_mask
from tests.support.golden import FACE_MASK, check


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_golden_face_mask(reference: Path, recipe: ModuleType, dtype: torch.dtype) -> None:
    net = recipe.fill(FaceMaskEmbedder()).to(dtype)
    assert {k: tuple(v.shape) for k, v in net.state_dict().items()} == recipe.shapes("face_loc_emb")
    golden = np.load(reference / "facemask.npz")
    for side, name, stride in ((128, "emb128", 1), (256, "emb256_sub2", 2)):
        top, bottom, left, right = golden[f"mask{side}_rows_cols"]
        mask = box_mask(torch.tensor([recipe.FACE_BOX]) * side, side, side)[:, None]
        expected = torch.zeros(1, 1, side, side)
        expected[..., top : bottom + 1, left : right + 1] = 1
        assert torch.equal(mask, expected)
        check(net(mask.to(dtype))[:, :, ::stride, ::stride], golden[name], FACE_MASK)


def test_mask_scales_and_unites() -> None:
    one = torch.tensor([[8.0, 16.0, 23.0, 31.0]])
    other = torch.tensor([[40.0, 40.0, 47.0, 47.0]])
    mask = box_mask(one, 64, 16)[0]
    assert mask[4:9, 2:7].all() and mask.sum() == 25  # x 2 to 5.75 + 1, y 4 to 7.75 + 1
    both = box_mask(torch.stack([one, other], dim=1), 64, 16)[0]
    assert torch.equal(both, torch.maximum(mask, box_mask(other, 64, 16)[0]))
    assert box_mask(torch.tensor([[-50.0, -50.0, 200.0, 200.0]]), 64, 16).eq(1).all()
    assert box_mask(torch.tensor([[100.0, 100.0, 120.0, 120.0]]), 64, 16).sum() == 0
