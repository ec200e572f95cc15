"""Operations of a pass and of a training step as a GPU runs them: bounds that hold without a GPU."""

from __future__ import annotations

import pytest
import torch

from benchmarks.launches import launches, training_step


@pytest.mark.parametrize(("frames", "bound"), [(1, 870), (200, 910), (1500, 1060)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_pass_has_few_operations_at_any_length(frames: int, bound: int, dtype: torch.dtype) -> None:
    """The loop over frames of an earlier form took 8,957 at 200 frames."""
    counts = launches(frames, dtype)
    assert 500 < counts.total() <= bound
    assert counts["convolution"] == 47 and counts["scaled_dot_product_attention"] >= 11


@pytest.mark.parametrize(("clips", "frames", "bound"), [(20, 20, 10), (40, 35, 32)])
def test_a_step_has_few_operations_and_keeps_little(clips: int, frames: int, bound: float) -> None:
    """`bound`: GiB in bfloat16. An earlier form took 6,952 operations, and kept 39 GiB of a batch of stage 2."""
    counts, kept = training_step(clips, frames, torch.bfloat16)
    assert 3000 < counts.total() <= 5000
    assert 0.5 * bound < kept / 2**30 <= bound
