"""Face detection in an image of any size and kind, and the crop of its face as in the clips."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.config import Features
from dawn.errors import InputError
from dawn.features.boxes import face_box
from dawn.features.extractors import Extractor, FaceObservation
from dawn.features.landmarks import FaceLandmarker
from dawn.features.second_detector import confirm_face
from dawn.media.framing import Box, crop, crop_box


def find_box(landmarker: FaceLandmarker, frame: NDArray[np.uint8]) -> Box | None:
    """Compute the box x0, y0, x1, y1, pixels, around the 68 landmarks of the largest face in a frame (H, W, 3).

    Returns None without a face.
    """
    face = landmarker.detect(frame)
    if face is None:
        return None
    x0, y0, x1, y1 = face_box(face.landmarks).tolist()
    return x0, y0, x1, y1


class ConfirmedBoxes:
    """Callable :func:`find_box` for the frames of one video; a second detector runs until it has confirmed one face."""

    def __init__(self, landmarker: FaceLandmarker) -> None:
        self._landmarker = landmarker
        self._confirmed = False
        self._detected = False

    @property
    def unconfirmed(self) -> bool:
        """Whether boxes were detected, and the second detector found a face in none of these frames."""
        return self._detected and not self._confirmed

    def __call__(self, frame: NDArray[np.uint8]) -> Box | None:
        """See :func:`find_box`."""
        box = find_box(self._landmarker, frame)
        if box is not None and not self._confirmed:
            self._detected = True
            self._confirmed = confirm_face(frame, box)
        return box


def crop_portrait(
    image: NDArray[np.uint8],
    resolution: int,
    face_height: float,
    *,
    landmarker: FaceLandmarker,
    name: str = "the image",
) -> NDArray[np.uint8]:
    """Crop the face of an image uint8 (H, W, 3) to uint8 (resolution, resolution, 3), framed as in the clips.

    The face is `face_height` of the crop high. `landmarker` must be static. The search covers the whole image, then the
    image with a margin for faces that fill it, then ever smaller overlapping parts for small faces; the largest face of
    the first search with a confirmed detection is cropped. A second detector must confirm it, because Face Landmarker
    alone finds landmarks in dogs. Raises InputError, naming `name`, when there is no face.
    """
    for parts in _searches(image):
        boxes = []
        for part, left, top, scale in parts:
            box = find_box(landmarker, part)
            if box is not None:
                x0, y0, x1, y1 = (scale * edge for edge in box)
                boxes.append((x0 + left, y0 + top, x1 + left, y1 + top))
        for box in sorted(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), reverse=True):
            if confirm_face(image, box):
                return crop(image, crop_box(np.array([box]), face_height), resolution)
    raise InputError(f"no face found in {name}; give a picture of one person whose face is well visible")


def observe_portrait(
    image: NDArray[np.uint8], resolution: int, face_height: float, features: Features, name: str
) -> tuple[NDArray[np.uint8], FaceObservation]:
    """Crop the face of an image as :func:`crop_portrait`, and detect it in the crop.

    Raises InputError, naming `name`, when there is no face, and when it is not found again at `resolution`.
    """
    with Extractor(features, static=True) as extractor:
        cropped = crop_portrait(image, resolution, face_height, landmarker=extractor.landmarker, name=name)
        face = next(extractor.detect([cropped]))
    if face is None:
        raise InputError(f"{name}: the face is lost at {resolution} x {resolution} pixels; use a clearer portrait")
    return cropped, face


_Part = tuple[NDArray[np.uint8], int, int, float]  # pixels, left and top in the image, image pixels of one of them
_MARGINED = 1024  # longest side, pixels, of the image that is searched with a margin: a face that fills it is large


def _searches(image: NDArray[np.uint8]) -> Iterator[list[_Part]]:
    """Yield the parts of the image that each successive search covers."""
    height, width = image.shape[:2]
    yield [(image, 0, 0, 1.0)]
    margin, scale = max(height, width) // 2, max(1.0, max(height, width) / _MARGINED)
    small = image
    if scale > 1:
        size = (max(1, round(width / scale)), max(1, round(height / scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    around = round(margin / scale)
    padded = np.pad(small, ((around, around), (around, around), (0, 0)), mode="edge")
    yield [(padded, -margin, -margin, scale)]
    for fraction in (2, 4):
        side = max(height, width) // fraction
        if side < 64:
            return
        yield [
            (np.ascontiguousarray(image[top : top + side, left : left + side]), left, top, 1.0)
            for top in _starts(height, side)
            for left in _starts(width, side)
        ]


def _starts(length: int, side: int) -> list[int]:
    """Compute the starts of parts of `side` pixels that cover `length` and overlap by half or more."""
    if length <= side:
        return [0]
    count = int(np.ceil(2 * (length - side) / side)) + 1
    return [round(start) for start in np.linspace(0, length - side, count)]
