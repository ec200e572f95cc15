"""Head pose and eye opening detected in real and generated videos, frame by frame (paper Figure 6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from dawn.config import Config
from dawn.errors import InputError
from dawn.media.csv_files import write_rows
from eval.studies.clip_list import video_path
from eval.studies.learned import detected_motion

COLUMNS = ("clip", "method", "frame", "signal", "value")


def write_traces(config: Config, names: Sequence[str], folders: Mapping[str, Path], out: Path) -> None:
    """Write yaw, pitch, roll (degrees) and blink (mean aspect ratio of both eyes) of every frame as CSV.

    folders: videos by method, including the real ones (``gt``). Videos with too few detected faces have no rows. Raises
    InputError for no clips and for a missing video.
    """
    if not names:
        raise InputError("the traces need at least one clip")
    write_rows(
        out, COLUMNS, [row for method, folder in folders.items() for row in _rows(config, names, method, folder)]
    )


def _rows(config: Config, names: Sequence[str], method: str, folder: Path) -> Iterator[tuple[object, ...]]:
    for name in tqdm(names, desc=f"traces of {method}", unit="clip", mininterval=2):
        motion = detected_motion(video_path(folder, name), config)
        if motion is not None:
            signals = {"yaw": motion.pose[:, 0], "pitch": motion.pose[:, 1], "roll": motion.pose[:, 2]}
            for signal, values in (signals | {"blink": motion.blink.astype(float).mean(1)}).items():
                for frame, value in enumerate(values):
                    yield name, method, frame, signal, f"{value:.4f}"
