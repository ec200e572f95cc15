"""Time and memory of what handles a whole corpus, by its number of clips.

A corpus of any size is built from one drawn clip: its video and its features have a name for each clip, the packed
shards state their full size and hold nothing else. Manifest, reports and headers are complete. Each measurement is
made in a process of its own.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from dawn.config import Config, parse
from dawn.corpora.manifest import Clip, read_manifest, write_manifest, write_rejected
from dawn.demo import generate_truth, render_clip
from dawn.errors import InputError
from dawn.features.dataset import gather
from dawn.features.pack import shard_writer, store_fingerprint
from dawn.features.store import Features
from dawn.features.versions import extractor_version
from dawn.fingerprint import ROOT
from dawn.media.json_files import write_json
from dawn.paths import Paths
from dawn.stages import clips_of
from dawn.training.a2v_batches import A2vSampler
from dawn.training.batch_shard import BatchShard
from dawn.training.clip_views import Clips
from dawn.training.lfg_batches import LfgSampler
from dawn.training.loader import Sampler
from dawn.training.pbnet_batches import PbnetSampler
from dawn.training.training_clips import training_clips

FRAMES = 63  # of each clip, the mean of CREMA-D
SIDE = 128
IDENTITIES = 1000
BATCHES = 200
BATCH = 8  # samples
# How Snakemake runs a job in a process of its own.
_IN_A_JOB = ("--mode", "subprocess", "--target-jobs", f"features:corpus=bench,resolution={SIDE},shard=0")
_LINKS = 50_000  # names of one file; ext4 allows 65,000


def measure(counts: Sequence[int], shards: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure corpora of `counts` clips in `shards` shards.

    Returns one row per process and count: seconds (of which on the CPU), memory in MiB before, after and at its peak,
    bytes of what a loader process is sent; and one row per count with numbers of files. Raises InputError where the
    operating system does not state the memory of a process.
    """
    if not Path("/proc/self/status").is_file():
        raise InputError("memory is read from /proc, which this system does not have; run it on Linux")
    rows, files = [], []
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="dawn-bench-") as folder:
            place = Path(folder)
            config = _config(shards)
            rows.append({"what": "workflow, dry run before preparation", "clips": count, **_dry_run(config, place)})
            paths = _built(config, place, count)
            for what, function in _PARTS.items():
                rows.append({"what": what, "clips": count, **_in_a_process(function, config, paths)})
            rows.append({"what": "workflow, dry run after preparation", "clips": count, **_dry_run(config, place)})
            rows.append({"what": "workflow, job of one shard", "clips": count, **_dry_run(config, place, *_IN_A_JOB)})
            files.append({"clips": count, "shards": shards, **_files(paths)})
    return pd.DataFrame(rows), pd.DataFrame(files)


def _read_manifest(config: Config, paths: Paths) -> Any:
    return read_manifest(paths.manifest)


def _gather(config: Config, paths: Paths) -> None:
    gather(config, paths)


def _open_packed(config: Config, paths: Paths) -> Any:
    return training_clips(config, paths)


def _open_videos(config: Config, paths: Paths) -> Any:
    return training_clips(config.model_copy(update={"data": config.data.model_copy(update={"store": "none"})}), paths)


def _draw_lfg(config: Config, paths: Paths) -> Any:
    return _drawn(config, paths, "lfg", LfgSampler)


def _draw_pbnet(config: Config, paths: Paths) -> Any:
    return _drawn(config, paths, "pbnet", PbnetSampler)


def _draw_a2v(config: Config, paths: Paths) -> Any:
    stage = clips_of(config, "a2v_stage2")
    return _drawn(config, paths, "a2v_stage2", lambda config, clips: A2vSampler(config, stage, clips))


def _drawn(config: Config, paths: Paths, stage: str, sampler_of: Callable[[Config, Clips], Sampler]) -> Any:
    clips = training_clips(config, paths)
    sampler = sampler_of(config, clips)
    for step in range(BATCHES):
        sampler(BatchShard(1, stage, step, BATCH, range(BATCH)))
    return clips


_PARTS: dict[str, Callable[[Config, Paths], Any]] = {
    "dataset of all reports": _gather,  # first: the others read it
    "manifest": _read_manifest,
    "packed clips, opened": _open_packed,
    "packed clips, batches of lfg": _draw_lfg,
    "packed clips, batches of pbnet": _draw_pbnet,
    "packed clips, batches of a2v_stage2": _draw_a2v,
    "videos, opened": _open_videos,
}


def _in_a_process(function: Callable[[Config, Paths], Any], config: Config, paths: Paths) -> dict[str, float]:
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_measured, args=(function, config, paths, sender))
    process.start()
    sender.close()
    try:
        result: dict[str, float] = receiver.recv()
    except EOFError:
        raise InputError(f"the benchmark's process ended with exit code {process.exitcode}") from None
    process.join()
    return result


def _measured(function: Callable[[Config, Paths], Any], config: Config, paths: Paths, sender: Connection) -> None:
    torch.set_num_threads(1)
    before = _memory("VmRSS")
    clock, processor = time.perf_counter(), time.process_time()
    result = function(config, paths)
    seconds, cpu = time.perf_counter() - clock, time.process_time() - processor
    gc.collect()
    numbers = {"seconds": seconds, "cpu_seconds": cpu, "before_mib": before, "after_mib": _memory("VmRSS")}
    numbers |= {"peak_mib": _memory("VmHWM")}
    if hasattr(result, "frames"):
        numbers["sent_bytes"] = len(pickle.dumps(result))
    sender.send(numbers)


def _memory(field: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def _dry_run(config: Config, place: Path, *options: str) -> dict[str, float]:
    """Run ``snakemake -n`` in `place`, whose configurations are those of this repository, for the target ``all``.

    `options` replaces the target.
    """
    if not (place / "config").exists():
        (place / "config").symlink_to(ROOT / "config")
        (place / "bench.yaml").write_text(config.dump(), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "all", "--cores", "1", "--snakefile"]
    command += [str(ROOT / "Snakefile"), "--configfile", "bench.yaml", *(options or ["--", "all"])]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    clock = time.perf_counter()
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - clock
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise InputError(f"snakemake -n failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return {"seconds": seconds, "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def _files(paths: Paths) -> dict[str, int]:
    sizes = [len(files) for _, _, files in os.walk(paths.corpus)]
    return {"files": sum(sizes), "folders": len(sizes), "largest_folder": max(sizes)}


def _built(config: Config, place: Path, count: int) -> Paths:
    """Write a corpus of `count` clips, without its dataset."""
    paths = Paths.of(config, place / "data", place / "results")
    render_clip(generate_truth(1234, 1000, 0, FRAMES / 25), SIDE, place / "drawn.mp4")
    _features(config).save(place / "drawn.safetensors")
    clips = [_clip(index) for index in range(count)]
    write_manifest(paths.manifest, clips)
    write_rejected(paths.corpus / "rejected.corpus.csv", [])
    write_json(paths.corpus / "coverage.json", {"clips": {"listed": count, "had": count}, "videos": None})
    for stage, suffix, file_of in (("clips", ".mp4", paths.clip), ("features", ".safetensors", paths.clip_features)):
        for index, clip in enumerate(tqdm(clips, desc=stage, unit="clip", mininterval=2)):
            if index % _LINKS == 0:
                drawn = place / f"drawn-{index}{suffix}"
                drawn.write_bytes((place / f"drawn{suffix}").read_bytes())
            path = file_of(clip.clip)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.hardlink_to(drawn)
        for shard in range(config.corpus.shards):
            names = [clip.clip for clip in clips[shard :: config.corpus.shards]]
            report: dict[str, Any] = {"files": dict.fromkeys(names, "0" * 64), "rejected": []}
            write_json(paths.shard(stage, shard), report | {"frames": dict.fromkeys(names, FRAMES)})
    for shard in tqdm(range(config.corpus.shards), desc="pack", unit="shard", mininterval=2):
        of_shard = clips[shard :: config.corpus.shards]
        paths.store(shard).parent.mkdir(exist_ok=True)
        with shard_writer(config, of_shard, store_fingerprint(config, paths, shard), paths.store(shard)) as file:
            if of_shard:  # the last row gives the file its size; the disk stores no other
                file.write("frames", len(of_shard) * FRAMES - 1, np.zeros((1, 3, SIDE, SIDE), np.uint8))
    return paths


def _features(config: Config) -> Features:
    widths = {"landmarks": (68, 2), "pose": (6,), "blink": (2,), "blendshapes": (52,), "face_box": (4,)}
    shapes = {**widths, "mouth_box": (4,), "mfcc": (4, 13), "speech": (config.features.speech.dim,)}
    values: dict[str, Any] = {name: np.zeros((FRAMES, *shape), np.float32) for name, shape in shapes.items()}
    values |= {"found": np.ones(FRAMES, np.bool_), "encoder": config.features.speech.encoder, "fps": 25.0}
    return Features(**values, extractor=extractor_version(config.features))


def _clip(index: int) -> Clip:
    name = f"id{index % IDENTITIES:05d}-{index:08d}-00001"
    return Clip(name, name[:7], "train", FRAMES, FRAMES / 25, f"{name}.mp4", f"{index:064x}")


def _config(shards: int) -> Config:
    stage = {"steps": 1, "batch": BATCH, "source": "random", "frames_min": 30, "frames_max": 40}
    return parse(
        {
            "name": "bench",
            "corpus": {"name": "bench", "kind": "folder", "resolution": SIDE, "shards": shards},
            "features": {"speech": {"encoder": "none", "dim": 1024}},
            "data": {"store": "raw"},
            "a2v": {"stage1": {"steps": 1}, "stage2": stage},
        }
    )
