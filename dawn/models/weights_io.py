"""Weights files: the networks of a trained stage in one safetensors file, with metadata."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dawn.errors import InputError
from dawn.media.files import atomic_path


def save_weights(path: Path, modules: Mapping[str, Mapping[str, Tensor]], metadata: Mapping[str, str]) -> None:
    """Write the state dictionaries `modules` (by network name) to one file, keys ``<network>/<state-dict key>``."""
    flat = {f"{name}/{key}": value.contiguous() for name, state in modules.items() for key, value in state.items()}
    with atomic_path(path) as aside:
        # One key only: the library writes several in random order, and equal weights would differ in their hash.
        save_file(flat, aside, metadata={"dawn": json.dumps(dict(metadata), sort_keys=True)})


def load_weights(path: Path, modules: Mapping[str, nn.Module], optional: Collection[str] = ()) -> None:
    """Load a file of :func:`save_weights` into `modules`; weights in half precision are widened to theirs.

    Modules whose names are `optional` stay as they are where the file has none of that name. Raises InputError when the
    file is missing or damaged, or a key is missing, unexpected or of another shape.
    """
    states = read_weights(path)
    for name, module in modules.items():
        if name in optional and name not in states:
            continue
        try:
            module.load_state_dict(states.get(name, {}))
        except RuntimeError as error:
            first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
            raise InputError(f"{path}: does not fit network {name} as configured: {first}") from None


def read_weights(path: Path) -> dict[str, dict[str, Tensor]]:
    """Read the state dictionaries of a weights file, by network name, in the precision of the file.

    Raises InputError when the file is missing or damaged.
    """
    with _readable(path):
        flat = load_file(path)
    states: dict[str, dict[str, Tensor]] = {}
    for key, value in flat.items():
        name, _, inner = key.partition("/")
        states.setdefault(name, {})[inner] = value
    return states


def weights_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of a weights file: stage, fingerprint, steps, config, and the extractor of its features.

    Raises InputError when the file is missing or damaged.
    """
    with _readable(path), safe_open(path, framework="pt") as stream:
        text = (stream.metadata() or {}).get("dawn", "{}")
    try:
        metadata = json.loads(text)
    except ValueError:
        metadata = None
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise InputError(f"{path}: its metadata are not those of a trained stage; train the stage again")
    return metadata


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise InputError(f"{path}: no such weights; train the stage that writes them first")
    try:
        yield
    except SafetensorError as error:
        raise InputError(f"{path}: damaged weights ({error}); write them again") from None
