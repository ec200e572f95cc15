"""Anti-aliased reduction and aligned sampling."""

from __future__ import annotations

import torch

from dawn.models.warping import AntiAlias, coordinate_grid, resize, warp
from tests.support.networks import smooth_images


def test_anti_alias_sizes_and_mean() -> None:
    for scale, size in ((0.5, 5), (0.25, 13), (0.125, 29)):
        down = AntiAlias(scale)
        assert down.weight.shape == (3, 1, size, size)
        flat = down(torch.ones(1, 3, 128, 128))
        assert flat.shape[-1] == 128 * scale
        middle = slice(flat.shape[-1] // 2 - 1, flat.shape[-1] // 2 + 1)
        torch.testing.assert_close(flat[..., middle, middle], torch.ones(1, 3, 2, 2))


def test_aligned_sampling_of_the_identity_grid_is_no_motion() -> None:
    picture = smooth_images(0, 2)
    side = picture.shape[-1]
    small = coordinate_grid(side // 4, side // 4, picture).permute(2, 0, 1).expand(2, -1, -1, -1)
    grid = resize(small, side, aligned=True).permute(0, 2, 3, 1)
    torch.testing.assert_close(warp(picture, grid, aligned=True), picture, rtol=0, atol=1e-5)
    published = warp(picture, resize(small, side).permute(0, 2, 3, 1))
    assert (published - picture).abs().mean() > 0.05


def test_aligned_sampling_continues_the_border_of_the_picture() -> None:
    picture = torch.rand(1, 2, 8, 8, generator=torch.Generator().manual_seed(0)) + 0.5
    aside = coordinate_grid(8, 8, picture)[None] + torch.tensor([0.75, 0.0])
    moved = warp(picture, aside, aligned=True)
    torch.testing.assert_close(moved[..., -2:], picture[..., -1:].expand(-1, -1, -1, 2))
    assert not warp(picture, aside)[..., -1:].any()  # as published
