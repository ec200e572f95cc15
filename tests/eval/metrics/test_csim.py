"""Similarity of identities: the canonical cosine, paired frames, and frames without a face."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dawn.errors import InputError
from eval.backbones import arcface
from eval.metrics.csim import csim
from tests.support import canonical


@pytest.mark.parametrize("name", canonical.names("csim"))
def test_canonical_similarity_and_alignment(name: str) -> None:
    with canonical.case(name) as (_, case):
        one = canonical.normal(91, 512)
        other = one + 0.5 * canonical.normal(92, 512)
        assert csim(one[None], other[None]).csim == pytest.approx(case["cos"], rel=1e-12)
        assert arcface.similarity_matrix(np.asarray(case["kps"])) == pytest.approx(np.asarray(case["M_112"]), abs=1e-5)


def test_similarity_compares_paired_frames() -> None:
    frames = np.random.default_rng(0).normal(size=(6, 128))
    assert csim(frames, frames).csim == pytest.approx(1.0)
    assert csim(frames, frames[::-1]).csim < 0.5


def test_similarity_reports_frames_without_a_face() -> None:
    frames = np.random.default_rng(0).normal(size=(4, 8))
    lost = frames.copy()
    lost[1] = np.nan
    got = csim(frames, lost[:3])
    assert (got.compared, got.failed) == (2, 1)
    assert got.csim == pytest.approx(1.0)
    assert math.isnan(csim(frames, np.full((4, 8), np.nan)).csim)
    with pytest.raises(InputError):
        csim(frames, frames[:, :5])


def test_similarity_without_paired_frames_is_undefined() -> None:
    none = csim(np.empty((0, 512)), np.empty((0, 512)))
    assert np.isnan(none.csim) and (none.compared, none.failed) == (0, 0)
