"""The square around a face, and its crop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawn.config import FACE_HEIGHT
from dawn.errors import InputError
from dawn.media.framing import FACE_CENTRE, crop, crop_box

boxes = st.tuples(*(st.floats(-300, 300) for _ in range(2)), *(st.floats(5, 200) for _ in range(2)))


@given(st.lists(boxes, min_size=1, max_size=1), st.sampled_from([0.2, FACE_HEIGHT, 0.85]))
def test_a_single_box_is_framed_exactly(raw: list[tuple[float, float, float, float]], face_height: float) -> None:
    x, y, width, height = raw[0]
    width = min(width, height / face_height)
    x0, y0, x1, y1 = crop_box(np.array([[x, y, x + width, y + height]]), face_height)
    assert x1 - x0 == pytest.approx(y1 - y0)
    assert height / (y1 - y0) == pytest.approx(face_height)
    assert (x + width / 2 - x0) / (x1 - x0) == pytest.approx(FACE_CENTRE[0])
    assert (y + height / 2 - y0) / (y1 - y0) == pytest.approx(FACE_CENTRE[1])


@given(st.lists(st.tuples(st.floats(0, 60), st.floats(0, 60)), min_size=1, max_size=18))
def test_a_moving_head_stays_inside(corners: list[tuple[float, float]]) -> None:
    track = np.array([(x, y, x + 50, y + 60) for x, y in corners])
    x0, y0, x1, y1 = crop_box(np.concatenate([track] * 20), FACE_HEIGHT)  # repeated, so that no frame is an outlier
    low, high = np.percentile(track[:, :2], 5, axis=0), np.percentile(track[:, 2:], 95, axis=0)
    assert x0 <= low[0] + 1e-6 and y0 <= low[1] + 1e-6 and x1 >= high[0] - 1e-6 and y1 >= high[1] - 1e-6


def test_a_crop_beyond_the_frame_repeats_its_edge() -> None:
    frame = np.zeros((20, 20, 3), np.uint8)
    frame[:, -1] = 200
    cropped = crop(frame, (10.0, 0.0, 30.0, 20.0), 20)
    assert cropped.shape == (20, 20, 3)
    assert (cropped[:, 10:] == 200).all() and (cropped[:, :8] == 0).all()
    with pytest.raises(InputError, match="outside"):
        crop(frame, (40.0, 40.0, 60.0, 60.0), 20)
