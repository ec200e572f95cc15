"""All features of a real clip."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.config import Features as FeaturesConfig
from dawn.demo import generate_truth, render_clip
from dawn.errors import InputError
from dawn.features.extract import NoFaceError, extract, track_face
from dawn.features.extractors import Extractor
from dawn.features.landmarks import BLENDSHAPES
from dawn.features.store import Features
from dawn.media.audio import read_audio
from dawn.media.files import sha256_file
from dawn.media.video import iter_frames, load_frames
from dawn.media.video_writer import write_video
from eval.studies.learned import mouth_opening

CONFIG = FeaturesConfig()


@pytest.fixture(scope="module")
def clip(speaker: NDArray[np.uint8], real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real speaker's clip with its sound; the face is hidden in frames 20 to 22."""
    frames = np.stack([cv2.resize(frame, (128, 128), interpolation=cv2.INTER_AREA) for frame in speaker]).astype(
        np.uint8
    )
    frames[20:23] = 90
    path = tmp_path_factory.mktemp("clip") / "speaker.mp4"
    write_video(path, frames, audio=read_audio(real / "clips" / "hdtf_WDA_AmyKlobuchar_256.wav"))
    return path


def test_features_of_a_clip_and_their_file(clip: Path, tmp_path: Path) -> None:
    features = extract(clip, CONFIG, 25)
    assert features.landmarks.shape == (50, 68, 2) and features.speech.shape == (50, CONFIG.speech.dim)
    assert features.pose.shape == (50, 6) and features.blink.shape == (50, 2)
    assert (
        features.blendshapes.shape == (50, 52) and np.ptp(features.blendshapes[:, BLENDSHAPES.index("jawOpen")]) > 0.1
    )
    assert features.blendshapes.min() >= 0 and features.blendshapes.max() <= 1
    assert features.face_box.shape == features.mouth_box.shape == (50, 4)
    assert np.flatnonzero(~features.found).tolist() == [20, 21, 22]
    middle = (features.landmarks[19] + features.landmarks[23]) / 2
    assert np.allclose(features.landmarks[21], middle, atol=1e-3)
    assert np.allclose(features.pose[21], (features.pose[19] + features.pose[23]) / 2, atol=1e-3)
    assert (features.landmarks > 0).all() and (features.landmarks < 128).all()
    assert np.abs(np.diff(features.pose[:20, :3], axis=0)).max() < 6  # degrees from frame to frame
    digests = set()
    for name in ("a", "b"):
        extract(clip, CONFIG, 25).save(tmp_path / f"{name}.safetensors")
        digests.add(sha256_file(tmp_path / f"{name}.safetensors"))
    assert len(digests) == 1
    loaded = Features.load(tmp_path / "a.safetensors")
    for name, value in vars(features).items():
        assert np.array_equal(getattr(loaded, name), value), name


def test_the_movements_of_a_clip_are_not_smoothed_over_time(tmp_path: Path) -> None:
    """A drawn mouth is followed without delay, and as closely as by a detector that knows one frame only."""
    truth = generate_truth(1234, 1003, 0, 3.0)
    render_clip(truth, 128, tmp_path / "clip.mp4")
    opening = truth.motion.mouth[:, 0]
    track = mouth_opening(track_face(tmp_path / "clip.mp4", CONFIG).landmarks)
    with Extractor(CONFIG, static=True) as extractor:
        faces = list(extractor.detect(load_frames(tmp_path / "clip.mp4")))
    single = mouth_opening(np.stack([face.landmarks for face in faces if face is not None]))
    delays = [
        np.corrcoef(track[max(0, d) : len(track) + min(0, d)], opening[max(0, -d) : len(track) - max(0, d)])[0, 1]
        for d in (-1, 0, 1)
    ]
    assert np.argmax(delays) == 1 and delays[1] > 0.9
    assert np.corrcoef(track, opening)[0, 1] > np.corrcoef(single, opening)[0, 1] - 0.02
    assert np.ptp(track) == pytest.approx(np.ptp(single), rel=0.1)


def test_one_person_is_followed_past_another(speaker: NDArray[np.uint8], real: Path, tmp_path: Path) -> None:
    """A larger face that enters the picture later is not taken for the speaker's."""
    other = cv2.resize(load_frames(real / "clips" / "obama_450_20s.mp4")[0], (448, 448))
    frames = np.full((20, 448, 704, 3), 110, np.uint8)
    frames[:, :256, :256] = speaker[:20]
    frames[10:, :, 256:] = other
    write_video(tmp_path / "two.mp4", frames)
    assert (track_face(tmp_path / "two.mp4", CONFIG).landmarks[..., 0] < 256).all()


def test_clips_without_enough_face_or_sound(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(NoFaceError, match="47 of 50 frames"):
        track_face(clip, CONFIG.model_copy(update={"min_face_share": 0.95}))
    write_video(tmp_path / "silent.mp4", iter_frames(clip))
    assert track_face(tmp_path / "silent.mp4", CONFIG).found.sum() == 47
    with pytest.raises(InputError, match="no sound"):
        extract(tmp_path / "silent.mp4", CONFIG)
    write_video(tmp_path / "blank.mp4", [np.full((64, 64, 3), 50, np.uint8)] * 5)
    with pytest.raises(NoFaceError, match="0 of 5 frames"):
        track_face(tmp_path / "blank.mp4", CONFIG.model_copy(update={"min_face_share": 0.0}))


def test_blinks_are_detected(real: Path, tmp_path: Path) -> None:
    blink = track_face(real / "clips" / "grid_pwij3p.mpg", CONFIG).blink
    assert blink.shape == (75, 2)
    assert (blink.min(0) < 0.3 * np.median(blink, axis=0)).all()  # the speaker blinks once
    assert np.corrcoef(blink.T)[0, 1] > 0.8
