"""Regions: principal axes and moments against general algorithms, and their gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dawn.models.flow import gaussians
from dawn.models.regions import POINT, inverse, moments, principal_axes
from dawn.models.warping import coordinate_grid


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6))
def test_principal_axes_give_the_flow_of_an_svd(seed: int) -> None:
    """The linear part of a region's motion, from our axes and from LAPACK's, for two random covariances."""
    factor = np.random.default_rng(seed).normal(size=(2, 2, 2))
    covar = torch.from_numpy(factor @ factor.swapaxes(1, 2)) * 0.05 + 1e-4 * torch.eye(2)
    ours = principal_axes(covar)
    torch.testing.assert_close(ours @ ours.mT, covar)
    assert (torch.linalg.det(ours) < 0).all() and (ours.square().sum(-2).diff(dim=-1) <= 0).all()
    u, s, _ = torch.linalg.svd(covar)
    u = u * torch.where(torch.linalg.det(u) > 0, -1.0, 1.0)[:, None, None] ** torch.tensor([0, 1])
    theirs = u * s.sqrt()[:, None]
    changes = []
    for axes in (ours, theirs):
        change = axes[0] @ torch.linalg.inv(axes[1])
        changes.append(change * change[0, 0].sign())
    torch.testing.assert_close(changes[0], changes[1], rtol=1e-6, atol=1e-7)


def test_gradient_of_principal_axes() -> None:
    factor = torch.randn(6, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    elongated = (factor @ factor.mT + torch.diag(torch.tensor([2.0, 0.1]))).requires_grad_()
    assert torch.autograd.gradcheck(lambda c: principal_axes((c + c.mT) / 2), elongated, rtol=1e-4)


@pytest.mark.parametrize("variance", [0.0, POINT, 0.01, 0.3])
def test_gradient_is_finite_where_axes_are_undefined(variance: float) -> None:
    covar = (variance * torch.eye(2)).expand(3, 2, 2).clone().requires_grad_()
    axes = principal_axes(covar)
    assert torch.isfinite(axes).all()
    (axes * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert covar.grad is not None and torch.isfinite(covar.grad).all() and covar.grad.abs().max() < 1e4


def test_a_heat_map_of_one_pixel_has_finite_axes() -> None:
    heatmap = torch.zeros(1, 1, 8, 8)
    heatmap[..., 2, 3] = 1
    grid = coordinate_grid(8, 8, heatmap)
    shift, covar = moments(heatmap, grid)
    torch.testing.assert_close(shift[0, 0], grid[2, 3])
    torch.testing.assert_close(covar[0, 0], POINT * torch.eye(2))
    bump = gaussians(shift, covar, grid)
    torch.testing.assert_close(bump, heatmap)
    assert torch.isfinite(inverse(principal_axes(covar))).all()


def test_moments_are_those_of_the_heat_map() -> None:
    rng = np.random.default_rng(0)
    heatmap = rng.random((2, 3, 4, 5))
    heatmap /= heatmap.sum((-2, -1), keepdims=True)
    grid = coordinate_grid(4, 5, torch.zeros(0, dtype=torch.float64))
    shift, covar = moments(torch.from_numpy(heatmap), grid)
    positions = grid.flatten(0, 1).numpy()
    for b, k in np.ndindex(2, 3):
        weights = heatmap[b, k].ravel()
        np.testing.assert_allclose(shift[b, k].numpy(), np.average(positions, axis=0, weights=weights))
        expected = np.cov(positions.T, aweights=weights, ddof=0)
        np.testing.assert_allclose(covar[b, k].numpy(), expected, atol=1e-12)
