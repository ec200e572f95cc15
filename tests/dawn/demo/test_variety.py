"""Varied people: deterministic, diverse, found by the landmark detector, and the plain corpus is untouched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.config import Corpus, DemoCorpus
from dawn.corpora.manifest import read_manifest
from dawn.corpora.prepare import prepare, write_clip
from dawn.demo import generate_truth, render_truth
from dawn.demo.camera import Development, draw_camera
from dawn.demo.casting import generate_varied_person
from dawn.demo.lamps import draw_lamps
from dawn.demo.look import Person, generate_person
from dawn.demo.studio import StudioPainter, draw_scene
from dawn.demo.truth import GroundTruth
from dawn.features.landmarks import FaceLandmarker
from dawn.media.video import load_frames

STILL = {"closure": (0.05, 0.05), "mouth": (0, 0, 0, 0.1), "gaze": (0, 0), "brows": 0.0}

# Of every second plain person's clip: mean red, green and blue, standard deviation, mean change from frame to frame,
# mean loudness in thousandths, mean yaw and pitch.
PLAIN = (
    (160.904, 132.298, 111.714, 41.168, 2.527, 86.743, 8.529, -0.472),
    (123.788, 114.847, 113.438, 66.536, 2.327, 113.406, 9.587, -4.284),
    (162.050, 152.666, 138.601, 55.458, 7.393, 39.647, -3.848, 4.010),
    (168.095, 144.959, 136.545, 41.018, 2.800, 35.284, -3.175, 6.672),
    (161.913, 134.635, 115.506, 57.033, 2.940, 62.902, 0.031, 0.398),
    (140.937, 120.868, 108.695, 68.410, 2.740, 27.405, 3.565, 3.493),
    (190.691, 181.642, 165.102, 33.905, 3.236, 98.476, -5.826, -3.175),
    (188.461, 173.555, 162.106, 42.496, 2.306, 47.997, -11.912, 6.400),
)


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return [generate_varied_person(1234, index) for index in range(200)]


@pytest.fixture(scope="module")
def truths() -> list[GroundTruth]:
    return [generate_truth(1234, index, index % 2, 2.0, "wide") for index in range(16)]


def test_the_plain_corpus_is_that_of_earlier_versions() -> None:
    """The numbers are of the version before variety was a setting; another processor rounds a few pixels otherwise."""
    for index, expected in enumerate(PLAIN):
        truth = generate_truth(1234, 2 * index, 1, 1.0)
        frames = np.stack(list(render_truth(truth, 64))).astype(float)
        change, level = np.abs(np.diff(frames, axis=0)).mean(), 1000 * np.abs(truth.speech.audio).mean()
        pose = truth.motion.pose[:, :2].mean(axis=0)
        assert (*frames.mean((0, 1, 2)), frames.std(), change, level, *pose) == pytest.approx(expected, abs=2e-3)


def test_the_setting_appears_in_a_configuration_only_when_it_is_used() -> None:
    assert "variety" not in DemoCorpus().model_dump()
    assert DemoCorpus(variety="wide").model_dump()["variety"] == "wide"


def test_varied_clips_depend_on_their_numbers_alone() -> None:
    first, second = (generate_truth(7, 3, 1, 1.0, "wide") for _ in range(2))
    assert np.array_equal(first.speech.audio, second.speech.audio)
    assert np.array_equal(first.motion.pose, second.motion.pose)
    frames = [np.stack(list(render_truth(truth, 64))) for truth in (first, second)]
    assert np.array_equal(*frames)
    assert frames[0].shape == (25, 64, 64, 3) and frames[0].dtype == np.uint8
    other = np.stack(list(render_truth(generate_truth(7, 3, 2, 1.0, "wide"), 64)))
    assert np.abs(frames[0].astype(float) - other).mean() > 10  # another light, background and camera
    assert generate_varied_person(7, 3) == generate_varied_person(7, 3) != generate_varied_person(8, 3)


def test_varied_people_cover_far_more_than_plain_ones(people: list[Person]) -> None:
    looks = [person.look for person in people]
    plain = [generate_person(1234, index).look for index in range(200)]
    for trait in ("nose", "lip", "mouth", "eye", "brow", "eye_open", "teeth", "volume"):
        wide, narrow = (np.std([getattr(look, trait) for look in group]) for group in (looks, plain))
        assert wide > 1.15 * narrow, trait
    assert len({look.style for look in looks}) == 12
    assert {look.finish.hat for look in looks if look.finish} == {"", "beanie", "cap"}
    away = np.array([np.subtract(look.lips, look.skin) for look in looks])
    assert (np.abs(away).mean(axis=1) < 40).mean() > 0.5  # lips of most people are of nearly their skin's colour
    assert sum(look.finish is not None and look.finish.moustache for look in looks) > 5
    assert sum(look.glasses for look in looks) > 20


def test_lamps_light_faces_from_everywhere_and_equally_brightly() -> None:
    lamps = [draw_lamps(np.random.default_rng(seed)) for seed in range(200)]
    towards = np.array([lamp.key_from for lamp in lamps])
    assert np.linalg.norm(towards, axis=1) == pytest.approx(np.ones(200))
    assert towards[:, 0].min() < -0.8 and towards[:, 0].max() > 0.8
    angles = np.linspace(-1, 1, 9)
    normals = np.stack([np.sin(angles), np.zeros(9), np.cos(angles)], axis=1)
    light = np.array([lamp.factors(normals, 0.0) for lamp in lamps])
    assert light.min() > 0 and 0.7 < light.mean() < 1.15
    sides = light[:, 0].mean(1) / light[:, -1].mean(1)
    assert sides.min() < 0.4 and sides.max() > 2.5 and np.median(np.abs(np.log(sides))) > 0.2


def test_a_camera_develops_every_frame_equally_but_for_its_noise() -> None:
    image = np.full((64, 64, 3), 120, np.uint8)
    grey = 0
    for seed in range(40):
        camera = draw_camera(np.random.default_rng(seed))
        development = Development(camera, 64)
        first, again, second = development.frame(image, 0), development.frame(image, 0), development.frame(image, 1)
        assert np.array_equal(first, again)
        assert np.array_equal(first, second) == (camera.noise == 0)
        grey += int(np.ptp(first.mean((0, 1))) < 1.5)
    assert 1 <= grey <= 20


def test_posture_and_framing_vary_and_clips_begin_with_a_closed_mouth(truths: list[GroundTruth]) -> None:
    pose = np.stack([truth.motion.pose for truth in truths])
    spread = pose[..., 0].std(axis=1)
    assert spread.min() > 1.8 and spread.max() < 7.5 and np.ptp(spread) > 2
    assert np.abs(pose[:, :, 0].mean(1)).max() > 6
    assert (np.abs(pose[..., :3]).max((0, 1)) < (30, 18, 13)).all()
    assert np.ptp(pose[:, :, 3].mean(1)) > 0.1
    for truth in truths:
        assert truth.motion.mouth[0, 0] < 0.05 and truth.motion.closure[:3].max() < 0.3
        assert truth.motion.mouth[:, 0].min() >= 0 and truth.motion.mouth[:, 0].max() <= 1


@pytest.mark.parametrize("side", [64, 128])
def test_the_detector_finds_varied_people_and_their_motion(truths: list[GroundTruth], side: int) -> None:
    found, mouths = [], []
    with FaceLandmarker(256) as landmarker:
        for truth in truths[:8]:
            opening, kept = [], []
            for number, frame in enumerate(render_truth(truth, side)):
                if number % 3 == 0:
                    face = landmarker.detect(frame)
                    found.append(face is not None)
                    if face is not None:
                        kept.append(number)
                        opening.append(_gap(face.landmarks, 62, 66) / _gap(face.landmarks, 36, 45))
            mouths.append(np.corrcoef(opening, truth.motion.mouth[kept, 0])[0, 1])
    assert np.mean(found) > 0.97
    assert np.median(mouths) > 0.8


def test_closed_lids_and_open_mouths_change_the_picture(people: list[Person]) -> None:
    for index in range(6):
        painter = StudioPainter(people[index], 128, draw_scene(1234, index, 0))
        pose = (4, 2, 1, 1, 0, 0)
        rest = painter.frame(pose, **STILL).astype(float)
        shut = painter.frame(pose, **STILL | {"closure": (1, 1)}).astype(float)
        spoken = painter.frame(pose, **STILL | {"mouth": (0.8, 0, 0, 0)}).astype(float)
        for changed, rows in ((shut, (45, 75)), (spoken, (75, 115))):
            difference = np.abs(changed - rest).mean(axis=2)
            assert difference[slice(*rows)].max() > 12
            assert difference[:25].max() < 8


def test_every_varied_style_is_drawn_at_every_pose(people: list[Person]) -> None:
    for index, person in enumerate(people[:40]):
        painter = StudioPainter(person, 32, draw_scene(1, index, 0))
        for yaw, pitch in ((28, 17), (-28, -17)):
            frame = painter.frame((yaw, pitch, 12, 1.2, 0.3, -0.3), (1, 0), (1, 1, 1, 0), (1, -1), 1.0)
            assert frame.shape == (32, 32, 3) and frame.dtype == np.uint8 and frame.std() > 2


def test_a_varied_corpus_from_configuration_to_clips(tmp_path: Path) -> None:
    folder = tmp_path
    sizes = {"train_identities": 1, "test_identities": 1, "train_utterances": 1, "test_utterances": 1, "seconds": 1.0}
    corpus = Corpus(resolution=64, demo=DemoCorpus(variety="wide", **sizes))
    prepare(corpus, folder)
    clip = read_manifest(folder / "clips.csv")[0]
    out = folder / "64" / f"{clip.clip}.mp4"
    write_clip(corpus, clip, folder, out, lambda frame: None)
    truth = GroundTruth.load(folder / clip.source)
    assert truth.variety == "wide"
    drawn = np.stack(list(render_truth(truth, 64))).astype(float)
    assert np.abs(load_frames(out) - drawn).mean() < 8


def _gap(points: NDArray[np.float32], a: int, b: int) -> float:
    return float(np.linalg.norm(points[a] - points[b]))
