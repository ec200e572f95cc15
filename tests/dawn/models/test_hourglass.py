"""Convolution blocks."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from dawn.models.hourglass import UpBlock


def test_up_block_is_doubling_then_convolution() -> None:
    torch.manual_seed(1)
    block = UpBlock(5, 7).double().eval()
    x = torch.randn(2, 5, 6, 9, dtype=torch.float64)
    expected = F.relu(block.norm(block.conv(F.interpolate(x, scale_factor=2, mode="nearest"))))
    torch.testing.assert_close(block(x), expected)
