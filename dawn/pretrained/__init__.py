"""Pre-trained networks that this package contains: the run that generates by default, and weights to start from.

Folder ``weights`` holds a run (``config.yaml`` and the weights of its networks), a latent flow generator of a lower
resolution (``lfg64``), and :data:`CARD`, which states their origin. ``dawn ship`` writes it; a package that was built
before that has no such folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dawn.errors import InputError

if TYPE_CHECKING:
    from dawn.config import Config

CARD = "card.yaml"
LIMIT = 20_000_000  # bytes of all files
_PREFIX = "pretrained:"
_ABSENT = "this package holds no pre-trained networks"


def folder() -> Path:
    """Return the folder of the pre-trained networks, which need not exist."""
    return Path(__file__).resolve().parent / "weights"


def run() -> Path:
    """Return the folder of the pre-trained run. Raises InputError when this package holds none."""
    if not (folder() / CARD).is_file():
        raise InputError(
            f"{_ABSENT}; give the folder of a trained run (--run DIR, in Python dawn.load(run)), or train them in the "
            "project's folder (make pretrain)"
        )
    return folder()


def description(run: Path, config: Config) -> str:
    """Describe the run in folder `run` for a person, in half a line."""
    if run.resolve() == folder().resolve():
        return f"pre-trained run of this package (drawn people, {config.corpus.resolution} px)"
    return f"run {run} ({config.corpus.resolution} px)"


def start_file(start: str) -> Path:
    """Return the weights file that the value of a key `start` names: a path, or ``pretrained:NAME`` for one of these.

    NAME is a stage of the pre-trained run, or ``lfg64``. Raises InputError when this package holds no such weights.
    """
    if not start.startswith(_PREFIX):
        return Path(start)
    name = start.removeprefix(_PREFIX)
    files = {path.parent.name: path for path in folder().glob("*/weights.safetensors")}
    if name not in files:
        known = f"it holds {', '.join(sorted(files))}" if files else f"{_ABSENT}; train them (make pretrain)"
        raise InputError(f"start: {start}: no such weights in this package: {known}, or give the path of a file")
    return files[name]


def encoder_folder(name: str, networks: Path | None = None) -> Path | None:
    """Return the folder of the speech encoder that ``pretrained:NAME`` names, None for a name of another form.

    `networks` is the folder of pre-trained networks, by default that of this package. Raises InputError when it holds
    no such encoder.
    """
    if not name.startswith(_PREFIX):
        return None
    path = (networks or folder()) / name.removeprefix(_PREFIX)
    if not (path / "model.safetensors").is_file():
        present = sorted(file.parent.name for file in path.parent.glob("*/model.safetensors"))
        known = f"it holds {', '.join(present)}" if present else "it holds none; train one (make pretrain)"
        raise InputError(f"features.speech.encoder: {name}: no such encoder in {networks or 'this package'}: {known}")
    return path
