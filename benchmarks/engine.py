"""Time and memory of the denoiser, the decoder and whole videos, against the plain reference network.

Each measurement runs in a separate process, so that peak memory is measured separately. The two implementations
alternate, and the fastest of `repeat` measurements counts: other programs on the machine slow some measurements, never
all of one implementation.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from dawn.choices import Device
from dawn.config import load
from dawn.errors import InputError
from dawn.plan.measurements import StepMeasurement, network_of
from dawn.precision import Products, resolve
from dawn.provenance import commit
from dawn.stages import clips_of, schedule_of, stages_of

FRAMES = (40, 80, 160, 200, 400, 800, 1500)  # lengths in frames: the paper's and longer ones
VIDEOS = (40, 200)  # lengths of whole videos, frames
STEPS = 20  # sampling steps, published
FAST_STEPS = 6  # steps of DPM-Solver++ in the fast video
TRAINING_STEPS = 6  # training steps that are timed
BATCHES = (1, 2, 4, 8, 16, 64)  # frames decoded at once


@dataclass(frozen=True)
class EngineOptions:
    """Sizes of the measurements: lengths in frames, CPU threads and repetitions."""

    frames: Sequence[int] = FRAMES
    plain_to: int = 400  # longest pass of the plain network, whose memory grows with the square of the length
    videos: Sequence[int] = VIDEOS
    threads: int = 2
    repeat: int = 2
    demo: Path = Path("config/demo.yaml")  # configuration of the training step
    device: Device = "cpu"
    stages: Path = Path("config/smoke.yaml")  # configuration of the steps of each stage

    @property
    def precisions(self) -> tuple[Products, ...]:
        """Precisions in which passes, videos and stages are measured."""
        return ("exact", "tf32", "bfloat16") if self.device == "cuda" else ("exact",)

    @property
    def lowest(self) -> Products:
        """The lowest precision that is fast on the device."""
        return resolve("bfloat16", torch.device(self.device), auto="exact")


def pass_by_length(options: EngineOptions) -> pd.DataFrame:
    """Measure seconds and memory of a denoiser pass, by length."""
    rows = []
    for frames, precision in itertools.product(options.frames, options.precisions):
        tasks: dict[str, dict[str, Any]] = {
            path: {"task": "pass", "path": path, "frames": frames, "precision": precision}
            for path in (("engine", "plain") if frames <= options.plain_to else ("engine",))
        }
        results, outputs = _best(options, tasks)
        row: dict[str, Any] = {"frames": frames, "precision": precision}
        for path, measured in results.items():
            row |= {f"{path}_{name}": value for name, value in measured.items()}
        row["engine_seconds_per_frame"] = row["engine_seconds"] / frames
        if "plain" in results:
            row |= {
                name: row[f"plain_{name}"] / row[f"engine_{name}"] for name in ("seconds", "cpu_seconds", "peak_mib")
            }
            row["largest_difference"] = _largest(outputs["engine"], outputs["plain"])
        rows.append(row)
    return pd.DataFrame(rows)


def pass_by_part(options: EngineOptions) -> pd.DataFrame:
    """Measure seconds and operations of a pass, by kind of operation: of 40 frames, or of 200 on a GPU."""
    frames, precision = (200, "bfloat16") if options.device == "cuda" else (40, "exact")
    results = _child(options, {"task": "where", "frames": frames, "precision": precision})
    rate_of_products = results["product_rates"][precision]
    total = sum(results["seconds"].values())
    rows: list[dict[str, Any]] = []
    for part, seconds in results["seconds"].items():
        operations = results["flops"].get(part)
        row = {"part": part, "seconds": seconds, "share": seconds / total}
        if operations:
            rate = operations / seconds
            row |= {"gflop": operations / 1e9, "gflop_per_second": rate / 1e9}
            row["share_of_large_product_rate"] = rate / rate_of_products
        rows.append(row)
    if results["kernels"]:
        rows.append({"part": "kernels", "launches": results["kernels"]})
    for name, rate in results["product_rates"].items():
        rows.append({"part": f"large matrix product, {name}", "gflop_per_second": rate / 1e9})
    return pd.DataFrame(rows)


def decoding(options: EngineOptions) -> pd.DataFrame:
    """Measure frames per second of the decoder: the source encoded for every frame, or once with decoding in
    batches."""
    tasks: dict[str, dict[str, Any]] = {"encode per frame": {"task": "decode", "path": "plain", "frames": 16}}
    for batch in BATCHES:
        tasks[f"batches of {batch}"] = {"task": "decode", "path": "engine", "frames": 64, "batch": batch}
    for way in list(tasks) if options.lowest != "exact" else ():
        tasks[f"{way}, {options.lowest}"] = tasks[way] | {"precision": options.lowest}
    results, _ = _best(options, tasks)
    rows = [
        {"way": way, "frames_per_second": tasks[way]["frames"] / measured["seconds"], "peak_mib": measured["peak_mib"]}
        for way, measured in results.items()
    ]
    table = pd.DataFrame(rows)
    return table.assign(over_encode_per_frame=table.frames_per_second / table.frames_per_second[0])


def inexact_options(options: EngineOptions) -> pd.DataFrame:
    """Measure error and speed of each inexact option alone."""
    tasks: dict[str, dict[str, Any]] = {"exact": {"task": "pass", "path": "engine", "frames": 40}}
    for precision in sorted({*options.precisions, options.lowest} - {"exact"}):
        tasks[precision] = tasks["exact"] | {"precision": precision}
    results, outputs = _best(options, tasks)
    rows = [
        {
            "option": name,
            "error": _spread(outputs[name], outputs["exact"]),
            "error_of": "one pass of 40 frames, against the exact one",
            "speed": results["exact"]["seconds"] / measured["seconds"],
        }
        for name, measured in results.items()
    ]
    steps = [5, FAST_STEPS, 10, 15, STEPS]
    errors = _child(options, {"task": "solver", "frames": 4, "steps": steps})
    rows += [
        {
            "option": f"{kind}, {count} steps",
            "error": error,
            "error_of": "a noise-free sample of 4 frames, against 200 steps of the same solver",
            "speed": STEPS / count,
        }
        for kind, of_kind in errors.items()
        for count, error in zip(steps, of_kind, strict=True)
    ]
    return pd.DataFrame(rows)


def whole_videos(options: EngineOptions) -> pd.DataFrame:
    """Measure whole videos: exact, and with all inexact options except compilation.

    Seconds of the plain network are computed from those of a pass and of the decoder.
    """
    rows = []
    for frames in options.videos:
        video = {"task": "video", "frames": frames, "steps": STEPS, "solver": "ddim"}
        tasks: dict[str, dict[str, Any]] = {name: video | {"precision": name} for name in options.precisions}
        tasks["fast"] = tasks["exact"] | {"steps": FAST_STEPS, "solver": "dpm++", "precision": options.lowest}
        parts = {
            "pass": {"task": "pass", "path": "plain", "frames": frames},
            "decode": {"task": "decode", "path": "plain", "frames": 16},
        }
        results, _ = _best(options, tasks | parts if frames <= options.plain_to else tasks)
        row: dict[str, Any] = {"frames": frames}
        if "pass" in results:
            row["plain_seconds"] = STEPS * results["pass"]["seconds"] + frames / 16 * results["decode"]["seconds"]
        for way in tasks:
            row |= {f"{way}_seconds": results[way]["seconds"], f"{way}_peak_mib": results[way]["peak_mib"]}
            if "pass" in results:
                row[f"plain_over_{way}"] = row["plain_seconds"] / row[f"{way}_seconds"]
        rows.append(row)
    return pd.DataFrame(rows)


def training_step(options: EngineOptions) -> pd.DataFrame:
    """Measure a training step of A2V with the configuration `demo`, plain and engine.

    On one thread, as in each of the demo's two processes.
    """
    rows = []
    for name, everywhere in (
        ("the demo's, regions recomputed", False),
        ("attention everywhere, plain network", True),
    ):
        task = {
            "task": "train",
            "demo": str(options.demo),
            "steps": TRAINING_STEPS,
            "everywhere": everywhere,
            "threads": 1,
        }
        results, _ = _best(options, {path: task | {"path": path} for path in ("plain", "engine")})
        row: dict[str, Any] = {"before": name}
        row |= {f"{path}_{key}": value for path in results for key, value in results[path].items()}
        rows.append(row | {"speed": row["plain_seconds"] / row["engine_seconds"]})
    return pd.DataFrame(rows)


def stage_steps(options: EngineOptions) -> pd.DataFrame:
    """Measure a training step of each stage of the configuration `stages`, without data, in each precision.

    ``dawn plan --measured`` reads the table.
    """
    compilations = (False, True) if options.device == "cuda" else (False,)
    config = load(options.stages)
    kinds = [
        (stage, compiled)
        for stage in stages_of(config)
        for compiled in (compilations if stage.startswith("a2v") else (False,))
    ]
    rows = []
    for (name, compiled), precision in itertools.product(kinds, options.precisions):
        task = {"task": "stage", "name": name, "config": str(options.stages), "steps": TRAINING_STEPS}
        results = _child(options, task | {"precision": precision, "compiled": compiled})
        measured = StepMeasurement(
            device=results["device"],
            torch=torch.__version__,
            code=commit(),
            stage=name,
            network=network_of(config, name),
            side=config.corpus.resolution,
            batch=schedule_of(config, name).batch,
            frames=results["frames"],
            precision=precision,
            compiled=compiled,
            recompute=name.startswith("a2v") and clips_of(config, name).recompute,
            seconds=results["seconds"],
            peak_gib=results["peak_mib"] / 1024,
        )
        rows.append(measured.model_dump())
    return pd.DataFrame(rows)


def _best(
    options: EngineOptions, tasks: dict[str, dict[str, Any]]
) -> tuple[dict[str, dict[str, float]], dict[str, np.ndarray]]:
    """Return the smallest value of each number over the repetitions, and the outputs of passes."""
    least: dict[str, dict[str, float]] = {}
    outputs = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.repeat):
            for name, task in tasks.items():
                out = Path(folder) / f"{name}.npy"
                results = _child(options, task | ({"out": str(out)} if task["task"] == "pass" else {}))
                least[name] = {key: min(value, least.get(name, results)[key]) for key, value in results.items()}
                if out.exists():
                    outputs[name] = np.load(out)
    return least, outputs


def _child(options: EngineOptions, task: dict[str, Any]) -> dict[str, Any]:
    """Run one measurement in a new process and return its result. Raises InputError when it fails."""
    print(
        f"measuring {' '.join(str(value) for key, value in task.items() if key != 'out')}", file=sys.stderr, flush=True
    )
    environment = os.environ | {"OMP_NUM_THREADS": str(task.get("threads", options.threads))}
    common = {"threads": options.threads, "device": options.device}
    command = [sys.executable, "-m", "benchmarks.measurement", json.dumps(common | task)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"signal {-done.returncode}, as when memory runs out"])[-1]
        raise InputError(f"measuring {task} failed: {reason}")
    return json.loads(done.stdout.splitlines()[-1])


def _largest(output: np.ndarray, reference: np.ndarray) -> float:
    """Compute the largest absolute difference, relative to the largest absolute value of the reference."""
    return float(np.abs(output - reference).max() / np.abs(reference).max())


def _spread(output: np.ndarray, reference: np.ndarray) -> float:
    """Compute the root mean square of the difference, relative to the standard deviation of the reference."""
    return float(np.sqrt(np.square(output - reference).mean()) / reference.std())


TABLES = {
    "pass": pass_by_length,
    "where": pass_by_part,
    "decode": decoding,
    "options": inexact_options,
    "video": whole_videos,
    "training": training_step,
    "stages": stage_steps,
}
