"""Second face detector, YuNet (Wu et al. 2023), which confirms that landmarks lie on a person's face."""

from __future__ import annotations

import functools
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dawn.config import FACE_HEIGHT
from dawn.media.framing import Box, crop, crop_box
from dawn.weights import verified

READS = ("weights/yunet_n_640_640.onnx",)  # face-detector of dawn/weights.yaml

# Side of the crop, pixels, and the score from which it shows a person. On 320 crops of people (real clips, portraits,
# drawn people; also dark, grey, blurred, turned by 20 degrees, at JPEG quality 10) the least score is 0.86, with the
# lower third of the picture painted over or with strong noise 0.62; a dog in which Face Landmarker finds all landmarks
# has 0.42 at most. In larger crops the dog comes as close as 0.88.
_SIDE = 96
_MIN_SCORE = 0.55


def confirm_face(frame: NDArray[np.uint8], box: Box) -> bool:
    """Return whether YuNet detects a face in the square around the landmark box `box` of an RGB frame (H, W, 3).

    The square has the default ``corpus.face_height``, for which the score was measured.
    """
    square = crop_box(np.array([box]), FACE_HEIGHT)
    margin = _SIDE // 2  # a detector misses faces that fill the image
    padded = np.pad(crop(frame, square, _SIDE), ((margin, margin), (margin, margin), (0, 0)))
    _, faces = _detector().detect(np.ascontiguousarray(padded[..., ::-1]))
    return faces is not None


@functools.cache
def _detector() -> Any:
    return cv2.FaceDetectorYN.create(str(verified("face-detector").path), "", (2 * _SIDE, 2 * _SIDE), _MIN_SCORE)
