"""Portrait styles: image filters that are deterministic and keep the features of the face in place."""

from __future__ import annotations

import numpy as np
import pytest

from dawn.generation.styles import STYLES, style_of
from tests.support.pictures import drawn_face


@pytest.mark.parametrize("name", STYLES)
@pytest.mark.parametrize("side", [64, 256])
def test_a_style_changes_the_picture_and_leaves_the_face_where_it_is(name: str, side: int) -> None:
    picture = drawn_face(side)
    made = STYLES[name](picture)
    assert made.shape == picture.shape
    assert made.dtype == np.uint8
    assert np.array_equal(made, STYLES[name](picture))
    assert np.abs(made.astype(int) - picture).mean() > 1

    def spread(x: float, y: float) -> float:
        reach = 0.08 * side
        rows, columns = (slice(int(c * side - reach), int(c * side + reach)) for c in (y, x))
        return float(made[rows, columns].mean(-1).std())

    assert spread(0.38, 0.42) > 3 * spread(0.3, 0.57)  # the eye is drawn where it was, and nothing on the cheek


def test_every_style_has_its_turn() -> None:
    assert [style_of(i) for i in range(4)] == ["painting", "sketch", "cartoon", "painting"]
