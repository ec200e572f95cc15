"""Report of ``dawn-eval``: metrics of two folders of videos, their inputs, and what was excluded with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabulate import tabulate

from dawn.errors import InputError
from dawn.media.csv_files import write_rows
from dawn.media.json_files import read_json, write_json

if TYPE_CHECKING:
    from pandas import DataFrame

VERSION = 2
TRUE = "_true"  # suffix of a column of `clips`: the value of the real video
# Numbers that are required to interpret LSE, CSIM and the degradation rate, in words.
_DETAILS = {
    "coverage": "share of frames with a face crop",
    "frames_without_face": "paired frames without a face in one of the two",
    "start": "distance at the start",
    "end": "at the end",
    "reference": "from true frames:",
    "short": "videos too short:",
    "overlapping": "videos whose start and end overlap:",
}
_COLUMNS = (
    "metric", "value", "low", "high", "n", "samples", "real", "null", "bias", *_DETAILS, "warning", "about",
)  # fmt: skip
_COUNTS = ("n", "samples", "frames_without_face", "short", "overlapping")
_NUMBERS = ("value", "low", "high", "real", "null", "bias", "coverage", "start", "end")


@dataclass(frozen=True)
class Report:
    """Metrics of a folder of generated videos against a folder of real ones.

    `data` is the content of ``report.json``: ``metrics`` (by name: value, interval, counts, protocol, features with
    their settings, excluded videos by reason), ``not_computed`` (by name: the reason), ``clips`` (one row per video),
    ``made`` (options, weights, versions, code).
    """

    data: dict[str, Any]

    @staticmethod
    def is_saved_at(path: str | Path) -> bool:
        """Return whether `path` is a saved report of any version. Raises InputError for a file that is not JSON."""
        path = Path(path)
        data = None if path.is_dir() else read_json(path)
        return path.is_dir() or (isinstance(data, dict) and "made" in data)

    @classmethod
    def load(cls, path: str | Path) -> Report:
        """Load a saved report from its folder or its ``report.json``. Raises InputError for another file."""
        path = Path(path)
        path = path / "report.json" if path.is_dir() else path
        data = read_json(path)
        if not isinstance(data, dict) or data.get("version") != VERSION or "made" not in data:
            raise InputError(f"{path}: not a report of this version of dawn-eval; give its report.json")
        return cls(data)

    @property
    def metrics(self) -> DataFrame:
        """One row per metric, index ``metric``: value, low, high (interval over videos), n (videos) and further
        columns.

        A metric that was not computed has a row of missing values, with the reason in ``warning``.
        """
        import pandas

        rows = [[row.get(key) for key in _COLUMNS] for row in self._metric_rows()]
        frame = pandas.DataFrame(rows, columns=_COLUMNS).set_index("metric")
        return frame.astype(dict.fromkeys(_COUNTS, "Int64") | dict.fromkeys(_NUMBERS, float))

    @property
    def clips(self) -> DataFrame:
        """One row per video, index ``clip``: paths, frames, frame rates, and the value of every metric that is a mean
        over videos.

        The column ``<metric>_true`` has the value of the real video.
        """
        import pandas

        rows = self.data["clips"]
        frame = pandas.DataFrame(rows, columns=None if rows else ["clip"]).set_index("clip")
        values = [f"{name}{suffix}" for name in self.data["made"]["metrics"] for suffix in ("", TRUE)]
        return frame.astype({column: float for column in values if column in frame})

    def save(self, folder: str | Path) -> None:
        """Write ``report.json``, ``report.csv`` (one row per metric) and ``clips.csv`` (one row per video) into
        `folder`."""
        folder = Path(folder)
        write_json(folder / "report.json", self.data)
        rows = self._metric_rows()
        write_rows(folder / "report.csv", _COLUMNS, ([row.get(key) for key in _COLUMNS] for row in rows))
        clips = self.data["clips"]
        keys = list(dict.fromkeys(key for row in clips for key in row if key not in ("real", "fake")))
        write_rows(folder / "clips.csv", keys, ([row.get(key) for key in keys] for row in clips))

    def table(self) -> str:
        """Format the report as text: one line per metric, then warnings, excluded videos, and metrics that were not
        computed."""
        data, metrics, settings = self.data, self.data["metrics"], self.data["made"]
        rows = [_HEADER, *(_line(name, entry) for name, entry in metrics.items())]
        lines = [tabulate(rows, tablefmt="plain", disable_numparse=True), ""]
        interval = f"{settings['coverage']:.0%} interval, {settings['resamples']} resamples of videos"
        lines.append(f"{data['pairs']} pairs; brackets: {interval}.")
        for side, names in (("true", data["only_real"]), ("generated", data["only_fake"])):
            if names:
                few = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
                lines.append(f"{len(names)} {side} videos without a partner, in distances only: {few}.")
        lines += [f"Unreadable: {path}: {reason}" for path, reason in data["unreadable"].items()]
        for name, entry in metrics.items():
            if entry.get("warning"):
                lines.append(f"{name}: {entry['warning']}")
            details = [f"{words} {_short(entry[key])}" for key, words in _DETAILS.items() if key in entry]
            if details:
                lines.append(f"{name}: {', '.join(details)}")
            for reason, count in entry["left_out"].items():
                lines.append(f"{name}: {count} of {len(data['clips'])} videos left out: {reason}")
        lines += [f"{name}: not computed: {reason}" for name, reason in data["not_computed"].items()]
        return "\n".join(lines)

    def _metric_rows(self) -> list[dict[str, Any]]:
        rows = [{"metric": name, **entry} for name, entry in self.data["metrics"].items()]
        not_computed = self.data["not_computed"].items()
        return rows + [{"metric": name, "warning": f"not computed: {reason}"} for name, reason in not_computed]


_HEADER = ("metric", "value", "interval", "true", "null", "N", "protocol")


def _line(name: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    interval = "" if entry["low"] is None else f"[{_short(entry['low'])}, {_short(entry['high'])}]"
    count = f"{entry['n']} clips" + (f", {entry['samples']} samples" if "samples" in entry else "")
    real, null = _short(entry.get("real")), _short(entry.get("null"))
    return name, _short(entry["value"]), interval, real, null, count, entry["about"]


def _short(value: float | str | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:.4g}"
