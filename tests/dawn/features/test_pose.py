"""Head pose by a fit to the rigid head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dawn.features.landmarks import FaceMesh
from dawn.features.pose import RIGID_HEAD, RIGID_VERTICES, head_pose
from dawn.media.image import read_image
from tests.support.heads import head_rotation


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-80, 80), st.floats(-80, 80), st.floats(-80, 80), st.floats(0.1, 1.5), st.floats(0, 1), st.floats(0, 1)
)
def test_pose_of_a_known_head(yaw: float, pitch: float, roll: float, scale: float, tx: float, ty: float) -> None:
    width, height = 200, 160
    mesh = np.zeros((478, 3), np.float32)
    head = scale * height * RIGID_HEAD @ head_rotation(yaw, pitch, roll).T
    mesh[RIGID_VERTICES] = head * [1, -1, -1] + [tx * width, ty * height, 0]
    pose = head_pose(mesh, width, height)
    assert np.allclose(pose[:3], [yaw, pitch, roll], atol=0.01)
    assert np.allclose(pose[3:], [scale, tx, ty], atol=1e-4)


def test_pose_takes_any_leading_shape() -> None:
    mesh = np.random.default_rng(0).normal(size=(2, 3, 478, 3)).astype(np.float32)
    mesh[..., RIGID_VERTICES, :] += 20 * RIGID_HEAD
    batched = head_pose(mesh, 64, 64)
    assert batched.shape == (2, 3, 6)
    assert np.allclose(batched[1, 2], head_pose(mesh[1, 2], 64, 64), atol=1e-5)


def test_rigid_head_is_symmetric_and_centred() -> None:
    assert np.abs(RIGID_HEAD.mean(0)).max() < 1e-4
    mirrored = {tuple(row) for row in (RIGID_HEAD * [-1, 1, 1] + 0.0).round(4)}
    assert mirrored == {tuple(row) for row in (RIGID_HEAD + 0.0).round(4)}


def test_published_signs(static: FaceMesh, real: Path) -> None:
    """The girl with a pearl earring looks to image left; her head leans clockwise."""
    image = read_image(real / "portraits" / "painting_pearl_earring.jpg")
    face = static.detect(image)
    assert face is not None
    yaw, _, roll, *_ = head_pose(face.mesh, image.shape[1], image.shape[0])
    assert yaw > 20 and roll < -5
