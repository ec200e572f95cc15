"""Methods of all table rows: DAWN's methods and the declared baselines."""

from __future__ import annotations

import functools

from dawn.baselines.declaration import declared
from dawn.methods import Method, methods


@functools.cache
def all_methods() -> dict[str, Method]:
    """Return methods and baselines by name.

    `generated` is False for baselines: ``dawn videos`` does not generate them.
    """
    baselines = {
        name: Method(
            name, baseline.title, ranked=baseline.ranked, generated=False, remark=baseline.remark or "", strategy=None
        )
        for name, baseline in declared().items()
    }
    return methods() | baselines


def label_of(method: str) -> str:
    """Return the label of a method in tables and figures, or its name where it has no entry (the paper's methods)."""
    entry = all_methods().get(method)
    return method if entry is None else entry.label
