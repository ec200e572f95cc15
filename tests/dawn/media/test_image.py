"""Reading of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dawn.errors import InputError
from dawn.media.image import as_rgb, read_image


def test_images_of_all_modes_become_rgb(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 32).astype(np.uint8), (16, 1))
    Image.fromarray(ramp).save(tmp_path / "gray.png")
    Image.fromarray(ramp.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    for name in ("gray.png", "deep.png"):
        assert np.array_equal(read_image(tmp_path / name), np.repeat(ramp[..., None], 3, 2)), name
    clear = np.zeros((16, 32, 4), np.uint8)
    clear[:, 16:] = [200, 10, 10, 255]
    Image.fromarray(clear).save(tmp_path / "clear.png")
    composited = read_image(tmp_path / "clear.png")
    assert composited[0, 0].tolist() == [255, 255, 255] and composited[0, 20].tolist() == [200, 10, 10]
    Image.new("CMYK", (32, 16), (0, 255, 255, 0)).save(tmp_path / "ink.jpg")
    red, green, blue = read_image(tmp_path / "ink.jpg")[8, 16].tolist()
    assert red > 200 and green < 60 and blue < 60


def test_image_is_rotated_by_exif(tmp_path: Path) -> None:
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, :16] = 250
    exif = Image.Exif()
    exif[0x0112] = 6  # displayed after a quarter turn clockwise
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    rotated = read_image(tmp_path / "a.png")
    assert rotated.shape == (32, 16, 3)
    assert rotated[4].mean() > 200 and rotated[28].mean() < 50


def test_a_closed_image_is_an_input_error() -> None:
    image = Image.new("RGB", (4, 4))
    image.close()
    with pytest.raises(InputError, match="image is closed or damaged"):
        as_rgb(image)


def test_unusable_images_are_input_errors(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no picture")
    Image.new("RGB", (64, 64), "red").save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:80])
    for name, message in {
        "empty.png": "empty",
        "text.png": "not an image",
        "cut.png": "damaged",
        "no.png": "no such",
    }.items():
        with pytest.raises(InputError, match=message):
            read_image(tmp_path / name)
