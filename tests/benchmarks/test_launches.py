"""Operations of a pass as a GPU runs it: a bound that holds without a GPU."""

from __future__ import annotations

import pytest
import torch

from benchmarks.launches import launches


@pytest.mark.parametrize(("frames", "bound"), [(1, 870), (200, 910), (1500, 1060)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_pass_has_few_operations_at_any_length(frames: int, bound: int, dtype: torch.dtype) -> None:
    """The loop over frames of an earlier form took 8,957 at 200 frames."""
    counts = launches(frames, dtype)
    assert 500 < counts.total() <= bound
    assert counts["convolution"] == 47 and counts["scaled_dot_product_attention"] >= 11
