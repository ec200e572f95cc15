"""Speed and memory of preparing a folder of videos, against a straightforward script.

The script processes the videos in one process: detect the face, decode again and crop; then landmarks, pose and eyes,
each in a separate pass of Face Landmarker with separate decoding; then speech. Preparation decodes a clip once for all
of these, and its shards are processes; the time is that of its commands as the workflow starts them, with loading.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from dawn.config import Config, parse
from dawn.corpora.manifest import Clip, read_manifest
from dawn.corpora.prepare import prepare, write_clip
from dawn.demo import generate_truth, render_clip
from dawn.errors import InputError
from dawn.features.blink import eye_aspect_ratios
from dawn.features.landmarks import Face, FaceLandmarker
from dawn.features.portrait import find_box
from dawn.features.pose import head_pose
from dawn.features.speech import encode
from dawn.fingerprint import ROOT
from dawn.media.audio import read_audio
from dawn.media.json_files import read_json
from dawn.media.video import iter_frames
from dawn.paths import Paths

_SIDE = 256  # of rendered videos, pixels
_SECONDS = 5.0
_MANY, _FEW = 1000, 100  # numbers of clips for which memory is compared
_SHORT = 0.4  # seconds, length of each of these clips
# Runs a command and prints the peak memory of its largest process. A separate small program, because the peak of a
# process includes the memory of its parent at the start.
_PEAK = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(peak * (1 if sys.platform == "darwin" else 1024))
sys.exit(done.returncode)
"""


def compare(people: int, resolution: int, videos: Path | None, processes: int) -> pd.DataFrame:
    """Measure the script and preparation on the videos in folder `videos`, or on `people` rendered ones.

    resolution: side of the prepared clips in pixels. processes: shards at once. Returns one row per variant: frames per
    second, and how many times faster than the script. Raises InputError for videos that cannot be prepared.
    """
    with tempfile.TemporaryDirectory(prefix="dawn-bench-") as folder:
        place = Path(folder)
        root = videos if videos is not None else _drawn(place / "raw", people, _SECONDS)
        config = _config(root.resolve(), resolution, processes)
        seconds = {}
        paths = _listed(config, place / "plain")
        clock = time.perf_counter()
        frames = _plainly(config, paths)
        seconds["one tool after the other"] = time.perf_counter() - clock
        for count in sorted({1, processes}):
            ours = place / f"ours-{count}"
            made = _listed(_config(root.resolve(), resolution, count), ours)
            clock = time.perf_counter()
            for step in ("clips", "features"):
                _run(ours, step, count)
            seconds[f"preparation, {count} at once"] = time.perf_counter() - clock
            reports = [read_json(made.shard(step, k)) for step in ("clips", "features") for k in range(count)]
            if any(report["rejected"] for report in reports):
                raise InputError(f"{root}: not all of these videos can be prepared; leave out those that cannot")
    plain = next(iter(seconds.values()))
    rows = [(way, frames, took, frames / took, plain / took) for way, took in seconds.items()]
    return pd.DataFrame(rows, columns=["way", "frames", "seconds", "frames_per_second", "times_faster"])


def memory() -> pd.DataFrame:
    """Measure peak memory of a shard, of its largest process, for few and for many clips."""
    rows = []
    for count in (_FEW, _MANY):
        with tempfile.TemporaryDirectory(prefix="dawn-bench-") as folder:
            place = Path(folder)
            one = next(_drawn(place / "one", 1, _SHORT).iterdir())
            (place / "raw").mkdir()
            for index in range(count):
                os.link(one, place / "raw" / f"c{index:04d}.mp4")
            config = _config(place / "raw", 64, 1)
            _listed(config, place / "ours")
            for step in ("clips", "features"):
                [peak] = _run(place / "ours", step, 1)
                rows.append((f"{step} of a shard", count, peak))
    return pd.DataFrame(rows, columns=["way", "clips", "peak_mib"])


def _listed(config: Config, place: Path) -> Paths:
    """List the corpus of `config`, below a new folder in which its commands are then run."""
    paths = Paths.of(config, data=place / "data")
    place.mkdir()
    (place / "config.yaml").write_text(config.dump(), encoding="utf-8")
    prepare(config.corpus, paths.corpus)
    return paths


def _config(root: Path, resolution: int, shards: int) -> Config:
    folder = {"root": str(root), "identity": "(?P<identity>[^/]+)$", "min_seconds": 0.1}
    corpus = {"name": "bench", "kind": "folder", "resolution": resolution, "shards": shards, "folder": folder}
    return parse({"name": "bench", "corpus": corpus})


def _drawn(folder: Path, people: int, seconds: float) -> Path:
    folder.mkdir()
    for index in tqdm(range(people), desc="drawn videos", unit="video"):
        render_clip(generate_truth(1234, 1000 + index, 0, seconds), _SIDE, folder / f"p{index:03d}.mp4")
    return folder


def _run(place: Path, step: str, shards: int) -> list[float]:
    """Run the shards of a step at once and return the peak memory of each in MiB. Raises InputError when one fails."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    command = [
        sys.executable,
        "-c",
        _PEAK,
        sys.executable,
        "-m",
        "dawn.cli",
        step,
        "--config",
        "config.yaml",
        "--shard",
    ]
    quiet: Any = {"cwd": place, "env": environment, "stderr": subprocess.DEVNULL, "stdout": subprocess.PIPE}
    started = [subprocess.Popen([*command, str(shard)], **quiet) for shard in range(shards)]
    peaks = []
    for process in started:
        output, _ = process.communicate()
        if process.returncode:
            raise InputError(f"'dawn {step}' failed on these videos; prepare them as a corpus to see why")
        peaks.append(int(output) / 2**20)
    return peaks


def _plainly(config: Config, paths: Paths) -> int:
    """Run the straightforward script and return the number of frames of the clips."""
    frames = 0
    for clip in tqdm(read_manifest(paths.manifest), desc="one tool after the other", unit="clip"):
        out = paths.clip(clip.clip)
        _cropped(config, paths, clip, out)
        found: dict[str, list[Any]] = {}
        for name, tool in _TOOLS.items():
            found[name] = list(_each(config, out, tool))
        frames += len(found["landmarks"])
        np.savez(
            out.with_suffix(".npz"), speech=encode(read_audio(out), len(found["landmarks"]), config.features.speech)
        )
    return frames


def _cropped(config: Config, paths: Paths, clip: Clip, out: Path) -> None:
    with FaceLandmarker(config.features.detect_side, static=True) as landmarker:
        write_clip(config.corpus, clip, paths.corpus, out, lambda frame: find_box(landmarker, frame))


_TOOLS: dict[str, Callable[[Face, tuple[int, ...]], Any]] = {
    "landmarks": lambda face, _: face.landmarks,
    "pose": lambda face, shape: head_pose(face.transform, shape[1], shape[0]),
    "eyes": lambda face, _: eye_aspect_ratios(face.landmarks[None]),
}


def _each(config: Config, video: Path, tool: Callable[[Face, tuple[int, ...]], Any]) -> Iterator[Any]:
    with FaceLandmarker(config.features.detect_side) as landmarker:
        for frame in iter_frames(video, config.corpus.fps):
            face = landmarker.detect(frame)
            yield None if face is None else tool(face, frame.shape)
