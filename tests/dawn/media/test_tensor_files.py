"""Arrays in safetensors files with a description."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dawn.media.tensor_files import load_arrays, save_arrays


def test_arrays_and_description_read_back_from_the_same_bytes(tmp_path: Path) -> None:
    arrays = {"b": np.arange(6, dtype=np.float32).reshape(2, 3).T, "a": np.array([True, False])}
    for name in ("first", "second"):
        save_arrays(tmp_path / name, arrays, "about", '{"fps": 25}')
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    loaded, description = load_arrays(tmp_path / "first", "about")
    assert description == {"fps": 25} and load_arrays(tmp_path / "first", "other")[1] is None
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        assert np.array_equal(loaded[name], array) and loaded[name].dtype == array.dtype


def test_other_files_are_errors(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no tensors")
    with pytest.raises(ValueError):
        load_arrays(tmp_path / "text", "about")
    with pytest.raises(OSError):
        load_arrays(tmp_path / "absent", "about")
