"""The face track that the published lip-sync score is computed on: boxes joined over time, then a steady crop.

The crop decides the score more than anything else. The original keeps only tracks of more than 100 detections whose
faces are larger than 100 pixels, which no short clip and no 128-pixel video has; :data:`SMALL` keeps those.
Shots are not told apart: the boxes of two shots seldom overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.signal import medfilt

from dawn.errors import InputError

OVERLAP = 0.5  # intersection over union of neighbouring boxes, exceeded
GAP = 25  # frames to the next detection at most
CROP_SCALE = 0.4  # the crop reaches this share of the box beyond it
SMOOTHING = 13  # frames of the median filter on size and place
GREY = 110  # outside the frame


@dataclass(frozen=True)
class Rules:
    """What makes a track: more than `detections` of them, a mean side above `side` pixels, after enlarging frames
    whose shorter side is below `enlarge` pixels."""

    name: str
    detections: int
    side: float
    enlarge: int


PUBLISHED = Rules("published", 100, 100, 0)
SMALL = Rules("small", 24, 100, 512)


@dataclass(frozen=True)
class Track:
    """One face from frame `first` on: boxes (n, 4) x0, y0, x1, y1 in pixels, gaps filled linearly."""

    first: int
    boxes: NDArray[np.float64]

    @property
    def last(self) -> int:
        """Its last frame."""
        return self.first + len(self.boxes) - 1


def face_tracks(detections: Sequence[NDArray[np.floating]], rules: Rules = PUBLISHED) -> list[Track]:
    """(K, 4) boxes of each frame in order -> tracks, in the order in which they begin.

    A track goes on with the first box of a frame that overlaps its last one enough; a box belongs to one track.
    """
    left = [[np.asarray(box, np.float64) for box in boxes] for boxes in detections]
    tracks = []
    while any(left):
        frames: list[int] = []
        boxes: list[NDArray[np.float64]] = []
        for frame, found in enumerate(left):
            if boxes and frame - frames[-1] > GAP:
                break
            fits = [k for k, box in enumerate(found) if not boxes or _overlap(box, boxes[-1]) > OVERLAP]
            if fits:
                frames.append(frame)
                boxes.append(found.pop(fits[0]))
        if len(boxes) > rules.detections:
            every = np.arange(frames[0], frames[-1] + 1)
            filled = np.stack([np.interp(every, frames, axis) for axis in np.stack(boxes, axis=1)], axis=1)
            sides = (filled[:, 2:] - filled[:, :2]).mean(axis=0)
            if sides.max() > rules.side:
                tracks.append(Track(frames[0], filled))
    return tracks


def longest(tracks: Sequence[Track]) -> Track | None:
    """The one that is measured: the track of most frames, the first of equals; None for none."""
    return max(tracks, key=lambda track: len(track.boxes), default=None)


def enlarged(frames: NDArray[np.uint8], rules: Rules) -> NDArray[np.uint8]:
    """(N, H, W, 3) frames, their shorter side brought up to ``rules.enlarge`` pixels, bicubic."""
    scale = rules.enlarge / min(frames.shape[1:3])
    if scale <= 1:
        return frames
    size = (round(frames.shape[2] * scale), round(frames.shape[1] * scale))
    return np.stack([np.asarray(cv2.resize(f, size, interpolation=cv2.INTER_CUBIC), np.uint8) for f in frames])


def crop_track(frames: NDArray[np.uint8], track: Track, side: int = 224) -> NDArray[np.uint8]:
    """(N, H, W, 3) frames of the whole clip -> (n, side, side, 3): the square about the smoothed box, more below than
    above, as the original cuts it. Raises InputError when the track is not of these frames."""
    if track.first < 0 or track.last >= len(frames):
        raise InputError(f"a track over frames {track.first} to {track.last} is not of a clip of {len(frames)}")
    size = (track.boxes[:, 2:] - track.boxes[:, :2]).max(axis=1) / 2
    middle = (track.boxes[:, :2] + track.boxes[:, 2:]) / 2
    half, x, y = (_smoothed(axis) for axis in (size, middle[:, 0], middle[:, 1]))
    crops = []
    for frame, s, cx, cy in zip(frames[track.first : track.last + 1], half, x, y, strict=True):
        pad = int(s * (1 + 2 * CROP_SCALE))
        padded = np.pad(frame, ((pad, pad), (pad, pad), (0, 0)), constant_values=GREY)
        top, bottom = int(cy + pad - s), int(cy + pad + s * (1 + 2 * CROP_SCALE))
        left, right = int(cx + pad - s * (1 + CROP_SCALE)), int(cx + pad + s * (1 + CROP_SCALE))
        cut = padded[max(0, top) : bottom, max(0, left) : right]
        crops.append(np.asarray(cv2.resize(cut, (side, side)), np.uint8))
    return np.stack(crops)


def _smoothed(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """The original's median filter, which takes zeros beyond the ends, where the track is long enough for it."""
    return np.asarray(medfilt(path, SMOOTHING)) if len(path) >= SMOOTHING else path


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Intersection over union of two boxes."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    return shared / (float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - shared)
