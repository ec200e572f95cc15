"""Figure of head pose and eye opening of real and generated videos over time, above the loudness (paper Figure 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dawn.baselines.methods import label_of
from dawn.config import Config
from dawn.media.audio import read_audio
from dawn.media.csv_files import read_rows
from eval.figures.canvas import COLOURS, Canvas
from eval.stats.bootstrap import Estimate, draws, mean
from eval.stats.sampling import evenly_spaced
from eval.studies.clip_list import video_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIGNALS = {"yaw": "yaw (°)", "pitch": "pitch (°)", "roll": "roll (°)", "blink": "eye opening"}
_LABELS = {"gt": "True", "dawn": "With PBNet", "no_pbnet": "Without PBNet"}
# Inches.
_HEIGHT = 0.8  # of one plot
_WIDTH = 2.3
_LEFT = 0.65
_GAP = 0.3

Traces = Mapping[tuple[str, str], Mapping[str, NDArray[np.float64]]]  # (method, clip) -> signal -> (T,)


def loudness(audio: NDArray[np.float32], frames: int) -> NDArray[np.float64]:
    """Compute the root mean square of audio (T,) in each of `frames` equal parts, (frames,)."""
    return np.array([np.sqrt(np.mean(np.square(part, dtype=np.float64))) for part in np.array_split(audio, frames)])


def draw_traces(
    config: Config,
    names: Sequence[str],
    methods: Sequence[str],
    traces_file: Path,
    real: Path,
    out: Path,
    *,
    clips: int = 3,
) -> None:
    """Draw `clips` evenly spaced clips of `names` from the CSV file of :mod:`eval.studies.motion_traces`.

    real: folder of the real videos, for their audio. The caption states the standard deviation of each signal within a
    clip, averaged over all clips, with its bootstrap interval. Raises InputError for a missing video.
    """
    traces = _read_traces(traces_file)
    shown = evenly_spaced(names, clips)
    height = 0.5 + (len(_SIGNALS) + 1) * (_HEIGHT + 0.12) + 0.4 + 0.16 * (len(methods) + 1)
    canvas = Canvas(_LEFT + len(shown) * (_WIDTH + _GAP), height)
    for column, name in enumerate(shown):
        x = _LEFT + column * (_WIDTH + _GAP)
        canvas.text(x + _WIDTH / 2, 0.4, name)
        plots = []
        for row, (signal, label) in enumerate(_SIGNALS.items()):
            axes = canvas.axes(x, 0.5 + row * (_HEIGHT + 0.12), _WIDTH, _HEIGHT)
            for method in methods:
                if (method, name) in traces:
                    values = traces[method, name][signal]
                    seconds = np.arange(len(values)) / config.corpus.fps
                    axes.plot(seconds, values, lw=1.1, color=COLOURS.get(method), label=_label(method))
            axes.tick_params(labelbottom=False)
            plots.append((axes, label))
        speech = canvas.axes(x, 0.5 + len(_SIGNALS) * (_HEIGHT + 0.12), _WIDTH, _HEIGHT)
        lengths = [len(traces[method, name]["yaw"]) for method in methods if (method, name) in traces]
        _plot_loudness(speech, read_audio(video_path(real, name)), max(lengths, default=1), config.corpus.fps)
        for axes, label in [*plots, (speech, "loudness")]:
            axes.tick_params(labelsize=5, length=2, pad=1)
            axes.margins(x=0)
            if column == 0:
                axes.set_ylabel(label, fontsize=6)
                axes.yaxis.set_label_coords(-0.16, 0.5)
    handles = canvas.figure.axes[0].get_legend_handles_labels()
    canvas.figure.legend(*handles, loc="upper left", fontsize=7, frameon=False, ncols=len(methods), borderaxespad=0.1)
    foot = height - 0.16 * (len(methods) + 1)
    caption = f"Run {config.name}: {len(shown)} of {len(names)} test clips. Standard deviation within a clip, "
    canvas.text(0.1, foot, caption + f"mean over all {len(names)} [interval]:", align="left")
    for line, method in enumerate(methods, 1):
        spreads = "; ".join(f"{signal} {_spread(traces, method, names, signal, config)}" for signal in _SIGNALS)
        canvas.text(0.1, foot + 0.16 * line, f"{_label(method)}: {spreads}", align="left")
    canvas.save(out)


def _plot_loudness(axes: Axes, audio: NDArray[np.float32], frames: int, fps: float) -> None:
    axes.fill_between(np.arange(frames) / fps, loudness(audio, frames), color="#bbbbbb")
    axes.set_ylim(0)
    axes.set_xlabel("seconds", fontsize=6, labelpad=1)


def _label(method: str) -> str:
    return _LABELS.get(method, label_of(method))


def _spread(traces: Traces, method: str, names: Sequence[str], signal: str, config: Config) -> str:
    """Compute the mean over clips of the standard deviation of a signal, with interval, as text; clips without trace
    excluded."""
    deviations = [traces[method, name][signal].std() if (method, name) in traces else np.nan for name in names]
    settings = config.evaluate
    estimate: Estimate = mean(deviations, draws(len(names), settings.bootstrap, settings.seed), settings.interval)
    return f"{estimate.value:.2g} [{estimate.low:.2g}, {estimate.high:.2g}]"


def _read_traces(path: Path) -> Traces:
    values: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in read_rows(path):
        signals = values.setdefault((row["method"], row["clip"]), {})
        signals.setdefault(row["signal"], []).append(float(row["value"]))
    return {key: {signal: np.array(trace) for signal, trace in signals.items()} for key, signals in values.items()}
