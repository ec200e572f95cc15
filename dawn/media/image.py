"""Reading of image files of any kind as RGB pixels, and writing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from dawn.errors import InputError
from dawn.media.files import atomic_path


def read_image(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read an image file as RGB uint8 (H, W, 3).

    It is rotated by its EXIF tag; transparency is composited over white; grayscale, palette, CMYK and 16-bit files are
    converted; of an animation the first frame is read. Raises InputError when the file is missing or no image.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give an image")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; give an image")
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            return as_rgb(image)
    except Image.DecompressionBombError:
        raise InputError(f"{path}: too large to open safely; give a smaller image") from None
    except (OSError, SyntaxError, ValueError):
        raise InputError(f"{path}: not an image, or damaged; give a PNG or JPEG file") from None


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write RGB pixels (H, W, 3) atomically, in the format of the suffix of `path`."""
    with atomic_path(path) as aside:
        Image.fromarray(image).save(aside)


def as_rgb(image: Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert a PIL image or an array to RGB uint8 (H, W, 3) as :func:`read_image` does.

    Raises InputError for an array that is not uint8 (H, W, 3), and for a closed or damaged image.
    """
    if isinstance(image, Image.Image):
        try:
            image.load()
        except (OSError, ValueError):
            raise InputError("image is closed or damaged; give an open one") from None
    else:
        array = np.asarray(image)
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
            raise InputError(f"image array is {array.dtype} {array.shape}; give RGB uint8 (H, W, 3)")
        return np.ascontiguousarray(array)
    if image.mode.startswith("I"):  # 16 bits per pixel; Pillow's conversion clips instead of scaling
        deep = np.asarray(image).astype(np.float64)
        gray = np.rint(np.clip(deep, 0, 65535) / 257).astype(np.uint8)
        return np.repeat(gray[..., None], 3, axis=2)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"), dtype=np.uint8)
