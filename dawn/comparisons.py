"""Rows of the paper's Tables 2 to 8, each with its run, its method and the metrics that the table shows.

Also the repetitions of a run, with other seeds and another number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dawn.config import DEFAULT_METRICS, Config, ConfigError
from dawn.stages import syncnet_seed_of
from dawn.variants import Row, RunSet, schedules_of, sweep_rows


@dataclass(frozen=True)
class Experiments:
    """Main run of a configuration, with its repetitions, the runs of its comparison tables and of a folder's sweeps."""

    runs: RunSet
    comparisons: Mapping[str, list[Row]]  # rows by table ("table8") or sweep (the stem of its file)
    errors: Mapping[str, str]  # reason, by table or sweep that this configuration does not allow
    repetitions: Sequence[Row] = ()  # the main run, then its repetitions

    def rows(self, name: str) -> list[Row]:
        """Return the rows of a table or sweep. Raises ConfigError for an unknown one and for one with an error."""
        if name in self.errors:
            raise ConfigError(self.errors[name])
        if name not in self.comparisons:
            raise ConfigError(f"unknown table or sweep {name!r}; known: {', '.join(self.comparisons)}")
        return self.comparisons[name]


def experiments_of(base: Config, sweeps: Path) -> Experiments:
    """Build all runs of the workflow, in a fixed order, so that a run shared by several tables has one name.

    `base` is the configuration of the main run, `sweeps` the folder of sweep files (CSV).
    """
    runs, comparisons, errors = RunSet(base), {}, {}
    repetitions = _repetitions(runs)
    readers: dict[str, Callable[[], list[Row]]] = {name: partial(rows, runs) for name, rows in TABLES.items()}
    for path in sorted(sweeps.glob("*.csv")):
        readers.setdefault(path.stem, partial(sweep_rows, runs, path))
    for name, read in readers.items():
        try:
            comparisons[name] = read()
        except ConfigError as error:
            errors[name] = str(error)
    return Experiments(runs, comparisons, errors, repetitions)


def _repetitions(runs: RunSet) -> list[Row]:
    """Return the main run and its repetitions: with other initial weights, batches and noise, or with other rounding.

    All have the SyncNet of the main run, so that their LSE is comparable.
    """
    base = runs.base
    seeds = [seed for seed in base.compare.repeat_seeds if seed != base.seed]
    repeats: list[tuple[str, str, dict[str, Any]]] = [
        (f"Seed {seed}", f"seed-{seed}", {"seed": seed, "evaluate.syncnet.seed": syncnet_seed_of(base)})
        for seed in seeds
    ]
    repeats += [
        (
            f"Seed {base.seed}, threads {threads}",
            f"threads-{threads}",
            {f"{key}.threads": threads for key in schedules_of(base)},
        )
        for threads in base.compare.repeat_threads
    ]
    rows = {base.name: Row(f"Seed {base.seed}", base.name, "dawn", {})}
    for name, folder, changes in repeats:
        run = runs.add(f"{base.name}-{folder}", changes, f"configuration {base.name}, compare, {name}")
        rows.setdefault(run, Row(name, run, "dawn", changes))  # equal settings are one run
    return list(rows.values())


# The metrics that the tables of long videos show; computing the others on long videos takes long.
_LENGTH_METRICS = ("fvd16", "fvd32", "lse_c_own", "lse_d_own", "fd_efficientnet")
_DEGRADATION_METRICS = ("dr25_efficientnet", "dr50_efficientnet")


def _row(
    runs: RunSet,
    name: str,
    folder: str,
    changes: dict[str, Any],
    method: str,
    paper_method: str,
    condition: str = "",
    metrics: tuple[str, ...] = DEFAULT_METRICS,
) -> Row:
    run = runs.add(f"{runs.base.name}-{folder}", changes, f"configuration {runs.base.name}, {name}")
    return Row(name, run, method, changes, (paper_method, condition), metrics)


def _strategies(runs: RunSet) -> list[Row]:
    base = runs.base.name
    return [
        Row("Semi-autoregressive", base, "sar", {}, ("sar", "")),
        Row("Two temporal resolutions", base, "ttr", {}, ("ttr", "")),
        Row("Frame by frame", base, "ar", {}),
        Row("DAWN", base, "dawn", {}, ("dawn", "")),
    ]


def _lengths(runs: RunSet) -> list[Row]:
    pairs = zip(_PAPER.lengths, runs.base.compare.lengths, strict=True)
    return [_length(runs, ours, "dawn", "dawn", paper, _LENGTH_METRICS) for paper, ours in pairs]


def _long(runs: RunSet) -> list[Row]:
    pairs = list(zip(_PAPER.long_lengths, runs.base.compare.long_lengths, strict=True))
    return [
        _length(runs, ours, method, paper_method, paper, _DEGRADATION_METRICS, label)
        for method, paper_method, label in (("dawn", "dawn", "DAWN, "), ("ar", "hallo", "Frame by frame, "))
        for paper, ours in pairs
    ]


def _length(
    runs: RunSet, frames: int, method: str, paper_method: str, paper: int, metrics: tuple[str, ...], label: str = ""
) -> Row:
    changes: dict[str, Any] = {"evaluate.inference_frames": frames}
    if runs.base.compare.length_clips is not None:
        changes["evaluate.max_clips"] = runs.base.compare.length_clips
    condition = f"inference_length={paper}"
    return _row(runs, f"{label}{frames} frames", f"frames-{frames}", changes, method, paper_method, condition, metrics)


def _ablations(runs: RunSet) -> list[Row]:
    true_pose, generated_pose = "gt_pose_blink=true", "gt_pose_blink=false"
    single = [
        _row(
            runs,
            f"Only stage {k}",
            f"curriculum-stage{k}",
            {"a2v.curriculum": f"stage{k}"},
            "commanded",
            f"only_stage{k}",
            true_pose,
        )
        for k in (1, 2)
    ]
    return [
        *single,
        Row("DAWN, true pose and blink", runs.base.name, "commanded", {}, ("dawn", true_pose)),
        _row(runs, "Without PBNet", "no-pbnet", {"a2v.pose_blink": False}, "dawn", "no_pbnet", generated_pose),
        Row("DAWN", runs.base.name, "dawn", {}, ("dawn", generated_pose)),
    ]


def _study(_: RunSet) -> list[Row]:
    return []  # ratings of a user study belong to no run


def _resolutions(runs: RunSet) -> list[Row]:
    rows = []
    for paper, ours in zip(_PAPER.resolutions, runs.base.compare.resolutions, strict=True):
        changes: dict[str, Any] = {"corpus.resolution": ours}
        if ours != runs.base.corpus.resolution:
            changes |= runs.base.compare.resolution_changes
        for method, label, condition in (("gt", "True videos", ""), ("dawn", "DAWN", f"resolution={paper}")):
            rows.append(_row(runs, f"{label} ({ours})", f"resolution-{ours}", changes, method, method, condition))
    return rows


def _windows(runs: RunSet) -> list[Row]:
    rows = []
    for paper, ours in zip(_PAPER.windows, runs.base.compare.windows, strict=True):
        condition = f"window={paper or 'none'};gt_pose_blink=true"
        name = "No window" if ours is None else f"Window {ours}"
        changes = {"generate.window": ours}
        rows.append(_row(runs, name, f"window-{ours or 'none'}", changes, "commanded", "dawn", condition))
    return rows


_PAPER = Config().compare
TABLES: dict[str, Callable[[RunSet], list[Row]]] = {
    "table2": _strategies,
    "table3": _lengths,
    "table4": _ablations,
    "table5": _long,
    "table6": _study,
    "table7": _resolutions,
    "table8": _windows,
}
