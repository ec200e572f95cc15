"""Command-line options that several commands share, and parsers of their values. Imports neither torch nor pydantic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dawn.errors import InputError

if TYPE_CHECKING:
    from eval.extract.cache import FeatureCache

DEFAULT_CONFIG = Path("config/demo.yaml")
DEFAULT_SWEEPS = Path("config/sweeps")

ConfigFile = Annotated[Path, typer.Option("--config", metavar="FILE", help="configuration of the run")]
SweepFolder = Annotated[Path, typer.Option("--sweeps", metavar="DIR", help="folder of the sweeps")]
ClipList = Annotated[
    Path, typer.Option("--clips", metavar="FILE", help="manifest, CSV file with a column 'clip', or one name per line")
]
RealFolder = Annotated[
    Path, typer.Option("--real", metavar="DIR", help="folder of the true videos, <clip>.mp4, or of a corpus's clips")
]
VideoFolder = Annotated[Path, typer.Option("--videos", metavar="DIR", help="folder of the videos, <clip>.mp4")]
VideoFolders = Annotated[
    list[str], typer.Option("--videos", metavar="NAME=DIR...", help="folders of generated videos, by method")
]
SyncnetFile = Annotated[Path, typer.Option("--syncnet", metavar="FILE", help="weights written by fit-syncnet")]
CacheFolder = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        show_default="$DAWN_EVAL_CACHE, else the user's cache folder",
        help="cache of the videos' features",
    ),
]
Threads = Annotated[int, typer.Option("--threads", min=1, help="CPU threads")]
TableFiles = Annotated[
    Path, typer.Option("--out", metavar="PATH", help="path without suffix; .csv, .md, .tex and .json are written")
]
Picture = Annotated[
    Path, typer.Option("--out", metavar="PICTURE.png", help="picture to write; its data are written to PICTURE.csv")
]


def cache_at(folder: Path | None) -> FeatureCache:
    """Return the feature cache in `folder`; default: in the default folder."""
    from eval.extract.cache import FeatureCache, default_folder

    return FeatureCache(folder or default_folder())


def named_folders(items: Sequence[str]) -> dict[str, Path]:
    """Parse ``NAME=DIR`` items to name -> folder. Raises InputError for another form or a repeated name."""
    folders: dict[str, Path] = {}
    for item in items:
        name, equals, folder = item.partition("=")
        if not (name and equals and folder):
            raise InputError(f"{item!r}: expected NAME=DIR")
        if name in folders:
            raise InputError(f"{item!r}: {name} is given twice")
        folders[name] = Path(folder)
    return folders


def fraction(value: float) -> float:
    """Validate that `value` lies strictly between 0 and 1, and return it. Raises typer.BadParameter."""
    if not 0 < value < 1:
        raise typer.BadParameter("must be between 0 and 1")
    return value


def shard_of(text: str) -> tuple[int, int]:
    """Parse ``I/N``, 1 <= I <= N, to (index from 0, number of shards). Raises InputError for another form."""
    index, slash, count = text.partition("/")
    if not (slash and index.isdigit() and count.isdigit() and 1 <= int(index) <= int(count)):
        raise InputError(f"--shard {text!r}: give I/N, such as 1/4")
    return int(index) - 1, int(count)
