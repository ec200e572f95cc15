"""Masks of face and mouth boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dawn.models.facemask import box_mask


@pytest.mark.parametrize("side", [128, 256])
def test_mask_covers_the_published_rows_and_columns(reference: Path, side: int) -> None:
    golden = np.load(reference / "facemask.npz")[f"mask{side}_rows_cols"]
    # The vector's image is 400 wide and 420 high; masks are square, so its box is scaled to the mask first.
    box = torch.tensor([[100 / 400, 80 / 420, 300 / 400, 330 / 420]]) * side
    mask = box_mask(box, side, side)
    assert mask.shape == (1, side, side)
    rows, columns = torch.nonzero(mask[0], as_tuple=True)
    assert [int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())] == golden.tolist()
    assert int(mask.sum()) == (golden[1] - golden[0] + 1) * (golden[3] - golden[2] + 1)


def test_mask_scales_and_unites() -> None:
    first = torch.tensor([[8.0, 16.0, 23.0, 31.0]])
    second = torch.tensor([[40.0, 40.0, 47.0, 47.0]])
    mask = box_mask(first, 64, 16)[0]
    assert mask[4:9, 2:7].all() and mask.sum() == 25  # x 2 to 5.75 + 1, y 4 to 7.75 + 1
    both = box_mask(torch.stack([first, second], dim=1), 64, 16)[0]
    assert torch.equal(both, torch.maximum(mask, box_mask(second, 64, 16)[0]))
    assert box_mask(torch.tensor([[-50.0, -50.0, 200.0, 200.0]]), 64, 16).eq(1).all()
    assert box_mask(torch.tensor([[100.0, 100.0, 120.0, 120.0]]), 64, 16).sum() == 0
