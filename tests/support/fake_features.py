"""Small videos, and features that follow from their pixels in place of the networks' embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dawn import config as settings
from dawn.config import Config
from dawn.media.video import load_frames
from dawn.media.video_writer import write_video
from eval.extract.cache import FeatureCache
from eval.extract.features import VideoFeatures
from eval.metrics.registry import Metric, get_metric

NAMES = ["anna_0", "anna_1", "ben_0"]
CONFIG = settings.parse(
    {"evaluate": {"bootstrap": 50, "threads": 1, "syncnet": {"side": 48, "width": 0.25, "train": {"steps": 1}}}}
)


def spec_of(metric: str) -> str:
    """Name of the feature that a metric is computed from."""
    return get_metric(metric).fake[0].name


class FakeExtractors:
    """In place of :class:`eval.studies.run_scores.RunExtractors`: small arrays computed from a video's pixels."""

    def __init__(
        self,
        config: Config,
        weights: Path,
        cache: FeatureCache,
        requested: Sequence[Metric],
        measured: Sequence[Metric] = (),
    ) -> None:
        self.weights = {"net": weights.read_text()}
        self.devices = ["cpu"]

    def extract(self, videos: Sequence[Path], label: str = "") -> list[VideoFeatures]:
        return [VideoFeatures("", self._features(video)) for video in videos]

    def _features(self, video: Path) -> dict[str, dict[str, np.ndarray]]:
        frames = load_frames(video)
        rng = np.random.default_rng(int(frames.astype(np.int64).sum()))
        n, t = len(frames), np.arange(len(frames))
        points = np.tile(rng.uniform(5, 25, (68, 2)), (n, 1, 1)).astype(np.float32)
        for corners, lids in (((42, 45), (43, 47)), ((36, 39), (37, 41))):  # eyes 10 pixels wide
            points[:, corners[0]], points[:, corners[1]] = (0, 0), (10, 0)
            points[:, lids[0]], points[:, lids[1]] = 0, 0
            points[:, lids[0], 1] = np.where(t % 15 < 2, 0.5, 3)
        pose = np.stack([np.sin(t / 3 + k) for k in range(6)], axis=1).astype(np.float32)
        level = frames.mean(axis=(1, 2))
        found = np.ones(n, np.bool_)
        return {
            "video": {"samples": np.asarray(n * 640)},
            "mesh": {"landmarks": points, "pose": pose, "found": found, "faces": found.astype(np.int64)},
            "beats": {"audio_beats": np.asarray([4.0, 12.0])},
            spec_of("fvd16"): {"rows": np.stack([level[i : i + 16].std(0) for i in range(0, n - 15, 16)])},
            spec_of("fvd32"): {"rows": np.empty((0, 3))},
            spec_of("fd_efficientnet"): {"rows": level[::5]},
            spec_of("csim_dlib"): {"rows": level[::5] + 1},
            spec_of("lse_d_own"): {
                "lips": rng.normal(size=(n - 5, 4)),
                "sound": rng.normal(size=(n - 5, 4)),
                "coverage": np.asarray(1.0),
            },
        }


def _write(folder: Path, name: str, seed: int, noise: int = 0) -> None:
    t, y, x = np.meshgrid(np.arange(32), np.arange(32), np.arange(32), indexing="ij")
    grey = 120 + 60 * np.sin((x + seed * 3 + t) / 5) + noise * np.sin(y / 2)
    write_video(folder / f"{name}.mp4", np.repeat(grey[..., None], 3, axis=-1).astype(np.uint8))


def write_videos(root: Path) -> None:
    """Write clips :data:`NAMES` into the folders real, dawn and still of `root`, their list and SyncNet weights."""
    for seed, name in enumerate(NAMES):
        _write(root / "real", name, seed)
        _write(root / "dawn", name, seed, noise=20)
        _write(root / "still", name, 0)
    (root / "clips.csv").write_text("clip,identity\n" + "".join(f"{name},x\n" for name in NAMES))
    (root / "sync").write_text("weights 1")
