"""Arrays in ``.safetensors`` files, with a description of them as one JSON text in the metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dawn.media.files import atomic_path


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]], key: str, description: str) -> None:
    """Write `arrays` atomically, with `description` (JSON text) as the metadata entry `key`.

    The same arguments give the same bytes. There is a single metadata entry because safetensors does not keep the order
    of several.
    """
    content = save({name: np.asarray(array, order="C") for name, array in arrays.items()}, metadata={key: description})
    with atomic_path(path) as aside:
        aside.write_bytes(content)  # a full disk is then an OSError, as it is for every other file


def load_arrays(path: str | os.PathLike[str], key: str) -> tuple[dict[str, NDArray[Any]], Any]:
    """Read arrays by name, and the decoded metadata entry `key`, None where it is absent.

    Raises OSError for a file that cannot be read, ValueError for one that is no safetensors file or is damaged.
    """
    try:
        with safe_open(path, framework="numpy") as stored:
            description = json.loads((stored.metadata() or {}).get(key, "null"))
            return {name: stored.get_tensor(name) for name in stored.keys()}, description  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise ValueError(str(error)) from None
