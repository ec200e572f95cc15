"""Faces detected on real footage: one outcome for every clip, several faces, frames without one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from dawn.media.video import load_frames
from eval.extract.faces import detect_faces
from eval.extract.rates import SAMPLES_PER_FRAME
from eval.extract.video import decode_video
from eval.metrics import csim
from tests.support.real_clips import GRID

# Frames at 25 fps, and whether there is sound: face4 has 199 at 30 fps, all others are stored at 25.
OUTCOMES = {
    **dict.fromkeys(("grid_bbaf2n", "grid_brbk7n", "grid_id2_vcd_swwp2s", "grid_lbax4n"), (75, True)),
    **dict.fromkeys(("grid_lbbc2a", "grid_lrwp9a", "grid_lwbsza", "grid_pwij3p"), (75, True)),
    "hdtf_WDA_AOC_256_silent": (250, False),
    "hdtf_WDA_AmyKlobuchar_256": (250, False),
    "hdtf_WDA_TedLieu_256_60s": (1499, True),
    "mead_M030_front_neutral_level1_001_silent": (94, False),
    "obama_450_20s": (500, True),
    "retalking_face4": (166, True),
    "retalking_face5": (122, True),
}


def test_every_real_clip_has_a_defined_outcome(real: Path) -> None:
    videos = sorted(path for path in (real / "clips").iterdir() if path.suffix in (".mp4", ".mpg"))
    assert [path.stem for path in videos] == sorted(OUTCOMES)
    for path in videos:
        count, heard = OUTCOMES[path.stem]
        with decode_video(path) as decoded:
            assert len(decoded.frames) == count, path
            heard_samples = len(decoded.audio)
            faces = detect_faces(np.array(decoded.frames[:3]), 256)
        assert (
            abs(heard_samples - count * SAMPLES_PER_FRAME) <= 3 * SAMPLES_PER_FRAME if heard else not heard_samples
        ), path
        assert faces["found"].all() and (faces["faces"] == 1).all(), path


def test_the_larger_of_two_faces_is_measured_and_both_are_counted(real: Path) -> None:
    left, right = (load_frames(real / "clips" / f"{name}.mpg")[:12] for name in GRID)
    small = np.zeros_like(right)
    for k, frame in enumerate(right):
        shrunk = cv2.resize(frame, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
        small[k, : shrunk.shape[0], : shrunk.shape[1]] = shrunk
    faces = detect_faces(np.concatenate([left, small], axis=2), 256)
    assert faces["found"].all()
    assert (faces["landmarks"].mean(axis=1)[:, 0] < left.shape[2]).all()
    assert faces["faces"].max() == 2


def test_frames_without_a_face_have_no_value_and_the_others_count(real: Path) -> None:
    frames = load_frames(real / "clips" / f"{GRID[0]}.mpg")[:12]
    frames[5:8] = 90
    faces = detect_faces(frames, 256)
    assert np.flatnonzero(~faces["found"]).tolist() == [5, 6, 7]
    similar = np.where(faces["found"][:, None], 1.0, np.nan)
    pair = csim.csim(similar, similar)
    assert (pair.csim, pair.compared, pair.failed) == (1, 9, 3)
