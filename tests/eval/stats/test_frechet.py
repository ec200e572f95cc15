"""Fréchet distance and its moments: closed forms, canonical numbers, laws, refused inputs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawn.errors import InputError
from eval.stats.frechet import Moments, Reference, frechet, frechet_of_moments
from eval.stats.kid import kid
from tests.support import canonical

SUITES = 2e-6  # how far the canonical distances are from the exact ones where samples are few


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_moments_in_parts_are_those_of_the_whole(offset: float) -> None:
    x = np.random.default_rng(0).normal(size=(5000, 20)) + offset
    moments = Moments()
    for part in np.split(x, [1, 7, 7, 3000]):
        moments.add(part)
    assert moments.count == 5000
    centred = x - x.mean(axis=0)
    assert moments.mean() == pytest.approx(x.mean(axis=0), rel=1e-12, abs=1e-14)
    for ddof in (0, 1):
        assert np.abs(moments.covariance(ddof) - centred.T @ centred / (5000 - ddof)).max() < 1e-12


def test_moments_of_too_few_or_unequal_features_are_refused() -> None:
    moments = Moments()
    with pytest.raises(InputError, match="no features"):
        moments.mean()
    moments.add(np.ones((1, 3)))
    with pytest.raises(InputError, match="two features"):
        moments.covariance()
    with pytest.raises(InputError, match=r"\(n, 3\)"):
        moments.add(np.ones((4, 2)))
    with pytest.raises(InputError, match="non-finite"):
        moments.add(np.full((1, 3), np.inf))


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 8), st.integers(0, 10**6))
def test_distance_is_symmetric_and_does_not_depend_on_rotation_and_shift(n: int, m: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, d)), rng.normal(size=(m, d)) + 0.5
    value = frechet(x, y)
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    assert value >= 0
    assert frechet(y, x) == pytest.approx(value, rel=1e-8, abs=1e-10)
    assert frechet(x @ rotation + 3, y @ rotation + 3) == pytest.approx(value, rel=1e-8, abs=1e-10)
    assert frechet(x, x) == pytest.approx(0, abs=1e-10)
    assert frechet(x, x + 1) == pytest.approx(d, rel=1e-9)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.zeros(5), np.zeros(5)),
        (np.zeros((1, 4)), np.zeros((5, 4))),
        (np.zeros((5, 4)), np.zeros((5, 3))),
        (np.full((3, 2), np.nan), np.zeros((3, 2))),
        (np.zeros((2, 3, 4)), np.zeros((2, 3, 4))),
    ],
)
def test_bad_features_are_refused(x: np.ndarray, y: np.ndarray) -> None:
    with pytest.raises(InputError):
        frechet(x, y)


def test_bad_moments_are_refused() -> None:
    with pytest.raises(InputError, match="unequal shapes"):
        frechet_of_moments([0, 0], np.eye(2), [0, 0], np.eye(3))


@pytest.mark.parametrize("name", canonical.names("frechet_closed_form"))
def test_canonical_closed_forms(name: str) -> None:
    with canonical.case(name) as (label, case):
        got = frechet_of_moments(case["mu1"], case["sigma1"], case["mu2"], case["sigma2"])
        assert got == pytest.approx(case["fd"], rel=1e-10, abs=1e-12)
        for suite in ("pytorch_fid", "clean_fid", "torch_fidelity"):
            if isinstance(case[suite], str):  # scipy's root of one number has another form than these suites expect
                assert label == "1d"
            else:
                assert got == pytest.approx(case[suite], abs=SUITES)


@pytest.mark.parametrize("name", canonical.names("frechet_features"))
def test_canonical_distances_of_features(name: str) -> None:
    with canonical.case(name) as (label, case):
        seed = {"N>D": 11, "N<D": 12, "N<D_unequal": 13, "N=2": 14}[label]
        n, m, d = case["N"], case["M"], case["D"]
        x = canonical.normal(seed, n, d) * np.linspace(0.2, 2, d) + 1.0
        y = canonical.normal(100 + seed, m, d) * np.linspace(0.3, 1.5, d) + 1.2
        got = [frechet(x, y, ddof) for ddof in (0, 1)]
        for ddof in (0, 1):
            assert got[ddof] == pytest.approx(case[f"fd_exact_ddof{ddof}"], rel=1e-10)
            moments = Moments()
            moments.add(x)
            assert Reference(moments.mean(), moments.covariance(ddof)).distance(y, ddof) == pytest.approx(got[ddof])
        for suite in ("pytorch_fid", "clean_fid", "torch_fidelity", "fvd_comparison_ddof1", "videogpt_f64"):
            assert got[1] == pytest.approx(case[suite], abs=SUITES)
        assert got[1] == pytest.approx(case["videogpt_f32"], rel=1e-4)
        assert got[0] == pytest.approx(case["styleganv_ddof0_f32inputs"], abs=SUITES)


def test_distances_refuse_features_of_unequal_shapes() -> None:
    good = np.random.default_rng(0).normal(size=(4, 2048))
    assert frechet(good, good) == pytest.approx(0, abs=1e-6)
    for bad in (good[:, :100], good.ravel(), good[:1]):
        with pytest.raises(InputError):
            frechet(good, bad)
    with pytest.raises(InputError):
        kid(good, good[:, :5])
