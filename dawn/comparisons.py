"""What each row of the paper's Tables 2 to 8 is made from here: which run, and what is measured of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dawn.config import METRICS, Config, ConfigError
from dawn.variants import Row, Runs, sweep_rows


@dataclass(frozen=True)
class Family:
    """A configuration's run, those of its comparisons, and those of all sweeps of a folder."""

    runs: Runs
    found: Mapping[str, list[Row]]  # by table ("table8") or by sweep (its file without suffix)
    wrong: Mapping[str, str]  # the same for those that this configuration does not allow: why

    def rows(self, name: str) -> list[Row]:
        """The rows of a table or sweep. Raises ConfigError when they cannot be."""
        if name in self.wrong:
            raise ConfigError(self.wrong[name])
        if name not in self.found:
            raise ConfigError(f"no table or sweep {name!r}; there are {', '.join(self.found)}")
        return self.found[name]


def family_of(base: Config, sweeps: Path) -> Family:
    """All runs that the workflow knows, always in the same order, so that equal runs have one name everywhere."""
    runs, found, wrong = Runs(base), {}, {}
    readers: dict[str, Callable[[], list[Row]]] = {name: partial(read, runs) for name, read in ROWS.items()}
    for path in sorted(sweeps.glob("*.csv")):
        readers.setdefault(path.stem, partial(sweep_rows, runs, path))
    for name, read in readers.items():
        try:
            found[name] = read()
        except ConfigError as error:
            wrong[name] = str(error)
    return Family(runs, found, wrong)


# What the tables show of long videos, whose measuring takes long.
_AT_LENGTHS = ("fvd16", "fvd32", "lse_c_own", "lse_d_own", "fd_efficientnet")
_DEGRADATION = ("dr25_efficientnet", "dr50_efficientnet")


def _row(
    runs: Runs,
    name: str,
    folder: str,
    changes: dict[str, Any],
    method: str,
    paper_method: str,
    condition: str = "",
    metrics: tuple[str, ...] = METRICS,
) -> Row:
    run = runs.add(f"{runs.base.name}-{folder}", changes, f"configuration {runs.base.name}, {name}")
    return Row(name, run, method, changes, (paper_method, condition), metrics)


def _strategies(runs: Runs) -> list[Row]:
    base = runs.base.name
    return [
        Row("Semi-autoregressive", base, "sar", {}, ("sar", "")),
        Row("Two temporal resolutions", base, "ttr", {}, ("ttr", "")),
        Row("Frame by frame", base, "ar", {}),
        Row("DAWN", base, "dawn", {}, ("dawn", "")),
    ]


def _lengths(runs: Runs) -> list[Row]:
    pairs = zip(_PAPERS.lengths, runs.base.compare.lengths, strict=True)
    return [_length(runs, ours, "dawn", "dawn", paper, _AT_LENGTHS) for paper, ours in pairs]


def _long(runs: Runs) -> list[Row]:
    pairs = list(zip(_PAPERS.long_lengths, runs.base.compare.long_lengths, strict=True))
    return [
        _length(runs, ours, method, paper_method, paper, _DEGRADATION, label)
        for method, paper_method, label in (("dawn", "dawn", "DAWN, "), ("ar", "hallo", "Frame by frame, "))
        for paper, ours in pairs
    ]


def _length(
    runs: Runs, frames: int, method: str, paper_method: str, paper: int, metrics: tuple[str, ...], label: str = ""
) -> Row:
    changes: dict[str, Any] = {"evaluate.inference_frames": frames}
    if runs.base.compare.length_clips is not None:
        changes["evaluate.max_clips"] = runs.base.compare.length_clips
    condition = f"inference_length={paper}"
    return _row(runs, f"{label}{frames} frames", f"frames-{frames}", changes, method, paper_method, condition, metrics)


def _ablations(runs: Runs) -> list[Row]:
    told, untold = "gt_pose_blink=true", "gt_pose_blink=false"
    single = [
        _row(
            runs,
            f"Only stage {k}",
            f"curriculum-stage{k}",
            {"a2v.curriculum": f"stage{k}"},
            "commanded",
            f"only_stage{k}",
            told,
        )
        for k in (1, 2)
    ]
    return [
        *single,
        Row("DAWN, true pose and blink", runs.base.name, "commanded", {}, ("dawn", told)),
        _row(runs, "Without PBNet", "no-pbnet", {"a2v.pose_blink": False}, "dawn", "no_pbnet", untold),
        Row("DAWN", runs.base.name, "dawn", {}, ("dawn", untold)),
    ]


def _study(_: Runs) -> list[Row]:
    return []  # people's scores are of no run


def _resolutions(runs: Runs) -> list[Row]:
    rows = []
    for paper, ours in zip(_PAPERS.resolutions, runs.base.compare.resolutions, strict=True):
        changes: dict[str, Any] = {"corpus.resolution": ours}
        if ours != runs.base.corpus.resolution:
            changes |= runs.base.compare.resolution_changes
        for method, label, condition in (("gt", "True videos", ""), ("dawn", "DAWN", f"resolution={paper}")):
            rows.append(_row(runs, f"{label} ({ours})", f"resolution-{ours}", changes, method, method, condition))
    return rows


def _windows(runs: Runs) -> list[Row]:
    rows = []
    for paper, ours in zip(_PAPERS.windows, runs.base.compare.windows, strict=True):
        condition = f"window={paper or 'none'};gt_pose_blink=true"
        name = "No window" if ours is None else f"Window {ours}"
        changes = {"generate.window": ours}
        rows.append(_row(runs, name, f"window-{ours or 'none'}", changes, "commanded", "dawn", condition))
    return rows


_PAPERS = Config().compare
ROWS: dict[str, Callable[[Runs], list[Row]]] = {
    "table2": _strategies,
    "table3": _lengths,
    "table4": _ablations,
    "table5": _long,
    "table6": _study,
    "table7": _resolutions,
    "table8": _windows,
}
