"""3DDFA_V2's network through the interface of the extractors, with the published weights."""

from __future__ import annotations

import itertools
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.extractors import closed_runs, compare, matched_blinks
from dawn.config import Config, load
from dawn.config import Features as FeaturesConfig
from dawn.corpora.manifest import Clip, write_manifest
from dawn.errors import InputError
from dawn.features import tddfa
from dawn.features.extract import track_face
from dawn.features.extractors import Extractor
from dawn.features.landmarks import FaceLandmarker
from dawn.features.pose import head_pose
from dawn.features.shards import make_features
from dawn.features.versions import VERSIONS
from dawn.media.json_files import write_json
from dawn.media.video import iter_frames, load_frames
from dawn.media.video_writer import write_video
from dawn.paths import Paths
from dawn.weights import MissingWeights
from tests.support.heads import head_rotation

MEDIAPIPE = FeaturesConfig()
TDDFA = FeaturesConfig(pose="3ddfa", landmarks="3ddfa")
MIXED = FeaturesConfig(pose="3ddfa")


@pytest.fixture
def published(real: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The published weights in the user's folder of weights."""
    monkeypatch.setenv("DAWN_WEIGHTS", str(real / "weights"))
    tddfa.load.cache_clear()
    return real / "weights"


def test_published_weights_have_the_shapes_of_the_network(published: Path) -> None:
    state = torch.load(published / "3ddfa_v2" / "mb05_120x120.pth", map_location="cpu", weights_only=True)["state_dict"]
    expected = tddfa.Regressor().state_dict()
    assert {key.removeprefix("module."): value.shape for key, value in state.items()} == {
        key: value.shape for key, value in expected.items()
    }
    assert sum(value.numel() for value in expected.values()) == 931_137


def test_both_tools_agree_on_the_same_head(published: Path, real: Path) -> None:
    frames = list(itertools.islice(iter_frames(real / "clips" / "hdtf_WDA_TedLieu_256_60s.mp4", 25), 0, 600, 50))
    poses, points = {}, {}
    for cfg in (MEDIAPIPE, TDDFA):
        with Extractor(cfg, static=True) as extractor:
            faces = [face for frame in frames if (face := extractor.detect(frame)) is not None]
        poses[cfg.pose] = np.stack([face.pose for face in faces])
        points[cfg.pose] = np.stack([face.landmarks for face in faces])
    mediapipe, published_tool = poses["mediapipe"], poses["3ddfa"]
    assert len(mediapipe) == len(published_tool) == len(frames)
    # The heads of the two tools, whose poses are zero by definition, differ in how they hold the chin.
    for axis, bound in enumerate((2, 6, 2)):
        assert abs(np.mean(published_tool[:, axis] - mediapipe[:, axis])) < bound
        assert np.corrcoef(mediapipe[:, axis], published_tool[:, axis])[0, 1] > 0.8
    # Units as published: 4.79e-4 and (56.5, 64.9) is the state that the published code falls back to.
    assert np.all((published_tool[:, 3] > 3.5e-4) & (published_tool[:, 3] < 7e-4))
    assert np.all(np.abs(published_tool[:, 4:] - [60, 68]) < 12)
    eyes = np.linalg.norm(points["mediapipe"][:, 36] - points["mediapipe"][:, 45], axis=-1)
    apart = np.linalg.norm(points["3ddfa"] - points["mediapipe"], axis=-1).mean(1)
    assert np.all(apart < 0.12 * eyes)


def test_the_interface_returns_what_mediapipe_does(real: Path) -> None:
    frames = load_frames(real / "clips" / "hdtf_WDA_AmyKlobuchar_256.mp4")[:5]
    with FaceLandmarker(256, static=True) as landmarker, Extractor(MEDIAPIPE, static=True) as extractor:
        for frame in frames:
            face, observation = landmarker.detect(frame), extractor.detect(frame)
            assert face is not None and observation is not None
            assert np.array_equal(observation.landmarks, face.landmarks)
            assert np.array_equal(observation.blendshapes, face.blendshapes)
            assert np.array_equal(observation.pose, head_pose(face.transform, 256, 256))
        assert extractor.version == VERSIONS["mediapipe"]


def test_a_track_names_its_tool(published: Path, real: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", load_frames(real / "clips" / "hdtf_WDA_AmyKlobuchar_256.mp4")[:6])
    track = track_face(tmp_path / "clip.mp4", TDDFA)
    assert track.extractor == VERSIONS["3ddfa"]
    assert track.found.all() and np.isfinite(track.pose).all()
    assert 0.1 < np.median(track.blink) < 0.5


def test_pose_of_one_tool_and_landmarks_of_the_other(published: Path, real: Path) -> None:
    frame = load_frames(real / "clips" / "mead_M030_front_neutral_level1_001_silent.mp4")[0]
    observations = {}
    for cfg in (MEDIAPIPE, TDDFA, MIXED):
        with Extractor(cfg, static=True) as extractor:
            observations[extractor.version] = extractor.detect(frame)
    mesh, tool, mixed = observations.values()
    mediapipe, tddfa_version = VERSIONS["mediapipe"], VERSIONS["3ddfa"]
    assert list(observations) == [mediapipe, tddfa_version, f"{mediapipe}, pose {tddfa_version}"]
    assert mesh is not None and tool is not None and mixed is not None
    assert np.array_equal(mixed.pose, tool.pose) and np.array_equal(mixed.landmarks, mesh.landmarks)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-80, 80),
    st.floats(-80, 80),
    st.floats(-80, 80),
    st.floats(2e-4, 1e-3),
    st.floats(0, 120),
    st.floats(0, 120),
)
def test_pose_of_a_known_camera(yaw: float, pitch: float, roll: float, scale: float, tx: float, ty: float) -> None:
    camera = np.concatenate([scale * head_rotation(yaw, pitch, roll), [[tx], [ty], [-66.7]]], axis=1).astype(np.float32)
    assert np.allclose(tddfa.camera_pose(camera), [yaw, pitch, roll, scale, tx, ty], atol=0.01, rtol=1e-4)


@pytest.mark.parametrize("side", [-1, 1])
def test_pose_of_a_profile_has_no_roll(side: int) -> None:
    """At 90 degrees of yaw, roll and pitch turn about the same axis; as published, all of it is pitch."""
    camera = np.zeros((3, 4), np.float32)
    camera[:, :3] = head_rotation(90 * side, 20, 0)
    assert np.allclose(tddfa.camera_pose(camera)[:3], [90 * side, 20, 0], atol=0.1)


def test_the_crop_reaches_beyond_the_frame() -> None:
    points = np.array([[0, 0], [40, 30]], np.float32)
    assert tddfa.head_square(points) == (-8, -13, 57)
    frame = np.full((50, 50, 3), 255, np.uint8)
    cut = tddfa.head_crop(frame, -25, -25, 50)
    assert cut.shape == (120, 120, 3) and not cut[:55].any() and (cut[65:, 65:] == 255).all()


def test_missing_weights_stop_the_shard_and_name_the_remedy(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are no fault of a clip: no clip is rejected, and the shard has no report."""
    monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path / "empty"))
    tddfa.load.cache_clear()
    config = Config(features=TDDFA)
    paths = Paths.of(config, tmp_path)
    write_manifest(paths.manifest, [Clip("one", "ann", "train", 50, 2.0, "x.mp4", "0" * 64)])
    write_json(paths.shard("clips", 0), {"files": {"one": "0" * 64}, "rejected": []})
    paths.clip("one").parent.mkdir(parents=True)
    shutil.copy(real / "clips" / "retalking_face5.mp4", paths.clip("one"))
    with pytest.raises(MissingWeights, match=r"dawn weights --for 3ddfa_v2/mb05_120x120 --fetch"):
        make_features(config, paths, 0)
    assert not paths.shard("features", 0).exists()


def test_other_pickles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "statistics.pkl"
    for content in ({"mean": Path("x")}, {"mean": np.zeros(3), "std": np.zeros(3)}, [1]):
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(InputError, match="no statistics of 3DDFA_V2"):
            tddfa.read_statistics(path)


@pytest.mark.parametrize("name", ["hdtf128", "hdtf256", "crema128"])
def test_the_papers_configurations_use_the_papers_tool_and_range(name: str) -> None:
    """Reference values: the published normalisation of yaw, pitch, roll, scale, tx, ty."""
    config = load(f"config/{name}.yaml")
    assert config.features.pose == "3ddfa" and config.features.landmarks == "mediapipe"
    assert config.pbnet.pose_min == (-90, -90, -90, 0, 0, 0)
    assert config.pbnet.pose_max == (90, 90, 90, 1, 720, 1080)
    assert config.a2v.pose_unit == (1, 1, 1, 1, 1, 1)


def test_the_benchmark_of_the_tools(published: Path) -> None:
    table = compare(1, 1.0, 64, None).set_index("tool")
    assert list(table.index) == ["mediapipe", "3ddfa"]
    assert (table.frames == 25).all() and (table.found == 1).all() and (table.ms_per_frame > 0).all()
    assert (table.yaw_error < 8).all() and (table[["yaw_steady", "roll_steady"]] < 4).all(axis=None)
    assert table.blinks.nunique() == 1 and table.blink_recall.between(0, 1).all()


def test_blinks_are_matched_one_to_one() -> None:
    closed = np.isin(np.arange(40), [3, 4, 6, 15, 20, 21, 30, 31, 32])
    runs = closed_runs(closed)
    assert runs == [range(3, 7), range(20, 22), range(30, 33)]  # one open frame is bridged; a single closed one is none
    assert matched_blinks([range(5, 8), range(6, 9), range(23, 25)], runs) == (2, 3)
