"""Arrays in ``.safetensors`` files, with a description of them as one JSON text in the metadata."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dawn.errors import InputError
from dawn.media.files import atomic_path

# NumPy dtypes of arrays that are read row by row, by their name in the header.
_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}


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


class RowWriter:
    """Writer of a file for :class:`RowFile`, row by row, so that its content never is in memory.

    `arrays` gives dtype and shape (N, ...) of the arrays by name. `tail` names one more array, of bytes, whose length
    need not be known before its end. Leaving the context completes the file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        arrays: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]],
        key: str,
        description: str,
        tail: str | None = None,
    ) -> None:
        names = {dtype: name for name, dtype in _DTYPES.items()}
        self._metadata = {key: description}
        self._entries: dict[str, tuple[str, tuple[int, ...], int, int]] = {}
        self._tail, self._tail_size = tail, 0
        end = 0
        for name, (dtype, shape) in arrays.items():
            start, end = end, end + math.prod(shape) * dtype.itemsize
            self._entries[name] = (names[dtype], shape, start, end)
        self._tail_start = end
        # A header that fits any length of the tail; spaces fill it, as the format allows.
        self._header_size = -(-len(self._header(2**63)) // 8) * 8
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)

    def write(self, name: str, row: int, values: NDArray[Any]) -> None:
        """Write `values` (n, ...) as the rows `row` to `row` + n of an array."""
        dtype, shape, start, _ = self._entries[name]
        values = np.ascontiguousarray(values, _DTYPES[dtype])
        if values.shape[1:] != shape[1:] or row + len(values) > shape[0]:
            raise ValueError(f"{name}: {values.shape} at row {row} of {shape}")
        self._write(values.reshape(-1).view(np.uint8), start + row * math.prod(shape[1:]) * values.dtype.itemsize)

    def append(self, values: NDArray[np.uint8]) -> None:
        """Append bytes to the last array."""
        self._write(np.ascontiguousarray(values).reshape(-1), self._tail_start + self._tail_size)
        self._tail_size += values.size

    def _write(self, values: NDArray[np.uint8], place: int) -> None:
        left, place = memoryview(values.data), place + 8 + self._header_size
        while len(left):
            count = os.pwrite(self._file, left, place)
            left, place = left[count:], place + count

    def _header(self, tail_size: int) -> bytes:
        entries: dict[str, Any] = {
            name: {"dtype": dtype, "shape": shape, "data_offsets": (start, end)}
            for name, (dtype, shape, start, end) in self._entries.items()
        }
        if self._tail is not None:
            span = (self._tail_start, self._tail_start + tail_size)
            entries[self._tail] = {"dtype": "U8", "shape": (tail_size,), "data_offsets": span}
        return json.dumps({"__metadata__": self._metadata, **entries}).encode()

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                header = self._header(self._tail_size).ljust(self._header_size)
                for content, place in ((len(header).to_bytes(8, "little"), 0), (header, 8)):
                    os.pwrite(self._file, content, place)
        finally:
            os.close(self._file)


class RowFile:
    """File of arrays (N, ...), from which rows are read without the others.

    Rows are read by position, not mapped into memory: the memory of a process does not grow with what it has read. A
    closed or unpickled one opens the file again when it reads, without parsing the header anew. ``description`` is the
    decoded metadata entry `key`; whoever has used a large one may set it to None. Raises OSError for a file that cannot
    be read, ValueError for one that is no safetensors file.
    """

    def __init__(self, path: str | os.PathLike[str], key: str) -> None:
        self._path = os.fspath(path)
        self._file = os.open(self._path, os.O_RDONLY)
        try:
            content = _header(self._file)
            self._digest = hashlib.sha256(content).digest()
            header = json.loads(content)
            self.description: Any = json.loads(header.pop("__metadata__", {}).get(key, "null"))
            self._arrays = {
                name: (_DTYPES[entry["dtype"]], tuple(entry["shape"]), 8 + len(content) + entry["data_offsets"][0])
                for name, entry in header.items()
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.close()
            raise ValueError(str(error)) from None

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an array; KeyError where the file has none of this name."""
        return self._arrays[name][1]

    def rows(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Read rows `start` to `stop` of an array.

        Raises OSError when the file ends before them, InputError when it was replaced or deleted since it was opened
        first.
        """
        dtype, shape, offset = self._arrays[name]
        if not 0 <= start <= stop <= shape[0]:
            raise IndexError(f"rows {start} to {stop} of {shape[0]}")
        out = np.empty((stop - start, *shape[1:]), dtype)
        size = math.prod(shape[1:]) * dtype.itemsize
        if self._file < 0:
            self._open_again()
        unread, place = memoryview(out.reshape(-1).view(np.uint8).data), offset + start * size
        while len(unread):  # one call reads at most 2 GiB
            count = os.preadv(self._file, [unread], place)
            if count == 0:
                raise OSError("truncated")
            unread, place = unread[count:], place + count
        return out

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open_again(self) -> None:
        try:
            self._file = os.open(self._path, os.O_RDONLY)
            same = hashlib.sha256(_header(self._file)).digest() == self._digest
        except (FileNotFoundError, ValueError):
            same = False
        if not same:
            self.close()
            raise InputError(f"{self._path}: replaced or deleted while it was in use; start again")

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_file": -1}

    def __enter__(self) -> RowFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _header(file: int) -> bytes:
    """Read the header of an open safetensors file. Raises ValueError where there is none."""
    length = int.from_bytes(os.pread(file, 8, 0), "little")
    if not 2 <= length <= os.fstat(file).st_size - 8:
        raise ValueError("no safetensors file")
    return os.pread(file, length, 8)
