"""Face tracks for the published lip-sync score: face detections linked over time, and smoothed crops about them.

The crop has more influence on the score than anything else. The original (syncnet_python) keeps only tracks of more
than 100 detections whose faces are larger than 100 pixels, which no short clip and no 128-pixel video has;
:data:`SMALL` keeps those. There is no shot detection: the boxes of two shots seldom overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.signal import medfilt

from dawn.errors import InputError
from dawn.features.interpolation import interpolate_rows

OVERLAP = 0.5  # least intersection over union of consecutive boxes, exclusive
GAP = 25  # largest number of frames to the next detection
CROP_SCALE = 0.4  # margin of the crop, relative to the box
SMOOTHING = 13  # frames, median filter of size and centre
GREY = 110  # padding outside the frame


@dataclass(frozen=True)
class TrackRules:
    """Thresholds for keeping face tracks.

    detections: a track has more detections than this. side: the longer side of its mean box exceeds this, in pixels.
    enlarge: frames whose shorter side is below this, in pixels, are enlarged to it before detection.
    """

    name: str
    detections: int
    side: float
    enlarge: int


PUBLISHED = TrackRules("published", 100, 100, 0)
SMALL = TrackRules("small", 24, 100, 512)


@dataclass(frozen=True)
class Track:
    """One face from frame `first` on: boxes (n, 4) x0, y0, x1, y1 in pixels, interpolated linearly over gaps."""

    first: int
    boxes: NDArray[np.float64]

    @property
    def last(self) -> int:
        """Index of the last frame."""
        return self.first + len(self.boxes) - 1


def face_tracks(detections: Sequence[NDArray[np.floating]], rules: TrackRules = PUBLISHED) -> list[Track]:
    """Link the face boxes (K, 4) of consecutive frames into tracks, in the order of their first frames.

    A track continues with the first box of the next frames that overlaps its last box by more than :data:`OVERLAP`;
    each box belongs to one track.
    """
    remaining = [[np.asarray(box, np.float64) for box in boxes] for boxes in detections]
    tracks = []
    while any(remaining):
        frames: list[int] = []
        boxes: list[NDArray[np.float64]] = []
        for frame, candidates in enumerate(remaining):
            if boxes and frame - frames[-1] > GAP:
                break
            matches = [k for k, box in enumerate(candidates) if not boxes or _overlap(box, boxes[-1]) > OVERLAP]
            if matches:
                frames.append(frame)
                boxes.append(candidates.pop(matches[0]))
        if len(boxes) > rules.detections:
            filled = interpolate_rows(np.stack(boxes), frames, np.arange(frames[0], frames[-1] + 1))
            sides = (filled[:, 2:] - filled[:, :2]).mean(axis=0)
            if sides.max() > rules.side:
                tracks.append(Track(frames[0], filled))
    return tracks


def longest_track(tracks: Sequence[Track]) -> Track | None:
    """Return the track with the most frames, the first of equals; None without a track."""
    return max(tracks, key=lambda track: len(track.boxes), default=None)


def enlarge(frames: NDArray[np.uint8], rules: TrackRules) -> NDArray[np.uint8]:
    """Enlarge frames (N, H, W, 3), bicubically, to a shorter side of at least ``rules.enlarge`` pixels."""
    scale = rules.enlarge / min(frames.shape[1:3])
    if scale <= 1:
        return frames
    size = (round(frames.shape[2] * scale), round(frames.shape[1] * scale))
    return np.stack([np.asarray(cv2.resize(f, size, interpolation=cv2.INTER_CUBIC), np.uint8) for f in frames])


def crop_track(frames: NDArray[np.uint8], track: Track, side: int = 224) -> NDArray[np.uint8]:
    """Crop a face track from frames (N, H, W, 3) of the whole clip: (n, side, side, 3).

    The crop is the square about the smoothed box, with a margin below and at both sides, as in the original. Raises
    InputError when the track has frames beyond the clip.
    """
    if track.first < 0 or track.last >= len(frames):
        raise InputError(
            f"a track over frames {track.first} to {track.last} does not fit a clip of {len(frames)} frames"
        )
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


def _smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply the original's median filter (zeros beyond both ends); shorter tracks are not filtered."""
    return np.asarray(medfilt(values, SMOOTHING)) if len(values) >= SMOOTHING else values


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Compute the intersection over union of two boxes."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    return shared / (float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - shared)
