"""Pickles of numpy arrays and plain values, as published weights have them; anything else that they name is refused."""

from __future__ import annotations

import pickle
from typing import Any, BinaryIO

# What arrays are rebuilt with. Files are of numpy 1, which had the function in another module than numpy 2 has.
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): "numpy._core.multiarray",
    ("numpy._core.multiarray", "_reconstruct"): "numpy._core.multiarray",
    ("numpy", "ndarray"): "numpy",
    ("numpy", "dtype"): "numpy",
}


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of an array")
        return super().find_class(_ALLOWED[module, name], name)


def load(stream: BinaryIO) -> Any:
    """Read the next value. Raises UnpicklingError for any class that is no array, and as :func:`pickle.load` does."""
    return _Arrays(stream).load()
