"""Face detection in an image of any size and kind, and its crop as the clips are framed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dawn.errors import InputError
from dawn.features.boxes import face_box
from dawn.features.landmarks import FaceMesh, confirm_face
from dawn.media.framing import Box, crop, crop_box

_CONFIRM_SIDE = 256  # pixels of the crop that the second detector gets


def find_box(mesh: FaceMesh, frame: NDArray[np.uint8]) -> Box | None:
    """Box x0, y0, x1, y1 around the 68 landmarks of the largest face in a frame (H, W, 3), pixels, or None."""
    face = mesh.detect(frame)
    if face is None:
        return None
    x0, y0, x1, y1 = face_box(face.landmarks).tolist()
    return x0, y0, x1, y1


class ConfirmedBoxes:
    """:func:`find_box` for the frames of one video; a second detector runs until it finds a face in one of them."""

    def __init__(self, mesh: FaceMesh) -> None:
        self._mesh = mesh
        self._confirmed = False
        self._detected = False

    @property
    def unconfirmed(self) -> bool:
        """True if boxes were detected, and the second detector found a face in none of these frames."""
        return self._detected and not self._confirmed

    def __call__(self, frame: NDArray[np.uint8]) -> Box | None:
        """See :func:`find_box`."""
        box = find_box(self._mesh, frame)
        if box is not None and not self._confirmed:
            self._detected = True
            self._confirmed = confirm_face(crop(frame, crop_box(np.array([box])), _CONFIRM_SIDE))
        return box


def crop_portrait(
    image: NDArray[np.uint8], resolution: int, *, mesh: FaceMesh, name: str = "the image"
) -> NDArray[np.uint8]:
    """The face of an image uint8 (H, W, 3) as uint8 (resolution, resolution, 3), framed as the clips are.

    `mesh` must be static. The image is searched whole, then with a margin for faces that fill it, then in ever smaller
    overlapping parts for small faces; the largest face of the first search with a detection is cropped. A second
    detector must confirm it, because Face Mesh alone finds landmarks in dogs. Raises InputError, naming `name`, when
    there is no face.
    """
    for parts in _searches(image):
        boxes = []
        for part, left, top in parts:
            box = find_box(mesh, part)
            if box is not None:
                boxes.append((box[0] + left, box[1] + top, box[2] + left, box[3] + top))
        for box in sorted(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), reverse=True):
            square = crop_box(np.array([box]))
            if confirm_face(crop(image, square, _CONFIRM_SIDE)):
                return crop(image, square, resolution)
    raise InputError(f"no face found in {name}; give a picture of one person whose face is well visible")


_Part = tuple[NDArray[np.uint8], int, int]  # pixels, left, top


def _searches(image: NDArray[np.uint8]) -> Iterator[list[_Part]]:
    """Parts of the image for one search after the other."""
    height, width = image.shape[:2]
    yield [(image, 0, 0)]
    margin = max(height, width) // 2
    yield [(np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge"), -margin, -margin)]
    for fraction in (2, 4):
        side = max(height, width) // fraction
        if side < 64:
            return
        yield [
            (np.ascontiguousarray(image[top : top + side, left : left + side]), left, top)
            for top in _starts(height, side)
            for left in _starts(width, side)
        ]


def _starts(length: int, side: int) -> list[int]:
    """Starts of parts of `side` pixels that cover `length` and overlap by half or more."""
    if length <= side:
        return [0]
    count = int(np.ceil(2 * (length - side) / side)) + 1
    return [round(start) for start in np.linspace(0, length - side, count)]
