"""``python -m benchmarks.dawn``: the engine against the plain path, in tables and plots.

Each measurement is a process of its own, so that its peak of memory is its own. The two paths take turns, and the
faster of `--repeat` turns counts: other work on the machine slows some turns, never all in favour of one path. `--only
extractors` compares the tools for landmarks and pose instead, in this process and on one core; `--only preparation`
times preparing videos against the straightforward script, `--only memory` looks at its memory over a thousand clips.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from benchmarks.dawn import preparation
from benchmarks.dawn.extractors import compare
from benchmarks.dawn.plots import plot_pass, plot_where
from dawn.commands import ListOptionsCommand, run_app
from dawn.errors import InputError
from dawn.media.files import atomic_path

ENGINE = ("pass", "where", "decode", "options", "video", "training")
PARTS = (*ENGINE, "extractors", "preparation", "memory")
FRAMES = (40, 80, 160, 200, 400, 800, 1500)
STEPS = 20  # published
FEW = 6  # steps of DPM-Solver++ in the fast video
TRAINED = 6  # training steps that are timed
BATCHES = (1, 2, 4, 8, 16, 64)


app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Options:
    """What the measurements share."""

    frames: tuple[int, ...]
    plain_to: int
    videos: tuple[int, ...]
    threads: int
    repeat: int
    people: int
    side: int
    demo: Path
    clips: Path | None


def main(arguments: Sequence[str] | None = None) -> int:
    """0 on success, 2 for input that cannot be used."""
    return run_app("python -m benchmarks.dawn", app, arguments)


@app.command(cls=ListOptionsCommand, help=__doc__, epilog="Example: python -m benchmarks.dawn --only pass video")
def bench(
    *,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="PART...", show_default="all of the engine", help=f"parts, of {', '.join(PARTS)}"),
    ] = None,
    frames: Annotated[str, typer.Option(help="lengths of passes")] = ",".join(map(str, FRAMES)),
    plain_to: Annotated[
        int, typer.Option(help="longest pass of the plain path: its memory grows with the square of the length")
    ] = 400,
    videos: Annotated[str, typer.Option(help="lengths of whole videos")] = "40,200",
    threads: Annotated[int, typer.Option(help="CPU threads")] = 2,
    repeat: Annotated[int, typer.Option(help="repetitions of each measurement")] = 2,
    people: Annotated[int, typer.Option(help="drawn clips for extractors and preparation")] = 16,
    side: Annotated[int, typer.Option(help="side of drawn clips, pixels")] = 128,
    demo: Annotated[Path, typer.Option(help="configuration for training")] = Path("config/demo.yaml"),
    clips: Annotated[Path | None, typer.Option(help="folder of real videos for extractors and preparation")] = None,
    out: Annotated[Path, typer.Option(help="folder of the results")] = Path("results/bench"),
) -> None:
    chosen = only or ENGINE
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        raise InputError(f"no part {unknown[0]!r}; parts are {', '.join(PARTS)}")
    options = Options(_numbers(frames), plain_to, _numbers(videos), threads, repeat, people, side, demo, clips)
    parts = {
        "pass": _pass,
        "where": _where,
        "decode": _decode,
        "options": _options,
        "video": _video,
        "training": _training,
        "extractors": _extractors,
        "preparation": _preparation,
        "memory": lambda _: preparation.memory(),
    }
    for name in PARTS:
        if name in chosen:
            table = parts[name](options)
            with atomic_path(out / f"{name}.csv") as aside:
                table.to_csv(aside, index=False, float_format="%.5g")
            print(
                f"\n{out / name}.csv\n{table.to_string(index=False, float_format='%.4g', na_rep='')}",
                flush=True,
            )
    plots = {"pass": plot_pass, "where": plot_where}
    for name, plot in plots.items():
        if name in chosen:
            with atomic_path(out / f"{name}.png") as aside:
                plot(pd.read_csv(out / f"{name}.csv"), aside)


def _pass(options: Options) -> pd.DataFrame:
    """Seconds and memory of a denoiser pass by length."""
    rows = []
    for frames in options.frames:
        asked = {"engine": {"task": "pass", "path": "engine", "frames": frames}}
        if frames <= options.plain_to:
            asked["plain"] = {"task": "pass", "path": "plain", "frames": frames}
        found, outputs = _best(options, asked)
        row: dict[str, Any] = {"frames": frames}
        for path, measured in found.items():
            row |= {f"{path}_{name}": value for name, value in measured.items()}
        row["engine_seconds_per_frame"] = row["engine_seconds"] / frames
        if "plain" in found:
            row |= {
                name: row[f"plain_{name}"] / row[f"engine_{name}"] for name in ("seconds", "cpu_seconds", "peak_mib")
            }
            row["largest_difference"] = _largest(outputs["engine"], outputs["plain"])
        rows.append(row)
    return pd.DataFrame(rows)


def _where(options: Options) -> pd.DataFrame:
    """Where the time of a pass of 40 frames goes."""
    found = _child(options, {"task": "where", "frames": 40})
    total = sum(found["seconds"].values())
    rows = []
    for part, seconds in found["seconds"].items():
        operations = found["flops"].get(part)
        row = {"part": part, "seconds": seconds, "share": seconds / total}
        if operations:
            rate = operations / seconds
            row |= {"gflop": operations / 1e9, "gflop_per_second": rate / 1e9}
            row["share_of_large_product_rate"] = rate / found["product_rate"]
        rows.append(row)
    for name, key in (("float32", "product_rate"), ("bfloat16", "product_rate_bfloat16")):
        rows.append({"part": f"large matrix product, {name}", "gflop_per_second": found[key] / 1e9})
    return pd.DataFrame(rows)


def _decode(options: Options) -> pd.DataFrame:
    """Frames a second of the decoder; the source encoded for every frame, or once and decoded in batches."""
    asked: dict[str, dict[str, Any]] = {"encode per frame": {"task": "decode", "path": "plain", "frames": 16}}
    for batch in BATCHES:
        asked[f"batches of {batch}"] = {"task": "decode", "path": "engine", "frames": 64, "batch": batch}
    asked["batches of 4, bfloat16"] = asked["batches of 4"] | {"precision": "bfloat16"}
    found, _ = _best(options, asked)
    rows = [
        {"way": way, "frames_per_second": asked[way]["frames"] / measured["seconds"], "peak_mib": measured["peak_mib"]}
        for way, measured in found.items()
    ]
    table = pd.DataFrame(rows)
    return table.assign(over_encode_per_frame=table.frames_per_second / table.frames_per_second[0])


def _options(options: Options) -> pd.DataFrame:
    """What each inexact option costs in error and gains in speed, by itself."""
    asked: dict[str, dict[str, Any]] = {"exact": {"task": "pass", "path": "engine", "frames": 40}}
    asked["bfloat16"] = asked["exact"] | {"precision": "bfloat16"}
    asked["compile"] = asked["exact"] | {"compiled": True}
    found, outputs = _best(options, asked)
    rows = [
        {
            "option": name,
            "error": _spread(outputs[name], outputs["exact"]),
            "error_of": "one pass of 40 frames, against the exact one",
            "speed": found["exact"]["seconds"] / measured["seconds"],
        }
        for name, measured in found.items()
    ]
    steps = [5, FEW, 10, 15, STEPS]
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


def _video(options: Options) -> pd.DataFrame:
    """Whole videos: exact, and with every inexact option but compiling; the plain path's from its parts."""
    rows = []
    for frames in options.videos:
        asked: dict[str, dict[str, Any]] = {
            "exact": {"task": "video", "frames": frames, "steps": STEPS, "solver": "ddim", "precision": "float32"}
        }
        asked["fast"] = asked["exact"] | {"steps": FEW, "solver": "dpm++", "precision": "bfloat16"}
        parts = {
            "pass": {"task": "pass", "path": "plain", "frames": frames},
            "decode": {"task": "decode", "path": "plain", "frames": 16},
        }
        found, _ = _best(options, asked | parts if frames <= options.plain_to else asked)
        row: dict[str, Any] = {"frames": frames}
        if "pass" in found:
            row["plain_seconds"] = STEPS * found["pass"]["seconds"] + frames / 16 * found["decode"]["seconds"]
        for way in asked:
            row |= {f"{way}_seconds": found[way]["seconds"], f"{way}_peak_mib": found[way]["peak_mib"]}
            if "pass" in found:
                row[f"plain_over_{way}"] = row["plain_seconds"] / row[f"{way}_seconds"]
        rows.append(row)
    return pd.DataFrame(rows)


def _training(options: Options) -> pd.DataFrame:
    """A training step of the demo's A2V, before and after: one thread, as the demo trains each of two processes."""
    rows = []
    for name, everywhere in (
        ("the demo's, regions found anew", False),
        ("attention everywhere, all of it plain", True),
    ):
        task = {"task": "train", "demo": str(options.demo), "steps": TRAINED, "everywhere": everywhere, "threads": 1}
        found, _ = _best(options, {path: task | {"path": path} for path in ("plain", "engine")})
        row: dict[str, Any] = {"before": name}
        row |= {f"{path}_{key}": value for path in found for key, value in found[path].items()}
        rows.append(row | {"speed": row["plain_seconds"] / row["engine_seconds"]})
    return pd.DataFrame(rows)


def _extractors(options: Options) -> pd.DataFrame:
    """The tools for landmarks and pose: degrees of error, blinks found, milliseconds a frame."""
    return compare(options.people, 5.0, options.side, options.clips)


def _preparation(options: Options) -> pd.DataFrame:
    """A folder of videos prepared, and the straightforward script."""
    return preparation.compare(options.people, options.side, options.clips, options.threads)


def _best(
    options: Options, asked: dict[str, dict[str, Any]]
) -> tuple[dict[str, dict[str, float]], dict[str, np.ndarray]]:
    """The least of each number over the turns, and the outputs of passes."""
    least: dict[str, dict[str, float]] = {}
    outputs = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.repeat):
            for name, task in asked.items():
                out = Path(folder) / f"{name}.npy"
                found = _child(options, task | ({"out": str(out)} if task["task"] == "pass" else {}))
                least[name] = {key: min(value, least.get(name, found)[key]) for key, value in found.items()}
                if out.exists():
                    outputs[name] = np.load(out)
    return least, outputs


def _child(options: Options, task: dict[str, Any]) -> dict[str, Any]:
    """What one process found."""
    print(
        f"measuring {' '.join(str(value) for key, value in task.items() if key != 'out')}", file=sys.stderr, flush=True
    )
    environment = os.environ | {"OMP_NUM_THREADS": str(task.get("threads", options.threads))}
    command = [sys.executable, "-m", "benchmarks.dawn.work", json.dumps({"threads": options.threads} | task)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"signal {-done.returncode}, as when memory runs out"])[-1]
        raise InputError(f"measuring {task} failed: {reason}")
    return json.loads(done.stdout.splitlines()[-1])


def _largest(got: np.ndarray, want: np.ndarray) -> float:
    """Largest difference, relative to the largest number."""
    return float(np.abs(got - want).max() / np.abs(want).max())


def _spread(got: np.ndarray, want: np.ndarray) -> float:
    """Root mean square of the difference, relative to the standard deviation."""
    return float(np.sqrt(np.square(got - want).mean()) / want.std())


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{text!r}: give lengths such as 40,200") from None


if __name__ == "__main__":
    sys.exit(main())
