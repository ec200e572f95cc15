"""All features of a real clip."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.config import Features as FeaturesConfig
from dawn.errors import InputError
from dawn.features.extract import NoFaceError, extract, track_face
from dawn.features.store import Features
from dawn.media.audio import read_audio
from dawn.media.files import sha256_file
from dawn.media.video import iter_frames
from dawn.media.video_writer import write_video

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
