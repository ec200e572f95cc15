"""Head pose and eye opening of true and generated videos over time, and the speech (paper Figure 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dawn.baselines.methods import label_of
from dawn.config import Config
from dawn.errors import InputError
from dawn.media.audio import read_audio
from dawn.media.csv_files import write_rows
from eval.extract.clip_list import video_path
from eval.figures.canvas import COLOURS, Sheet
from eval.stats.bootstrap import Estimate, draws, mean
from eval.studies.learned import seen_in

_SIGNALS = {"yaw": "yaw (°)", "pitch": "pitch (°)", "roll": "roll (°)", "blink": "eye opening"}
_HEIGHT = 0.8  # inches, of one plot
_WIDTH = 2.3
_LEFT = 0.65
_GAP = 0.3


def loudness(audio: NDArray[np.float32], frames: int) -> NDArray[np.float64]:
    """Root mean square of the sound (T,) in each of `frames` equal parts, (frames,)."""
    return np.array([np.sqrt(np.mean(np.square(part, dtype=np.float64))) for part in np.array_split(audio, frames)])


def ablation(
    config: Config, names: Sequence[str], real: Path, videos: Mapping[str, Path], out: Path, *, clips: int = 3
) -> None:
    """Draw `clips` clips spread over `names`; beside it all clips' traces as CSV.

    Everything is measured in the videos, the true ones too. The caption says how much the head moves: the standard
    deviation of each signal within a clip, mean over all clips with its interval.
    """
    if not names:
        raise InputError("the traces need at least one clip")
    folders = {"gt": real, **videos}
    labels = {"gt": "True", "dawn": "With PBNet", "no_pbnet": "Without PBNet"}
    traces: dict[tuple[str, str], dict[str, NDArray[np.float64]]] = {}
    for method, folder in folders.items():
        for name in tqdm(names, desc=f"traces of {method}", unit="clip", mininterval=2):
            seen = seen_in(video_path(folder, name), config)
            if seen is not None:
                pose = {
                    signal: seen.pose[:, axis].astype(float) for axis, signal in enumerate(("yaw", "pitch", "roll"))
                }
                traces[method, name] = pose | {"blink": seen.blink.astype(float).mean(1)}
    chosen = [names[i] for i in np.linspace(0, len(names) - 1, min(clips, len(names))).round().astype(int)]
    height = 0.5 + (len(_SIGNALS) + 1) * (_HEIGHT + 0.12) + 0.4 + 0.16 * (len(folders) + 1)
    sheet = Sheet(_LEFT + len(chosen) * (_WIDTH + _GAP), height)
    fps = config.corpus.fps
    for column, name in enumerate(chosen):
        x = _LEFT + column * (_WIDTH + _GAP)
        sheet.text(x + _WIDTH / 2, 0.4, name)
        count = 1
        for row, (signal, label) in enumerate(_SIGNALS.items()):
            axes = sheet.axes(x, 0.5 + row * (_HEIGHT + 0.12), _WIDTH, _HEIGHT)
            for method in folders:
                values = traces.get((method, name), {}).get(signal)
                if values is not None:
                    count = max(count, len(values))
                    colour = COLOURS.get(method)
                    label = labels.get(method, label_of(method))
                    axes.plot(np.arange(len(values)) / fps, values, lw=1.1, color=colour, label=label)
            axes.tick_params(labelsize=5, length=2, pad=1, labelbottom=False)
            axes.margins(x=0)
            if column == 0:
                axes.set_ylabel(label, fontsize=6)
                axes.yaxis.set_label_coords(-0.16, 0.5)
                if row == 0:
                    handles = axes.get_legend_handles_labels()
        axes = sheet.axes(x, 0.5 + len(_SIGNALS) * (_HEIGHT + 0.12), _WIDTH, _HEIGHT)
        sound = loudness(read_audio(video_path(real, name)), count)
        axes.fill_between(np.arange(count) / fps, sound, color="#bbbbbb")
        axes.tick_params(labelsize=5, length=2, pad=1)
        axes.margins(x=0)
        axes.set_ylim(0)
        axes.set_xlabel("seconds", fontsize=6, labelpad=1)
        if column == 0:
            axes.set_ylabel("loudness", fontsize=6)
            axes.yaxis.set_label_coords(-0.16, 0.5)
    sheet.figure.legend(*handles, loc="upper left", fontsize=7, frameon=False, ncols=len(folders), borderaxespad=0.1)
    foot = height - 0.16 * (len(folders) + 1)
    text = f"Run {config.name}: {len(chosen)} of {len(names)} test clips. Standard deviation within a clip, "
    text += f"mean over all {len(names)} [interval]:"
    sheet.text(0.1, foot, text, align="left")
    for line, method in enumerate(folders, 1):
        found = "; ".join(f"{signal} {_spread(traces, method, names, signal, config)}" for signal in _SIGNALS)
        sheet.text(0.1, foot + 0.16 * line, f"{labels.get(method, label_of(method))}: {found}", align="left")
    sheet.save(out)
    rows = (
        (name, method, frame, signal, f"{value:.4f}")
        for (method, name), signals in traces.items()
        for signal, values in signals.items()
        for frame, value in enumerate(values)
    )
    write_rows(out.with_suffix(".csv"), ("clip", "method", "frame", "signal", "value"), rows)


def _spread(
    traces: Mapping[tuple[str, str], Mapping[str, NDArray[np.float64]]],
    method: str,
    names: Sequence[str],
    signal: str,
    config: Config,
) -> str:
    values = [traces[method, name][signal].std() if (method, name) in traces else np.nan for name in names]
    settings = config.evaluate
    found: Estimate = mean(values, draws(len(names), settings.bootstrap, settings.seed), settings.interval)
    return f"{found.value:.2g} [{found.low:.2g}, {found.high:.2g}]"
