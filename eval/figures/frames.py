"""Pictures of frames over time: what was given, what truly happened, what was generated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dawn.baselines.methods import label_of
from dawn.errors import InputError
from dawn.media.csv_files import write_rows
from dawn.media.image import read_image
from dawn.media.json_files import read_json
from dawn.media.video import load_frames
from eval.extract.clip_list import video_path
from eval.extract.judges import FPS
from eval.figures.canvas import SIDE, Sheet
from eval.studies.reenactment import read_traces, told_names

# Inches.
_GAP = 0.16  # between clips, and beside the source
_LEFT = 1.6  # room for the names of the rows
_TOP = 0.32
_FOOT = 0.25  # the caption
_PLOT = 0.75  # height of traces
_UNITS = {"yaw": "yaw (°)", "pitch": "pitch (°)", "roll": "roll (°)", "blink": "eye opening"}


def samples(
    names: Sequence[str],
    real: Path,
    videos: Mapping[str, Path],
    out: Path,
    *,
    clips: int = 4,
    moments: int = 8,
    caption: str = "",
) -> None:
    """Draw `clips` clips spread over the list: the source frame, then `moments` frames of the true and other videos.

    Beside it, as CSV, which frames are shown. `videos` maps a method to its folder. The picture's format follows the
    suffix of `out`. Raises InputError when a video is missing.
    """
    if not names or not videos or clips < 1:
        raise InputError("the sample picture needs at least one clip and one folder of generated videos")
    folders = {"gt": real, **videos}
    labels = {"gt": "True"}
    chosen = [names[i] for i in np.linspace(0, len(names) - 1, min(clips, len(names))).round().astype(int)]
    shown: list[tuple[object, ...]] = []
    sheet = Sheet(_LEFT + SIDE * (moments + 1) + _GAP + 0.1, _TOP + len(chosen) * (len(folders) * SIDE + _GAP) + _FOOT)
    for i, name in enumerate(chosen):
        top = _TOP + i * (len(folders) * SIDE + _GAP)
        rows = {method: load_frames(video_path(folder, name)) for method, folder in folders.items()}
        last = min(len(frames) for frames in rows.values()) - 1
        when = np.linspace(0, last, moments + 1).round().astype(int)[1:]
        sheet.picture(_LEFT, top, rows["gt"][0])
        sheet.text(_LEFT + SIDE / 2, top - 0.07, "source", size=6)
        for k, (method, frames) in enumerate(rows.items()):
            sheet.text(_LEFT - 0.07, top + (k + 0.5) * SIDE, labels.get(method, label_of(method)), align="right")
            for j, t in enumerate(when):
                sheet.picture(_LEFT + _GAP + (j + 1) * SIDE, top + k * SIDE, frames[t])
                shown.append((name, method, int(t), f"{t / FPS:.2f}"))
        for j, t in enumerate(when):
            sheet.text(_LEFT + _GAP + (j + 1.5) * SIDE, top - 0.07, f"{t / FPS:.2f} s", size=6)
    sheet.text(0.1, sheet.height - _FOOT / 2, f"{caption}{len(chosen)} of {len(names)} test clips.", align="left")
    sheet.save(out)
    write_rows(out.with_suffix(".csv"), ("clip", "method", "frame", "seconds"), shown)


def styles(names: Sequence[str], videos: Path, plain: Path, out: Path, *, moments: int = 8) -> None:
    """Draw what other styles of portrait become (paper Figure 3): a test clip as it is, then the first of each style.

    `plain` and `videos` are the folders of the methods dawn and styled. Beside the picture, as CSV, what is shown.
    """
    told = {name: read_json(video_path(videos, name).with_suffix(".json")) for name in names}
    first: dict[str, str] = {}
    for name, about in told.items():
        first.setdefault(about["style"], name)
    lead = names[0]
    frames = load_frames(video_path(plain, lead))
    rows = [("as it is", lead, frames[0], frames)] + [
        (style, name, read_image(videos / f"{name}.png"), load_frames(video_path(videos, name)))
        for style, name in first.items()
    ]
    sheet = Sheet(_LEFT + SIDE * (moments + 1) + _GAP + 0.1, _TOP + len(rows) * SIDE + 2 * _FOOT)
    sheet.text(_LEFT + SIDE / 2, _TOP - 0.07, "source", size=6)
    shown: list[tuple[object, ...]] = []
    for i, (style, name, source, made) in enumerate(rows):
        top = _TOP + i * SIDE
        when = np.linspace(0, len(made) - 1, moments + 1).round().astype(int)[1:]
        sheet.text(_LEFT - 0.07, top + SIDE / 2, style.capitalize(), align="right")
        sheet.picture(_LEFT, top, source)
        for j, t in enumerate(when):
            sheet.picture(_LEFT + _GAP + (j + 1) * SIDE, top, made[t])
            shown.append((name, style, int(t), f"{t / FPS:.2f}"))
            if i == 0:
                sheet.text(_LEFT + _GAP + (j + 1.5) * SIDE, top - 0.07, f"{t / FPS:.2f} s", size=6)
    side = len(frames[0])
    sheet.text(
        0.1,
        sheet.height - _FOOT,
        f"DAWN at {side} x {side} pixels, one test person a row, driven by their own speech. Styles are filters.",
        align="left",
    )
    sheet.save(out)
    write_rows(out.with_suffix(".csv"), ("clip", "style", "frame", "seconds"), shown)


def reenacted(
    report: Mapping[str, Any], traces: Path, real: Path, videos: Path, out: Path, *, clips: int = 3, moments: int = 8
) -> None:
    """Draw reenactment (paper Figure 4): driver above, portrait that follows below, and what was told and followed.

    `report` and `traces` (CSV) are those of ``eval/studies/reenactment.py``. The drawn traces are written as CSV, too.
    """
    told = read_traces(traces)
    names = list(report["clips"])
    chosen = [names[i] for i in np.linspace(0, len(names) - 1, min(clips, len(names))).round().astype(int)]
    block = 2 * SIDE + 0.12 + _PLOT + 0.62
    sheet = Sheet(_LEFT + SIDE * (moments + 1) + _GAP + 0.1, _TOP + len(chosen) * block + 2 * _FOOT)
    rows: list[tuple[object, ...]] = []
    for i, name in enumerate(chosen):
        top, driver = _TOP + i * block, report["clips"][name]
        driving, made = load_frames(video_path(real, driver)), load_frames(video_path(videos, name))
        when = np.linspace(0, min(len(driving), len(made)) - 1, moments + 1).round().astype(int)[1:]
        sheet.text(_LEFT - 0.07, top + SIDE / 2, f"Driver {driver}", align="right")
        sheet.text(_LEFT - 0.07, top + 1.5 * SIDE, f"Portrait {name}", align="right")
        sheet.picture(_LEFT, top + SIDE, load_frames(video_path(real, name))[0])
        sheet.text(_LEFT + SIDE / 2, top + SIDE - 0.07, "source", size=6)
        for j, t in enumerate(when):
            x = _LEFT + _GAP + (j + 1) * SIDE
            sheet.text(x + SIDE / 2, top - 0.07, f"{t / FPS:.2f} s", size=6)
            sheet.picture(x, top, driving[t])
            sheet.picture(x, top + SIDE, made[t])
        pitch = (sheet.width - 0.5) / len(told_names())
        for j, signal in enumerate(told_names()):
            commanded, measured = told[name, signal]
            axes = sheet.axes(0.5 + j * pitch, top + 2 * SIDE + 0.3, pitch - 0.45, _PLOT)
            seconds = np.arange(len(commanded)) / FPS
            axes.plot(seconds, commanded, color="#4d4d4d", lw=1.2, label="taken from the driver")
            axes.plot(seconds, measured, color="#0072b2", lw=1, label="measured in the portrait")
            r = report[signal]["clips"][names.index(name)]
            axes.set_title(f"{_UNITS[signal]}, r = {r:.2f}", fontsize=6, pad=2)
            axes.tick_params(labelsize=5, length=2, pad=1)
            axes.margins(x=0)
            rows += [(name, driver, t, signal, *pair) for t, pair in enumerate(zip(commanded, measured, strict=True))]
    handles = axes.get_legend_handles_labels()
    sheet.figure.legend(*handles, loc="upper left", fontsize=6, frameon=False, ncols=2, borderaxespad=0.1)
    found = "; ".join(
        f"{s} {report[s]['value']:.2f} [{report[s]['interval'][0]:.2f}, {report[s]['interval'][1]:.2f}]"
        for s in told_names()
    )
    sheet.text(
        0.1, sheet.height - 0.32, f"Run {report['run']}: {len(chosen)} of {len(names)} test clips. ", align="left"
    )
    sheet.text(0.1, sheet.height - 0.15, f"Median correlation over clips [interval]: {found}.", align="left")
    sheet.save(out)
    write_rows(out.with_suffix(".csv"), ("clip", "driver", "frame", "signal", "commanded", "measured"), rows)
