"""Generation time of each strategy (paper 4.3 and A.4.3): one run, the same clips, strategies alternating.

Timed are pose and blink, motion and decoding: from speech features to decoded frames. Not timed are reading weights,
which happens once for any number of videos, encoding speech (as in the paper), and writing and evaluating the video.
"""

from __future__ import annotations

import itertools
import math
import platform
import statistics
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from dawn.config import Config
from dawn.corpora.manifest import Clip, read_manifest
from dawn.features.store import Features
from dawn.generation.driving import Source, start_video
from dawn.generation.networks import Networks
from dawn.generation.sequences import clips_filling, joined_speech
from dawn.generation.sources import source_of
from dawn.generation.strategies import load_strategy
from dawn.generation.timed import Timed
from dawn.media.json_files import write_json
from dawn.methods import networks_of_method, strategies
from dawn.paths import Paths
from dawn.provenance import commit


def time_strategies(config: Config, paths: Paths) -> None:
    """Write ``<run>/timing.json``: seconds of every repetition, and their median with an interval, by method.

    The first round of each strategy warms up and is not counted.
    """
    from tqdm import tqdm

    torch.set_num_threads(config.generate.threads)
    stages = dict.fromkeys(
        stage for method in strategies().values() for stage in networks_of_method(config, method.name)
    )
    nets = Networks.load(paths.run, config, stages=tuple(stages))
    frames, rounds = config.compare.time_frames, config.compare.time_repetitions
    clips = read_manifest(paths.test)[: config.compare.time_clips]
    test_split = [clip for clip in read_manifest(paths.dataset) if clip.split == "test"]
    inputs = {clip.clip: _inputs(clip, test_split, frames, paths) for clip in clips}
    seconds: dict[str, dict[str, list[float]]] = {}
    jobs = list(itertools.product(range(rounds + 1), clips, strategies()))
    for repetition, clip, strategy in tqdm(jobs, desc="time strategies", unit="video", mininterval=2):
        measured = seconds_of_video(nets, strategy, *inputs[clip.clip], seed=config.seed)
        if repetition:
            seconds.setdefault(strategies()[strategy].name, {}).setdefault(clip.clip, []).append(measured)
    coverage = config.evaluate.interval
    write_json(
        paths.run / "timing.json",
        {
            "methods": {
                method: summary([value for repetitions in by_clip.values() for value in repetitions], coverage)
                for method, by_clip in seconds.items()
            },
            "seconds": seconds,
            "frames": frames,
            "warm_up": 1,
            "timed": "pose and blink, motion and decoding; not reading weights, encoding speech, writing or measuring",
            "settings": config.generate.model_dump(mode="json"),
            "weights": nets.hashes,
            "device": str(nets.device),
            "machine": platform.platform(),
            "commit": commit(),
        },
    )


def seconds_of_video(nets: Networks, strategy: str, source: Source, speech: NDArray[np.float32], seed: int) -> float:
    """Measure the seconds to generate one video. Frames are copied to the CPU, which waits for the GPU's work."""

    def frames() -> Iterator[NDArray[np.uint8]]:
        yield from load_strategy(strategy)(nets, [start_video(nets, source, speech, seed)])

    timed = Timed(frames())
    for _ in timed:
        pass
    return timed.seconds


def summary(seconds: Sequence[float], coverage: float) -> dict[str, float | int]:
    """Compute the median and the narrowest interval of order statistics with this coverage.

    For few values, whose order statistics do not reach the coverage, the interval is their range.
    """
    ordered, n = sorted(seconds), len(seconds)
    cut = 0
    while 2 * sum(math.comb(n, k) for k in range(cut + 2)) / 2**n <= 1 - coverage:
        cut += 1
    return {"value": statistics.median(ordered), "low": ordered[cut], "high": ordered[n - 1 - cut], "n": n}


def _inputs(clip: Clip, test_split: Sequence[Clip], frames: int, paths: Paths) -> tuple[Source, NDArray[np.float32]]:
    features = Features.load(paths.clip_features(clip.clip))
    return source_of(clip, features, paths), joined_speech(clips_filling(test_split, clip, frames), frames, paths)
