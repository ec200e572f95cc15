"""How long each strategy takes (paper 4.3 and A.4.3): one run, the same clips, taken in turns.

Timed is the way from speech features to decoded pictures: pose and blink, motion, decoding. Not timed are what happens
once for any number of videos (reading weights), encoding speech (as in the paper), and writing and measuring the video.
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
from tqdm import tqdm

from dawn.config import Config
from dawn.corpora.manifest import Clip, read_manifest
from dawn.features.store import Features
from dawn.generation.longer import speech_of, spoken
from dawn.generation.motion import Source, sample_pose_blink
from dawn.generation.networks import Networks
from dawn.generation.strategies import load_strategy
from dawn.generation.testset import source_of
from dawn.generation.timed import Timed
from dawn.media.json_files import write_json
from dawn.methods import networks_of_method, strategies
from dawn.paths import Paths
from dawn.provenance import commit
from dawn.seeds import torch_generator


def time_strategies(config: Config, paths: Paths) -> None:
    """Write ``<run>/timing.json``: seconds of every repetition, and their median with an interval, for each method.

    A first round of each warms up and is not counted. The keys are the methods' names: DAWN's own strategy is ``dawn``.
    """
    torch.set_num_threads(config.generate.threads)
    stages = dict.fromkeys(
        stage for method in strategies().values() for stage in networks_of_method(config, method.name)
    )
    nets = Networks.load(paths.run, config, stages=tuple(stages))
    frames, rounds = config.compare.time_frames, config.compare.time_repetitions
    clips = read_manifest(paths.test)[: config.compare.time_clips]
    every = [clip for clip in read_manifest(paths.dataset) if clip.split == "test"]
    given = {clip.clip: _given(clip, every, frames, paths) for clip in clips}
    seconds: dict[str, dict[str, list[float]]] = {}
    jobs = list(itertools.product(range(rounds + 1), clips, strategies()))
    for turn, clip, strategy in tqdm(jobs, desc="time strategies", unit="video", mininterval=2):
        taken = _seconds(nets, strategy, *given[clip.clip], seed=config.seed)
        if turn:
            seconds.setdefault(strategies()[strategy].name, {}).setdefault(clip.clip, []).append(taken)
    coverage = config.evaluate.interval
    write_json(
        paths.run / "timing.json",
        {
            "methods": {
                method: summary([one for runs in by_clip.values() for one in runs], coverage)
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


def summary(seconds: Sequence[float], coverage: float) -> dict[str, float | int]:
    """Median and the narrowest interval of order statistics that covers it so often; few times give their range."""
    ordered, n = sorted(seconds), len(seconds)
    cut = 0
    while 2 * sum(math.comb(n, k) for k in range(cut + 2)) / 2**n <= 1 - coverage:
        cut += 1
    return {"value": statistics.median(ordered), "low": ordered[cut], "high": ordered[n - 1 - cut], "n": n}


def _given(clip: Clip, every: Sequence[Clip], frames: int, paths: Paths) -> tuple[Source, NDArray[np.float32]]:
    features = Features.load(paths.features / f"{clip.clip}.safetensors")
    return source_of(clip, features, paths), speech_of(spoken(every, clip, frames), frames, paths)


def _seconds(nets: Networks, strategy: str, source: Source, speech: NDArray[np.float32], seed: int) -> float:
    """Seconds of one video; frames are on the CPU when they are given, so that a GPU has done its work."""

    def whole() -> Iterator[NDArray[np.uint8]]:
        generator = torch_generator(seed)
        pose, blink = sample_pose_blink(nets, source, speech, generator)
        yield from load_strategy(strategy)(nets, source, speech, pose, blink, generator)

    timed = Timed(whole())
    for _ in timed:
        pass
    return timed.seconds
