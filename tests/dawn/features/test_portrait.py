"""Portraits of any kind, cropped as the clips are framed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from dawn.config import FACE_HEIGHT, parse
from dawn.errors import InputError
from dawn.features.landmarks import FaceLandmarker
from dawn.features.portrait import crop_portrait, find_box
from dawn.features.second_detector import confirm_face
from dawn.generation.inputs import read_source
from dawn.media.image import read_image

PORTRAITS = (
    "anime_dawn_female2.jpeg",
    "painting_monalisa_512.jpg",
    "painting_pearl_earring.jpg",
    "photo_bw_einstein.jpg",
    "photo_dawn_female1.jpeg",
    "photo_hdtf_RD_Radio51_256.png",
    "photo_nasa_astronaut.png",
    "photo_obama_official.jpg",
    "render3d_boy.jpg",
    "sculpture_hallo5.jpg",
    "sketch_hallo4.jpg",
)


@pytest.mark.parametrize("name", PORTRAITS)
def test_portraits_are_framed_as_clips(static: FaceLandmarker, real: Path, name: str) -> None:
    crop = crop_portrait(read_image(real / "portraits" / name), 128, FACE_HEIGHT, landmarker=static, name=name)
    assert crop.shape == (128, 128, 3) and crop.dtype == np.uint8
    box = find_box(static, crop)
    assert box is not None
    x0, y0, x1, y1 = (value / 128 for value in box)
    assert y1 - y0 == pytest.approx(0.58, abs=0.05)
    assert (x0 + x1) / 2 == pytest.approx(0.5, abs=0.05) and (y0 + y1) / 2 == pytest.approx(0.56, abs=0.05)


@pytest.mark.parametrize("face_height", [0.3, 0.8])
def test_the_setting_of_the_corpus_frames_portraits(static: FaceLandmarker, real: Path, face_height: float) -> None:
    config = parse({"corpus": {"kind": "folder", "resolution": 256, "face_height": face_height}})
    source = read_source(real / "portraits" / "photo_nasa_astronaut.png", config)
    y0, y1 = source.face_box[[1, 3]] / 256
    assert y1 - y0 == pytest.approx(face_height, abs=0.05) and (y0 + y1) / 2 == pytest.approx(0.56, abs=0.05)


@pytest.mark.parametrize("side", [1024, 512, 256, 128, 64])
def test_a_dog_is_no_portrait(static: FaceLandmarker, real: Path, side: int) -> None:
    dog = cv2.resize(read_image(real / "portraits" / "negative_dog.jpg"), (side, side), interpolation=cv2.INTER_AREA)
    for image in (dog, np.ascontiguousarray(dog[:, ::-1]), (dog * 0.3).astype(np.uint8)):
        with pytest.raises(InputError, match=r"no face found in dog\.jpg"):
            crop_portrait(np.asarray(image, np.uint8), 128, FACE_HEIGHT, landmarker=static, name="dog.jpg")


@pytest.mark.parametrize("side", [512, 256, 128, 64])
@pytest.mark.parametrize("name", PORTRAITS)
def test_portraits_of_any_size_and_light_show_a_person(
    static: FaceLandmarker, real: Path, name: str, side: int
) -> None:
    """The second detector confirms what Face Landmarker finds."""
    image = read_image(real / "portraits" / name)
    scale = side / max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for picture in (small, (small * 0.3).astype(np.uint8)):
        box = find_box(static, np.asarray(picture, np.uint8))
        assert box is not None or side < 256  # Face Landmarker finds most of the smaller ones
        if box is not None:
            assert confirm_face(np.asarray(picture, np.uint8), box)


def test_faces_that_fill_the_image_or_are_small_in_it(static: FaceLandmarker, real: Path) -> None:
    tight = read_image(real / "portraits" / "photo_obama_official.jpg")[180:430, 370:612]
    assert crop_portrait(tight, 64, FACE_HEIGHT, landmarker=static).shape == (64, 64, 3)
    scene = np.full((1500, 2000, 3), 120, np.uint8)
    scene[650:1162, 1100:1612] = read_image(real / "portraits" / "photo_nasa_astronaut.png")
    assert static.detect(scene) is None  # the face is too small in the whole image
    crop = crop_portrait(scene, 128, FACE_HEIGHT, landmarker=static)
    box = find_box(static, crop)
    assert box is not None and (box[3] - box[1]) / 128 == pytest.approx(0.58, abs=0.05)


@pytest.mark.parametrize("shape", [(10, 20000), (9000, 17000), (20000, 1)])
def test_images_of_extreme_sizes_are_searched_with_a_margin(static: FaceLandmarker, shape: tuple[int, int]) -> None:
    """A margin of half the longer side would take gigabytes, more than the detector can address."""
    with pytest.raises(InputError, match="no face found in the image"):
        crop_portrait(np.full((*shape, 3), 128, np.uint8), 64, FACE_HEIGHT, landmarker=static)
