"""Drawn people: speech and motion are exact and deterministic, and a landmark detector follows the drawn motion."""

# ruff: noqa: RUF001 (phonemes are IPA letters, many of which look like others)

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.config import Corpus, DemoCorpus
from dawn.corpora.manifest import Clip, read_manifest, read_rejected
from dawn.corpora.prepare import prepare, write_clip
from dawn.demo import generate_truth, render_clip
from dawn.demo.look import generate_person
from dawn.demo.render import Painter, render_frames
from dawn.demo.sentences import SENTENCES
from dawn.demo.speech import Voice, synthesise
from dawn.demo.truth import GroundTruth
from dawn.errors import InputError
from dawn.features.landmarks import FaceLandmarker
from dawn.media.audio import read_audio
from dawn.media.video import load_frames, probe

VOICE = Voice("en-us+f3", 50, 50, 160)
STILL = {"closure": (0.05, 0.05), "mouth": (0, 0, 0, 0.1), "gaze": (0, 0), "brows": 0.0}


def _hash(audio: NDArray[np.float32]) -> str:
    return hashlib.sha256(audio.tobytes()).hexdigest()


def test_sentences_are_many_and_unique() -> None:
    assert len(set(SENTENCES)) == len(SENTENCES) >= 60


def test_speech_has_exactly_the_requested_length() -> None:
    for seconds in (1.0, 3.0, 7.48):
        speech = synthesise(VOICE, seconds, np.random.default_rng(1))
        assert len(speech.audio) == round(seconds * 16000)
        assert speech.audio.dtype == np.float32
        assert 0.1 < np.abs(speech.audio).max() <= 1
        assert len(speech.starts) == len(speech.phonemes)
        assert speech.starts[0] == 0 and (np.diff(speech.starts) >= 0).all() and speech.starts[-1] < seconds


def test_speech_depends_on_its_arguments_alone() -> None:
    expected = _hash(synthesise(VOICE, 2.0, np.random.default_rng(3)).audio)
    synthesise(Voice("en+m3", 30, 60, 150), 1.0, np.random.default_rng(4))
    assert _hash(synthesise(VOICE, 2.0, np.random.default_rng(3)).audio) == expected
    code = (
        "import hashlib, numpy as np; from dawn.demo.speech import Voice, synthesise;"
        "audio = synthesise(Voice('en-us+f3', 50, 50, 160), 2.0, np.random.default_rng(3)).audio;"
        "print(hashlib.sha256(audio.tobytes()).hexdigest())"
    )
    other_process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other_process.stdout.strip() == expected


def test_phonemes_are_louder_than_silence() -> None:
    speech = synthesise(VOICE, 4.0, np.random.default_rng(5))
    ends = np.append(speech.starts[1:], 4.0)
    level = {True: [0.0], False: [0.0]}
    for start, end, symbol in zip(speech.starts, ends, speech.phonemes, strict=True):
        piece = speech.audio[int(start * 16000) : int(end * 16000)]
        if len(piece) > 800:
            level[symbol == ""].append(float(np.sqrt(np.mean(piece**2))))
    assert np.mean(level[False]) > 5 * np.mean(level[True])


def test_an_unknown_voice_is_an_input_error() -> None:
    with pytest.raises(InputError, match="no voice 'xx-nowhere'"):
        synthesise(Voice("xx-nowhere", 50, 50, 160), 1.0, np.random.default_rng(0))


@pytest.fixture(scope="module")
def truths() -> list[GroundTruth]:
    return [generate_truth(1234, index, index % 2, 3.0) for index in range(16)]


def test_lips_close_on_bilabials_and_open_on_vowels(truths: list[GroundTruth]) -> None:
    opening: dict[str, list[float]] = {"pbm": [], "aɑæ": []}
    for truth in truths:
        ends = np.append(truth.speech.starts[1:], 3.0)
        for start, end, symbol in zip(truth.speech.starts, ends, truth.speech.phonemes, strict=True):
            for group, values in opening.items():
                if symbol and symbol.lstrip("ˈˌ")[:1] in group:
                    values.append(float(truth.motion.mouth[min(int((start + end) / 2 * 25), 74), 0]))
    assert len(opening["pbm"]) > 20 and len(opening["aɑæ"]) > 10
    assert np.mean(opening["pbm"]) < 0.1
    assert np.mean(opening["aɑæ"]) > 0.5


def test_motion_is_lively_smooth_and_bounded(truths: list[GroundTruth]) -> None:
    pose = np.stack([truth.motion.pose for truth in truths])
    deviation, reach = pose.std((0, 1)), np.abs(pose).max((0, 1))
    assert 9 < deviation[0] < 13 and reach[0] <= 26
    assert 4.5 < deviation[1] < 8 and reach[1] <= 16
    assert 2 < deviation[2] < 5 and reach[2] <= 9
    assert np.abs(np.diff(pose, axis=1)).max((0, 1))[:3] == pytest.approx(np.zeros(3), abs=8)  # degrees a frame
    for truth in truths:
        motion = truth.motion
        assert motion.closure.min() >= 0 and motion.closure.max() <= 1
        assert motion.mouth[:, 0].min() >= 0 and motion.mouth[:, 0].max() <= 1
        assert np.abs(motion.gaze).max() <= 1


def test_clips_begin_neutral_and_all_people_blink(truths: list[GroundTruth]) -> None:
    for truth in truths:
        motion = truth.motion
        assert np.abs(motion.pose[0, :3]).max() < 8
        assert motion.closure[:3].max() < 0.3
        assert motion.mouth[0, 0] < 0.05
        assert (motion.closure.max(axis=1) > 0.9).sum() >= 1
    closed = np.stack([truth.motion.closure[:, 0] > 0.9 for truth in truths])
    blinks = (closed[:, 1:] & ~closed[:, :-1]).sum() / (len(truths) * 3.0)
    assert 0.25 < blinks < 0.7


def test_the_head_nods_on_stressed_syllables(truths: list[GroundTruth]) -> None:
    """Pitch rises (the face looks down) after a stressed vowel more often than by chance."""
    nods, others = [], []
    for truth in truths:
        change = np.diff(truth.motion.pose[:, 1])
        after = {int(t * 25) for t, s in zip(truth.speech.starts, truth.speech.phonemes, strict=True) if s[:1] == "ˈ"}
        for frame, value in enumerate(change):
            (nods if frame in after or frame - 1 in after else others).append(value)
    assert np.mean(nods) > np.mean(others) + 0.15


def test_people_cover_skin_tones_and_are_deterministic() -> None:
    people = [generate_person(1234, index) for index in range(24)]
    lightness = np.array([np.mean(person.look.skin) for person in people])
    assert lightness.min() < 100 and lightness.max() > 205
    assert np.histogram(lightness, bins=4, range=(75, 225))[0].min() >= 3
    assert sum(person.look.feminine for person in people) == 12
    assert len({person.look.style for person in people}) >= 8
    assert generate_person(1234, 5) == people[5] and generate_person(99, 5) != people[5]


def test_ground_truth_reads_back_and_other_files_are_refused(truths: list[GroundTruth], tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    truths[0].save(path)
    bytes_ = path.read_bytes()
    loaded = GroundTruth.load(path)
    assert loaded.speech.phonemes == truths[0].speech.phonemes and loaded.speech.text == truths[0].speech.text
    assert np.array_equal(loaded.motion.pose, truths[0].motion.pose)
    assert np.array_equal(loaded.speech.audio, truths[0].speech.audio)
    loaded.save(path)
    assert path.read_bytes() == bytes_
    path.write_bytes(b"something else entirely")
    with pytest.raises(InputError, match="not the ground truth of a demo clip"):
        GroundTruth.load(path)


def test_frames_follow_the_pose() -> None:
    painter = Painter(generate_person(1234, 0), 128)
    centre = _landmarks(painter.frame((0, 0, 0, 1, 0, 0), **STILL))[30]
    left = _landmarks(painter.frame((15, 0, 0, 1, 0, 0), **STILL))[30]
    down = _landmarks(painter.frame((0, 10, 0, 1, 0, 0), **STILL))[30]
    shifted = _landmarks(painter.frame((0, 0, 0, 1, 0.05, 0.02), **STILL))[30]
    rolled = _landmarks(painter.frame((0, 0, 8, 1, 0, 0), **STILL))
    assert left[0] < centre[0] - 8
    assert down[1] > centre[1] + 4
    assert shifted - centre == pytest.approx((0.05 * 128, 0.02 * 128), abs=1.5)
    assert np.degrees(np.arctan2(*(rolled[36] - rolled[45])[::-1])) == pytest.approx(172, abs=2)


def test_faces_are_framed_as_real_portraits() -> None:
    heights, centres = [], []
    for index in (0, 3, 5, 11, 13, 1002):
        points = _landmarks(Painter(generate_person(1234, index), 128).frame((0, 0, 0, 1, 0, 0), **STILL)) / 128
        heights.append(np.ptp(points[:, 1]))
        centres.append((points.min(0) + points.max(0)) / 2)
    assert np.mean(heights) == pytest.approx(0.58, abs=0.025)
    assert np.mean(centres, axis=0) == pytest.approx((0.5, 0.56), abs=0.02)


@pytest.mark.parametrize("index", [3, 9, 1003])
def test_detected_motion_correlates_with_drawn_motion_at_64_pixels(index: int, tmp_path: Path) -> None:
    """Pearson correlation of detected and true motion over a clip, after video compression."""
    truth = generate_truth(1234, index, 0, 3.0)
    render_clip(truth, 64, tmp_path / "clip.mp4")
    eyes, mouth, nose = [], [], []
    with FaceLandmarker(256) as landmarker:
        for frame in load_frames(tmp_path / "clip.mp4"):
            face = landmarker.detect(frame)
            assert face is not None
            p = face.landmarks
            ears = [(_gap(p, a + 1, a + 5) + _gap(p, a + 2, a + 4)) / (2 * _gap(p, a, a + 3)) for a in (36, 42)]
            eyes.append(np.mean(ears))
            mouth.append(_gap(p, 62, 66) / _gap(p, 36, 45))
            nose.append((p[30, 0] - (p[0, 0] + p[16, 0]) / 2) / (p[16, 0] - p[0, 0]))
    motion = truth.motion
    assert np.corrcoef(nose, -motion.pose[:, 0])[0, 1] > 0.97
    assert np.corrcoef(eyes, -motion.closure.mean(1))[0, 1] > 0.8
    assert np.corrcoef(mouth, motion.mouth[:, 0])[0, 1] > 0.75


def _landmarks(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    with FaceLandmarker(256, static=True) as landmarker:
        face = landmarker.detect(frame)
    assert face is not None
    return face.landmarks


def _gap(points: NDArray[np.float32], a: int, b: int) -> float:
    return float(np.linalg.norm(points[a] - points[b]))


def test_every_style_is_drawn_at_every_pose() -> None:
    styles = set()
    for index in range(200):
        person = generate_person(7, index)
        if person.look.style in styles:
            continue
        styles.add(person.look.style)
        painter = Painter(person, 32)
        frames = [
            painter.frame((yaw, pitch, 9, 1.1, 0.3, -0.3), (1, 0), (1, 1, 1, 0), (1, -1), 1.0)
            for yaw, pitch in ((26, 16), (-26, -16))
        ]
        for frame in frames:
            assert frame.shape == (32, 32, 3) and frame.dtype == np.uint8 and frame.std() > 10
    assert len(styles) >= 12


def test_the_corpus_from_configuration_to_clips(tmp_path: Path) -> None:
    small = DemoCorpus(train_identities=2, test_identities=1, train_utterances=2, test_utterances=1, seconds=1.0)
    corpus = Corpus(resolution=32, demo=small)
    prepare(corpus, tmp_path)
    clips = read_manifest(tmp_path / "clips.csv")
    assert [clip.clip for clip in clips] == ["p000-00", "p000-01", "p001-00", "p001-01", "t000-00"]
    assert [clip.split for clip in clips] == ["train"] * 4 + ["test"]
    assert read_rejected(tmp_path / "rejected.corpus.csv") == []
    first = clips[0]
    out = tmp_path / "32" / f"{first.clip}.mp4"
    write_clip(corpus, first, tmp_path, out, lambda frame: None)
    info = probe(out)
    assert (info.width, info.height, info.frames, info.fps, info.has_audio) == (32, 32, 25, 25.0, True)
    truth = GroundTruth.load(tmp_path / first.source)
    audio = read_audio(out)
    assert np.corrcoef(audio[:16000], truth.speech.audio[: len(audio)])[0, 1] > 0.95
    drawn = np.stack(list(render_frames(generate_person(truth.seed, truth.index), truth.motion, 32))).astype(float)
    assert np.abs(load_frames(out) - drawn).mean() < 6
    bytes_ = out.read_bytes()
    write_clip(corpus, first, tmp_path, out, lambda frame: None)
    assert out.read_bytes() == bytes_
    manifest = (tmp_path / "clips.csv").read_bytes()
    prepare(corpus, tmp_path)
    assert (tmp_path / "clips.csv").read_bytes() == manifest
    with pytest.raises(InputError, match="changed since"):
        write_clip(corpus, Clip(**{**first.__dict__, "sha256": "0" * 64}), tmp_path, out, lambda frame: None)
