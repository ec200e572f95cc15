"""Time to read training samples: from packed clips, and from videos as they are, whole or from the nearest key frame.

The clips are drawn, with noise in every frame. A sample is a pair of random frames, as in stage ``lfg``, or a window of
40 frames, as in stage ``a2v_stage2``. Warm means that the files are in the page cache; for cold samples they are
dropped from it before each one.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from dawn.config import Config, parse
from dawn.corpora.manifest import Clip, write_manifest
from dawn.demo import generate_truth, render_clip
from dawn.features.clips import ClipStore
from dawn.features.frame_store import FrameStore
from dawn.features.pack import pack
from dawn.features.store import Features
from dawn.features.versions import extractor_version
from dawn.media.json_files import write_json
from dawn.media.video import load_frames
from dawn.media.video_writer import write_video
from dawn.paths import Paths
from dawn.stages import clips_of, schedule_of
from dawn.training.a2v_batches import A2vSampler
from dawn.training.batch_shard import BatchShard
from dawn.training.lfg_batches import LfgSampler
from dawn.training.loader import BatchLoader, Sampler
from dawn.training.pbnet_batches import PbnetSampler

CLIPS = 2
WINDOW = 40  # frames
SAMPLES = {"whole video": 2}  # of each kind that are timed; others MANY
MANY = 30
BATCHES = 12  # of a stage, after the first
STAGES = ("lfg", "pbnet", "a2v_stage2")  # whose batches are loaded


class Frames(Protocol):
    """Interface of what frames are read from."""

    def frames(self, index: int, which: Sequence[int]) -> Tensor:
        """Read frames `which` of clip `index`."""
        ...


class WholeVideos:
    """Videos that are decoded whole for each sample, as where a cache does not hold the corpus."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files

    def frames(self, index: int, which: Sequence[int]) -> Tensor:
        """Decode a clip and select frames `which`."""
        return torch.from_numpy(np.ascontiguousarray(load_frames(self.files[index]).transpose(0, 3, 1, 2)))[list(which)]


def samples(side: int, seconds: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure clips of `seconds` at `side` pixels: milliseconds a sample by way of reading, and of a stage's batch.

    The first table also has the milliseconds of a core that packing a frame takes.
    """
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="dawn-bench-") as folder:
        place = Path(folder)
        paths = _corpus(place, side, round(seconds * 25))
        clips = [_clip(index, round(seconds * 25)) for index in range(CLIPS)]
        videos = [paths.clip(clip.clip) for clip in clips]
        ways: dict[str, tuple[Frames, list[Path]]] = {
            "whole video": (WholeVideos(videos), videos),
            "from a key frame": (ClipStore(clips, paths), videos),
        }
        batches = []
        packing = {}
        for store in ("jpeg", "raw"):
            config = _config(side, store)
            packed = Paths.of(config, place / store)
            for name in ("clips.csv", str(side)):
                packed.corpus.mkdir(parents=True, exist_ok=True)
                (packed.corpus / name).symlink_to(paths.corpus / name)
            clock = time.process_time()
            pack(config, packed, 0)
            packing[f"packed, {store}"] = 1000 * (time.process_time() - clock) / sum(clip.frames for clip in clips)
            file = packed.store(0).rename(place / f"{store}.safetensors")
            opened = FrameStore(clips, [file])
            ways[f"packed, {store}"] = opened, [file]
            for stage, workers in itertools.product(STAGES, (0, 1, 2)):
                seconds_of_batch = _batch_seconds(config, opened, workers, stage)
                batches.append((stage, store, workers, side, schedule_of(config, stage).batch, 1000 * seconds_of_batch))
        rows = [(way, side, *_measured(way, frames, files, videos)) for way, (frames, files) in ways.items()]
    columns = ["way", "side", "pair_ms", "pair_cold_ms", "window_ms", "window_cold_ms", "bytes_a_frame", "psnr_db"]
    table = pd.DataFrame(rows, columns=columns)
    for kind in ("pair", "window"):
        table[f"{kind}_times_faster"] = table[f"{kind}_ms"].iloc[0] / table[f"{kind}_ms"]
    table["pack_ms_a_frame"] = table.way.map(packing)
    return table, pd.DataFrame(batches, columns=["stage", "store", "workers", "side", "batch", "batch_ms"])


def _measured(way: str, source: Frames, files: list[Path], videos: list[Path]) -> tuple[float, ...]:
    """Measure milliseconds of pairs and windows, warm and cold, bytes a frame of the files, and the error of pixels."""
    first = load_frames(videos[0])
    times = []
    for draw in (_pair, _window):
        for cold in (False, True):
            drawn = list(draw(len(first), SAMPLES.get(way, MANY)))
            took = [_seconds(lambda: source.frames(clip, which), files if cold else []) for clip, which in drawn]  # noqa: B023
            times.append(1000 * float(np.mean(took)))
    difference = source.frames(0, range(len(first))).numpy().transpose(0, 2, 3, 1).astype(np.float32) - first
    error = float(np.mean(np.square(difference)))
    size = sum(file.stat().st_size for file in files) / (CLIPS * len(first))
    return (*times, size, 10 * np.log10(255**2 / error) if error else np.inf)


def _seconds(run: Callable[[], Any], forgotten: list[Path]) -> float:
    for path in forgotten:
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    clock = time.perf_counter()
    run()
    return time.perf_counter() - clock


def _pair(frames: int, count: int) -> Iterator[tuple[int, list[int]]]:
    rng = np.random.default_rng(0)
    for _ in range(count):
        yield int(rng.integers(CLIPS)), rng.integers(frames, size=2).tolist()


def _window(frames: int, count: int) -> Iterator[tuple[int, range]]:
    rng = np.random.default_rng(0)
    for _ in range(count):
        start = int(rng.integers(frames - WINDOW + 1))
        yield int(rng.integers(CLIPS)), range(start, start + WINDOW)


def _batch_seconds(config: Config, clips: FrameStore, workers: int, stage: str) -> float:
    """Measure the mean time of a batch of the paper in a stage: of a core without workers, else between arrivals."""
    samplers: dict[str, Sampler] = {
        "lfg": LfgSampler(config, clips),
        "pbnet": PbnetSampler(config, clips),
        "a2v_stage2": A2vSampler(config, clips_of(config, stage), clips),
    }
    batch = schedule_of(config, stage).batch
    shard = BatchShard(1, stage, 0, batch, range(batch))
    loader = BatchLoader(samplers[stage], shard, 0, BATCHES + 8, workers, torch.device("cpu"))
    clock = time.perf_counter if workers else time.process_time
    arrivals = [clock() for _ in loader]  # the first ones while workers start
    return (arrivals[-1] - arrivals[7]) / BATCHES


def _corpus(place: Path, side: int, frames: int) -> Paths:
    """Write drawn clips with noise, random features and the reports of preparation."""
    paths = Paths.of(_config(side, "raw"), place / "data")
    rng = np.random.default_rng(0)
    clips = [_clip(index, frames) for index in range(CLIPS)]
    for index, clip in enumerate(tqdm(clips, desc="drawn clips", unit="clip")):
        render_clip(generate_truth(1234, 1000 + index, 0, 4.0), side, place / "drawn.mp4")
        write_video(paths.clip(clip.clip), _noisy(load_frames(place / "drawn.mp4"), frames, rng))
        shapes = {"landmarks": (68, 2), "pose": (6,), "blink": (2,), "blendshapes": (52,), "speech": (1024,)}
        values: dict[str, Any] = {
            name: rng.normal(size=(frames, *shape)).astype(np.float32)
            for name, shape in {**shapes, "face_box": (4,), "mouth_box": (4,)}.items()
        }
        values |= {"found": np.ones(frames, np.bool_), "encoder": "none", "fps": 25.0}
        features = Features(**values, extractor=extractor_version(_config(side, "raw").features))
        features.save(paths.clip_features(clip.clip))
    write_manifest(paths.manifest, clips)
    files = dict.fromkeys((clip.clip for clip in clips), "0")
    for stage in ("clips", "features"):
        report = {"files": files, "rejected": [], "frames": dict.fromkeys(files, frames)}
        write_json(paths.shard(stage, 0), report)
    return paths


def _noisy(video: NDArray[np.uint8], frames: int, rng: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """Repeat a video forwards and backwards, with the noise of a camera."""
    there_and_back = [*range(len(video)), *range(len(video) - 2, 0, -1)]
    for index in range(frames):
        frame = video[there_and_back[index % len(there_and_back)]]
        yield np.clip(frame + rng.normal(scale=2, size=frame.shape), 0, 255).astype(np.uint8)


def _clip(index: int, frames: int) -> Clip:
    return Clip(f"clip{index}", f"person{index}", "train", frames, frames / 25, f"clip{index}.mp4", "0" * 64)


def _config(side: int, store: str) -> Config:
    return parse(
        {
            "corpus": {"name": "bench", "kind": "folder", "resolution": side, "shards": 1},
            "features": {"speech": {"encoder": "none", "dim": 1024}},
            "data": {"store": store},
            "lfg": {"train": {"steps": 1, "batch": 100}},
            "pbnet": {"train": {"steps": 1, "batch": 40}},
            "a2v": {
                "stage1": {"steps": 1},
                "stage2": {"steps": 1, "batch": 40, "source": "random", "frames_min": 40, "frames_max": 40},
            },
        }
    )
