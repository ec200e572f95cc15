"""A small corpus of drawn waves, as preparation leaves it before packing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from dawn.config import Config, parse
from dawn.corpora.manifest import Clip, write_manifest
from dawn.features.store import Features
from dawn.media.json_files import write_json
from dawn.media.video_writer import write_video
from dawn.paths import Paths
from tests.support.clips import features_of

LENGTHS = {"a": 7, "b": 31, "c": 12, "d": 5}  # frames of the training clips; d is in the second shard


def configuration(store: str, **data: str) -> Config:
    """The configuration of the corpus, with `data.store` and other keys of that section."""
    speech = {"encoder": "logmel", "dim": 8, "mels": 4, "context": 2}
    corpus = {"name": "drawn", "kind": "folder", "resolution": 64, "shards": 2}
    return parse({"corpus": corpus, "features": {"speech": speech}, "data": {"store": store, **data}})


def prepare(folder: Path) -> Paths:
    """Write clips, features and reports of the corpus below `folder` as preparation does."""
    paths = Paths.of(configuration("raw"), folder / "data", folder / "results")
    rng = np.random.default_rng(0)
    clips = []
    for index, (name, frames) in enumerate({**LENGTHS, "test": 6}.items()):
        y, x = np.arange(64)[:, None, None], np.arange(64)[:, None]
        waves = [128 + 100 * np.sin((x + k * np.array([1, 2, 3])) / 9) * np.cos(y / (7 + index)) for k in range(frames)]
        write_video(paths.clip(name), [wave.astype(np.uint8) for wave in waves])
        shapes = {"landmarks": (68, 2), "pose": (6,), "blink": (2,), "speech": (8,), "face_box": (4,)}
        arrays = {field: rng.normal(size=(frames, *row)).astype(np.float32) for field, row in shapes.items()}
        features = replace(features_of(frames, **arrays), extractor="mediapipe-face-landmarker-v2")
        features.save(paths.clip_features(name))
        split = "test" if name == "test" else "train"
        clips.append(Clip(name, name, split, frames, frames / 25, f"{name}.mp4", "0" * 64))
    for manifest in (paths.manifest, paths.dataset):
        write_manifest(manifest, clips)
    for index, names in enumerate((["a", "b", "c", "test"], ["d"])):
        for stage in ("clips", "features"):
            report = {"files": dict.fromkeys(names, "0"), "rejected": []}
            frames_of = {name: len(Features.load(paths.clip_features(name)).found) for name in names}
            write_json(paths.shard(stage, index), {**report, "frames": frames_of})
    return paths
