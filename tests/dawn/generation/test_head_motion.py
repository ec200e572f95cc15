"""Head motion of the test clips with several seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from dawn.corpora.manifest import Clip, write_manifest
from dawn.generation.driving import Source, sample_pose_blink
from dawn.generation.head_motion import SEEDS, sample_head_motion
from dawn.media.video_writer import write_video
from dawn.paths import Paths
from dawn.seeds import head_motion_seed, torch_generator
from tests.support.clips import features_of
from tests.support.networks import config, networks


def test_each_clip_has_the_motion_of_every_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, nets = config(steps=2), networks(steps=2)
    monkeypatch.setattr("dawn.generation.head_motion.Networks.load", lambda *_, **__: nets)
    paths = Paths.of(settings, tmp_path / "data", tmp_path / "results")
    rng = np.random.default_rng(0)
    clips, stored = [], {}
    for name, frames in (("anna_0", 9), ("ben_0", 12)):
        write_video(paths.clip(name), rng.integers(0, 256, (frames, 64, 64, 3), dtype=np.uint8))
        speech = rng.standard_normal((frames, settings.features.speech.dim)).astype(np.float32)
        stored[name] = features_of(frames, speech=speech, pose=rng.normal(0, 0.1, (frames, 6)).astype(np.float32))
        stored[name].save(paths.clip_features(name))
        clips.append(Clip(name, name.split("_")[0], "test", frames, frames / 25, name, "0" * 64))
    write_manifest(paths.test, clips)
    sample_head_motion(settings, paths)
    poses = load_file(paths.run / "head_motion.safetensors")
    assert {name: pose.shape for name, pose in poses.items()} == {"anna_0": (SEEDS, 9, 6), "ben_0": (SEEDS, 12, 6)}
    features = stored["ben_0"]
    source = Source(np.zeros((64, 64, 3), np.uint8), features.pose[0], features.blink[0], features.face_box[0])
    for index in (0, SEEDS - 1):
        generator = torch_generator(head_motion_seed(settings.seed, "ben_0", index))
        assert poses["ben_0"][index] == pytest.approx(sample_pose_blink(nets, source, features.speech, generator)[0])
    assert len(np.unique(poses["ben_0"][:, 5, 0])) == SEEDS
    first = (paths.run / "head_motion.safetensors").read_bytes()
    sample_head_motion(settings, paths)
    assert (paths.run / "head_motion.safetensors").read_bytes() == first
