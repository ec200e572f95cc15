"""Face tracks: the rules for short clips, several faces, crops, and the canonical tracks."""

from __future__ import annotations

import numpy as np
import pytest

from dawn.errors import InputError
from eval.extract import face_tracks as tracks
from tests.support import canonical


def _boxes(count: int, gaps: tuple[int, ...] = (), size: float = 120) -> list[np.ndarray]:
    return [
        np.empty((0, 4)) if i in gaps else np.array([[50 + 0.5 * i, 40, 50 + 0.5 * i + size, 40 + size]])
        for i in range(count)
    ]


def test_short_clips_have_tracks_under_the_small_rules() -> None:
    assert len(tracks.face_tracks(_boxes(25), tracks.SMALL)) == 1
    assert not tracks.face_tracks(_boxes(24), tracks.SMALL)


def test_two_faces_are_two_tracks_and_the_longer_is_chosen() -> None:
    one, two = _boxes(60), _boxes(40)
    both = [
        np.concatenate([b + 300, a]) if len(b) else a for a, b in zip(one, two + [np.empty((0, 4))] * 20, strict=True)
    ]
    found = tracks.face_tracks(both, tracks.SMALL)
    assert sorted(len(track.boxes) for track in found) == [40, 60]
    chosen = tracks.longest_track(found)
    assert chosen is not None
    assert (chosen.first, len(chosen.boxes)) == (0, 60)
    assert tracks.longest_track([]) is None


def test_crops_follow_the_face_and_are_grey_outside() -> None:
    frames = np.zeros((30, 200, 200, 3), np.uint8)
    boxes = []
    for t in range(30):
        x = 20 + 2 * t
        frames[t, 60:120, x : x + 60] = 200
        boxes.append([x, 60, x + 60, 120])
    crops = tracks.crop_track(frames, tracks.Track(0, np.asarray(boxes, np.float64)))
    assert crops.shape == (30, 224, 224, 3)
    # the box covers 60 of 84 pixels across and begins at the top: the crop reaches 0.4 of its half beyond each side
    assert (crops[10:20, 5:150, 40:184] == 200).all()
    assert (crops[15, 200:] == 0).all()
    edge = tracks.crop_track(frames[:1], tracks.Track(0, np.array([[-30.0, -30.0, 30.0, 30.0]])))
    assert (edge[0, 0, 0] == tracks.GREY).all()
    with pytest.raises(InputError):
        tracks.crop_track(frames[:10], tracks.Track(0, np.asarray(boxes, np.float64)))


@pytest.mark.parametrize("name", canonical.names("face_tracks"))
def test_canonical_tracks(name: str) -> None:
    with canonical.case(name) as (_, case):
        args = case["args"]
        size, gaps = args.get("size", 120), args.get("gaps", ())
        boxes = [
            np.empty((0, 4)) if i in gaps else np.array([[50 + 0.5 * i, 40, 50 + 0.5 * i + size, 40 + size]])
            for i in range(args["n"])
        ]
        got = tracks.face_tracks(boxes)
        assert len(got) == len(case["tracks"])
        for track, want in zip(got, case["tracks"], strict=True):
            assert (track.first, track.last, len(track.boxes)) == (want["first"], want["last"], want["n"])
            assert track.boxes[len(track.boxes) // 2] == pytest.approx(want["bbox_mid"])
