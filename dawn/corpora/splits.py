"""Selection of clips for testing and validation: names drawn by a seed, or listed in a text file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from dawn.errors import InputError
from dawn.seeds import ranking_key


def hold_out(names: Iterable[str], fraction: float, seed: int) -> set[str]:
    """Draw `fraction` of the names, of identities or clips, at least one of two or more, but not all.

    They are ranked by a hash of seed and name, so that additional names change the choice of few others.
    """
    ranked = sorted(set(names), key=lambda name: ranking_key(seed, name))
    count = round(fraction * len(ranked))
    if fraction > 0 and len(ranked) > 1:
        count = min(max(count, 1), len(ranked) - 1)
    return set(ranked[:count])


def read_test_list(path: str | None) -> set[str] | None:
    """Read clip names from a text file, one a line, without lines that begin with #; None for no file.

    Raises InputError when the file cannot be read or names none.
    """
    if path is None:
        return None
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the test list cannot be read ({error.__class__.__name__})") from None
    names = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
    if not names:
        raise InputError(f"{path}: the test list names no clip; write one a line, or leave out test_list")
    return names


def check_names(names: set[str], known: Sequence[str], path: str | None, corpus: str) -> None:
    """Raise InputError when the test list `path` has `names` that are not `known` names of clips of `corpus`."""
    unknown = sorted(names - set(known))
    if unknown:
        similar = get_close_matches(unknown[0], known, n=1) or known[:1]
        raise InputError(
            f"{path}: {corpus} has no clip {unknown[0]!r} ({len(unknown)} of {len(names)} names are unknown); write "
            f"names like {similar[0]!r}"
        )
