"""JSON files, written atomically and indented; reading a damaged one raises InputError."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dawn.errors import InputError
from dawn.media.files import atomic_path


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` to `path` atomically, indented, with sorted keys."""
    with atomic_path(path) as aside:
        aside.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read a JSON file. Raises InputError when it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the step that writes it") from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: not a readable JSON file ({error.__class__.__name__}); run the step that writes it again"
        ) from None
