"""dlib's face embedding and the rectangle that it is computed from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from dawn.errors import InputError
from dawn.features.identity import face_rectangle
from dawn.features.landmarks import FaceLandmarker
from dawn.media.image import read_image
from eval.backbones import dlib_face


def test_faces_of_one_person_are_nearer_than_those_of_two(real: Path) -> None:
    images = [read_image(real / "portraits" / name) for name in ("photo_nasa_astronaut.png", "photo_dawn_female1.jpeg")]
    images = [cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA) for image in images]
    images.append(np.ascontiguousarray(images[0][:, ::-1]))
    landmarks = []
    for image in images:
        with FaceLandmarker(256, static=True) as landmarker:
            face = landmarker.detect(image)
        assert face is not None
        landmarks.append(face.landmarks)
    net = dlib_face.DlibFace()
    one, other, mirrored = net(np.stack(images), np.stack(landmarks))
    assert np.linalg.norm(one - mirrored) < 0.5
    assert np.linalg.norm(one - other) > 0.6
    nothing = net(np.stack(images[:1]), np.full((1, 68, 2), np.nan))
    assert np.isnan(nothing).all()
    with pytest.raises(InputError):
        net(np.stack(images), np.stack(landmarks)[:1])


def test_face_rectangle_is_a_square_around_the_landmarks() -> None:
    landmarks = np.random.default_rng(0).uniform([10, 20], [50, 40], (68, 2))
    left, top, right, bottom = face_rectangle(landmarks)
    assert right - left == pytest.approx(bottom - top)
    assert left <= landmarks[:, 0].min() + 1e-9
    assert bottom >= landmarks[:, 1].max() - 1e-9
