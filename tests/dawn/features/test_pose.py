"""Head pose from the head's transform."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dawn.features.landmarks import FaceLandmarker
from dawn.features.pose import head_pose
from dawn.media.image import read_image
from tests.support.heads import head_rotation


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-80, 80), st.floats(-80, 80), st.floats(-80, 80), st.floats(0.1, 1.5), st.floats(0, 1), st.floats(0, 1)
)
def test_pose_of_a_known_head(yaw: float, pitch: float, roll: float, scale: float, tx: float, ty: float) -> None:
    """The transform is made from the pinhole camera: 63 degrees from the bottom of the frame to its top."""
    width, height = 200, 160
    distance = 17.67 / scale / (2 * np.tan(np.radians(63) / 2))  # at which the head is `scale` frames high
    centimetres_a_pixel = 17.67 / scale / height
    transform = np.eye(4, dtype=np.float32)
    transform[:3, :3] = head_rotation(yaw, pitch, roll)
    transform[:3, 3] = (tx - 0.5) * width * centimetres_a_pixel, (0.5 - ty) * height * centimetres_a_pixel, -distance
    pose = head_pose(transform, width, height)
    assert np.allclose(pose[:3], [yaw, pitch, roll], atol=0.01)
    assert np.allclose(pose[3:], [scale, tx, ty], atol=1e-4)


def test_pose_takes_any_leading_shape() -> None:
    transforms = np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32)
    batched = head_pose(transforms, 64, 64)
    assert batched.shape == (2, 3, 6)
    assert np.array_equal(batched[1, 2], head_pose(transforms[1, 2], 64, 64))


def test_published_signs(static: FaceLandmarker, real: Path) -> None:
    """The girl with a pearl earring looks to image left; her head leans clockwise."""
    image = read_image(real / "portraits" / "painting_pearl_earring.jpg")
    face = static.detect(image)
    assert face is not None
    yaw, _, roll, *_ = head_pose(face.transform, image.shape[1], image.shape[0])
    assert yaw > 20 and roll < -5


def test_a_moved_picture_moves_the_pose_alone(static: FaceLandmarker, speaker: NDArray[np.uint8]) -> None:
    """The speaker's frame inside larger ones: position and scale follow; the angles stay, up to the perspective."""
    poses = {}
    for left, top, width, height in ((0, 0, 256, 256), (80, 0, 336, 256), (0, 60, 256, 316), (128, 128, 512, 512)):
        canvas = np.full((height, width, 3), 110, np.uint8)
        canvas[top : top + 256, left : left + 256] = speaker[0]
        face = static.detect(canvas)
        assert face is not None
        poses[left, top] = head_pose(face.transform, width, height) * [1, 1, 1, height, width, height]
    reference = poses.pop((0, 0))
    for (left, top), pose in poses.items():
        assert pose[3] == pytest.approx(reference[3], rel=0.08)
        assert pose[4] - left == pytest.approx(reference[4], abs=6)
        assert pose[5] - top == pytest.approx(reference[5], abs=12)
        assert np.abs(pose[:3] - reference[:3]).max() < 10
