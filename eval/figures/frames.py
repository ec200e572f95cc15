"""Figures of video frames over time: samples (Figure 2), styled portraits (Figure 3), reenactment (Figure 4), given
portraits.

Every figure is written with a CSV file of the same name, which lists the frames or values that it shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawn.baselines.methods import label_of
from dawn.errors import InputError
from dawn.media.csv_files import read_rows, write_rows
from dawn.media.image import read_image
from dawn.media.json_files import read_json
from dawn.media.video import load_frames
from eval.figures.canvas import SIDE, Canvas
from eval.stats.sampling import evenly_spaced
from eval.studies.clip_list import video_path

FPS = 25.0  # frame rate at which load_frames samples a video
# Inches.
_GAP = 0.16  # between clips, and right of the source frame
_LEFT = 1.6  # width of the row labels
_TOP = 0.32
_FOOT = 0.25  # height of a caption line
_PLOT = 0.75  # height of the plots of traces
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
    """Draw `clips` evenly spaced clips of `names`: source frame, and `moments` frames of real and generated videos.

    real: folder of the real videos. videos: folder of the generated videos by method. The image format follows the
    suffix of `out`. Raises InputError for a missing video.
    """
    if not names or not videos or clips < 1:
        raise InputError("the sample figure needs at least one clip and one folder of generated videos")
    folders = {"gt": real, **videos}
    shown_clips = evenly_spaced(names, clips)
    height = _TOP + len(shown_clips) * (len(folders) * SIDE + _GAP) + _FOOT
    canvas = Canvas(_LEFT + SIDE * (moments + 1) + _GAP + 0.1, height)
    rows: list[tuple[object, ...]] = []
    for i, name in enumerate(shown_clips):
        top = _TOP + i * (len(folders) * SIDE + _GAP)
        frames_of = {method: load_frames(video_path(folder, name)) for method, folder in folders.items()}
        indices = _moments(min(map(len, frames_of.values())), moments)
        _draw_source(canvas, top, frames_of["gt"][0])
        for k, (method, frames) in enumerate(frames_of.items()):
            label = "True" if method == "gt" else label_of(method)
            canvas.text(_LEFT - 0.07, top + (k + 0.5) * SIDE, label, align="right")
            for j, t in enumerate(indices):
                canvas.image(_LEFT + _GAP + (j + 1) * SIDE, top + k * SIDE, frames[t])
                rows.append((name, method, t, f"{t / FPS:.2f}"))
        _draw_times(canvas, top, indices)
    canvas.text(
        0.1, canvas.height - _FOOT / 2, f"{caption}{len(shown_clips)} of {len(names)} test clips.", align="left"
    )
    canvas.save(out)
    write_rows(out.with_suffix(".csv"), ("clip", "method", "frame", "seconds"), rows)


def styles(names: Sequence[str], videos: Path, plain: Path, out: Path, *, moments: int = 8) -> None:
    """Draw the first clip of `names` unstyled, and the first clip of each portrait style (paper Figure 3).

    plain, videos: folders of the methods ``dawn`` and ``styled``. Raises InputError for a missing video.
    """
    first_clips: dict[str, str] = {}
    for name in names:
        first_clips.setdefault(read_json(video_path(videos, name).with_suffix(".json"))["style"], name)
    unstyled = load_frames(video_path(plain, names[0]))
    portraits = [("unstyled", names[0], unstyled[0], unstyled)] + [
        (style, name, read_image(videos / f"{name}.png"), load_frames(video_path(videos, name)))
        for style, name in first_clips.items()
    ]
    canvas = Canvas(_LEFT + SIDE * (moments + 1) + _GAP + 0.1, _TOP + len(portraits) * SIDE + 2 * _FOOT)
    rows: list[tuple[object, ...]] = []
    for i, (style, name, source, frames) in enumerate(portraits):
        top = _TOP + i * SIDE
        indices = _moments(len(frames), moments)
        canvas.text(_LEFT - 0.07, top + SIDE / 2, style.capitalize(), align="right")
        _draw_row(canvas, _LEFT, top, source, frames, indices, titled=i == 0)
        rows += [(name, style, t, f"{t / FPS:.2f}") for t in indices]
    size = f"{len(unstyled[0])} x {len(unstyled[0])} pixels"
    caption = f"DAWN at {size}, one test person per row, driven by their own speech. Styles are image filters."
    canvas.text(0.1, canvas.height - _FOOT, caption, align="left")
    canvas.save(out)
    write_rows(out.with_suffix(".csv"), ("clip", "style", "frame", "seconds"), rows)


def spoken_portraits(measured: Path, videos: Path, out: Path, *, moments: int = 8) -> None:
    """Draw each portrait of ``dawn-eval portraits``, and `moments` frames of its video with the first recording.

    measured: folder that the command wrote. videos: folder of the videos that it measured. Raises InputError for a
    missing file.
    """
    first_videos: dict[str, str] = {}
    for row in read_rows(measured / "portraits.csv"):
        first_videos.setdefault(row["portrait"], row["recording"])
    canvas = Canvas(SIDE * (moments + 1) + _GAP + 0.1, _TOP + len(first_videos) * SIDE + 0.1)
    rows: list[tuple[object, ...]] = []
    for i, (portrait, recording) in enumerate(first_videos.items()):
        frames = load_frames(video_path(videos, f"{portrait}-{recording}"))
        top, indices = _TOP + i * SIDE, _moments(len(frames), moments)
        _draw_row(canvas, 0.05, top, read_image(measured / f"{portrait}.png"), frames, indices, titled=i == 0)
        rows += [(portrait, recording, t, f"{t / FPS:.2f}") for t in indices]
    canvas.save(out)
    write_rows(out.with_suffix(".csv"), ("portrait", "recording", "frame", "seconds"), rows)


def reenacted(
    report: Mapping[str, Any], traces: Path, real: Path, videos: Path, out: Path, *, clips: int = 3, moments: int = 8
) -> None:
    """Draw reenactment (paper Figure 4): driving video, generated video, and commanded and measured motion.

    report, traces: the JSON and CSV files of ``dawn-eval reenactment``. real, videos: folders of the real videos and of
    the method ``reenact``. Raises InputError for a missing video.
    """
    signals_of = _read_traces(traces)
    names = list(report["clips"])
    shown_clips = evenly_spaced(names, clips)
    block = 2 * SIDE + 0.12 + _PLOT + 0.62
    canvas = Canvas(_LEFT + SIDE * (moments + 1) + _GAP + 0.1, _TOP + len(shown_clips) * block + 2 * _FOOT)
    rows: list[tuple[object, ...]] = []
    for i, name in enumerate(shown_clips):
        top, driver = _TOP + i * block, report["clips"][name]
        driving, generated = load_frames(video_path(real, driver)), load_frames(video_path(videos, name))
        indices = _moments(min(len(driving), len(generated)), moments)
        canvas.text(_LEFT - 0.07, top + SIDE / 2, f"Driver {driver}", align="right")
        canvas.text(_LEFT - 0.07, top + 1.5 * SIDE, f"Portrait {name}", align="right")
        _draw_source(canvas, top + SIDE, load_frames(video_path(real, name))[0])
        _draw_times(canvas, top, indices)
        for j, t in enumerate(indices):
            x = _LEFT + _GAP + (j + 1) * SIDE
            canvas.image(x, top, driving[t])
            canvas.image(x, top + SIDE, generated[t])
        pitch = (canvas.width - 0.5) / len(_UNITS)
        for j, (signal, label) in enumerate(_UNITS.items()):
            commanded, measured = signals_of[name, signal]
            axes = canvas.axes(0.5 + j * pitch, top + 2 * SIDE + 0.3, pitch - 0.45, _PLOT)
            seconds = np.arange(len(commanded)) / FPS
            axes.plot(seconds, commanded, color="#4d4d4d", lw=1.2, label="commanded by the driving video")
            axes.plot(seconds, measured, color="#0072b2", lw=1, label="measured in the generated video")
            r = report[signal]["clips"][names.index(name)]
            axes.set_title(f"{label}, r = {r:.2f}", fontsize=6, pad=2)
            axes.tick_params(labelsize=5, length=2, pad=1)
            axes.margins(x=0)
            rows += [(name, driver, t, signal, *pair) for t, pair in enumerate(zip(commanded, measured, strict=True))]
    handles = axes.get_legend_handles_labels()
    canvas.figure.legend(*handles, loc="upper left", fontsize=6, frameon=False, ncols=2, borderaxespad=0.1)
    medians = "; ".join(
        f"{signal} {report[signal]['value']:.2f} "
        f"[{report[signal]['interval'][0]:.2f}, {report[signal]['interval'][1]:.2f}]"
        for signal in _UNITS
    )
    caption = f"Run {report['run']}: {len(shown_clips)} of {len(names)} test clips. "
    canvas.text(0.1, canvas.height - 0.32, caption, align="left")
    canvas.text(0.1, canvas.height - 0.15, f"Median correlation over clips [interval]: {medians}.", align="left")
    canvas.save(out)
    write_rows(out.with_suffix(".csv"), ("clip", "driver", "frame", "signal", "commanded", "measured"), rows)


def _moments(frames: int, count: int) -> list[int]:
    """Return the indices of `count` frames evenly spaced after the first of `frames`, the last included."""
    return [int(t) for t in np.linspace(0, frames - 1, count + 1).round()[1:]]


def _draw_row(
    canvas: Canvas,
    left: float,
    top: float,
    source: NDArray[np.uint8],
    frames: NDArray[np.uint8],
    indices: Sequence[int],
    *,
    titled: bool,
) -> None:
    """Draw a source and frames of its video side by side, `titled` with their times above."""
    canvas.image(left, top, source)
    for j, t in enumerate(indices):
        canvas.image(left + _GAP + (j + 1) * SIDE, top, frames[t])
    if titled:
        canvas.text(left + SIDE / 2, top - 0.07, "source", size=6)
        _draw_times(canvas, top, indices, left)


def _draw_source(canvas: Canvas, top: float, frame: NDArray[np.uint8]) -> None:
    canvas.image(_LEFT, top, frame)
    canvas.text(_LEFT + SIDE / 2, top - 0.07, "source", size=6)


def _draw_times(canvas: Canvas, top: float, indices: Sequence[int], left: float = _LEFT) -> None:
    for j, t in enumerate(indices):
        canvas.text(left + _GAP + (j + 1.5) * SIDE, top - 0.07, f"{t / FPS:.2f} s", size=6)


def _read_traces(path: Path) -> dict[tuple[str, str], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Read commanded and measured values, both (T,), by (clip, signal) from the CSV file of ``dawn-eval
    reenactment``."""
    pairs: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in read_rows(path):
        pairs.setdefault((row["clip"], row["signal"]), []).append((float(row["commanded"]), float(row["measured"])))
    return {key: (np.array(values)[:, 0], np.array(values)[:, 1]) for key, values in pairs.items()}
