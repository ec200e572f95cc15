"""Candidate motions of regions."""

from __future__ import annotations

import torch

from dawn.models.flow import candidate_motions
from dawn.models.warping import coordinate_grid
from tests.support.networks import smooth_images, tiny_lfg


def test_equal_regions_give_the_identity_grid() -> None:
    regions = tiny_lfg().eval().regions(smooth_images(0, 2))
    background = torch.eye(2, 3).expand(2, 2, 3)
    grid = coordinate_grid(8, 8, background)
    motions = candidate_motions(regions, regions, background, grid)
    torch.testing.assert_close(motions, grid.expand(2, 11, 8, 8, 2), rtol=1e-4, atol=1e-4)


def test_a_shifted_region_samples_its_unshifted_position() -> None:
    at = tiny_lfg().eval().regions(smooth_images(0, 1))
    step = torch.tensor([0.25, -0.5])
    there = at._replace(shift=at.shift + step)
    grid = coordinate_grid(8, 8, at.shift)
    motions = candidate_motions(at, there, torch.eye(2, 3)[None], grid)
    torch.testing.assert_close(motions[:, 1:], (grid - step).expand(1, 10, 8, 8, 2), rtol=1e-4, atol=1e-4)
