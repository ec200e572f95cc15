"""Packed training clips: frames and features of all clips of one shard in one file, read by position.

A file ``store/<shard>.safetensors`` has the fields of :class:`~dawn.features.store.Features` that training reads, one
row for each frame of its clips, and ``frames``: in format ``raw`` the pixels (N, 3, S, S), in format ``jpeg`` the bytes
of JPEG pictures, that of frame k from ``offsets[k]`` to ``offsets[k + 1]``. Its metadata (:class:`ShardIndex`) has the
names and lengths of the clips in order.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dawn.choices import StoreFormat
from dawn.corpora.manifest import Clip
from dawn.errors import InputError
from dawn.features.clips import selected
from dawn.media.tensor_files import RowFile

KEY = "store"  # of the metadata
FIELDS = ("landmarks", "pose", "blink", "speech", "mfcc", "face_box", "mouth_box", "found")  # of Features
JPEG_QUALITY = 95
_OPEN_FILES = 256  # of one process, which may open 1024 by default


@dataclass(frozen=True)
class ShardIndex:
    """Metadata of a packed shard."""

    format: StoreFormat
    fingerprint: str  # of the settings, code and files that it was packed from
    extractor: str  # of landmarks and head pose; see dawn.features.versions
    clips: list[tuple[str, int]]  # name and number of frames
    encoder: str = ""  # of speech; see dawn.features.encoders. Files of earlier versions do not state it

    @classmethod
    def read(cls, path: Path) -> ShardIndex:
        """Read the metadata of a packed shard. Raises InputError when the file is missing or damaged."""
        with _open(path) as file:
            return cls.of(file, path)

    @classmethod
    def of(cls, file: RowFile, path: Path) -> ShardIndex:
        """Return the metadata of the open file `path`. Raises InputError when it is damaged."""
        try:
            return cls(**file.description)
        except TypeError:
            raise InputError(f"{path}: not a file of packed clips, or damaged; delete it and pack again") from None


class FrameStore:
    """Packed clips, with the interface :class:`~dawn.training.clip_views.Clips`.

    `clips` are the manifest's that training reads, `shards` the packed files that hold them. The header of each is read
    once; later, only requested rows are. What is kept of a clip is its place, so that memory hardly grows with the
    corpus. ``fingerprints`` are those of the shards. Raises InputError when a file is missing or damaged, or a clip is
    in none of them.
    """

    def __init__(self, clips: Sequence[Clip], shards: Sequence[Path]) -> None:
        self._paths = tuple(shards)
        self._shards: list[RowFile] = []
        self._used: OrderedDict[int, None] = OrderedDict()  # shards whose file may be open, the last used at the end
        self._shard, self._first, self._length = np.full((3, len(clips)), -1, np.int64)
        wanted = {clip.clip: index for index, clip in enumerate(clips)}
        fingerprints = []
        for number, path in enumerate(self._paths):
            with _open(path) as file:
                content = ShardIndex.of(file, path)
                file.description = None
            self._shards.append(file)
            fingerprints.append(content.fingerprint)
            first = 0
            for name, frames in content.clips:
                if (index := wanted.get(name)) is not None:
                    self._shard[index], self._first[index], self._length[index] = number, first, frames
                first += frames
            if content.clips:
                self.extractor, self.encoder = content.extractor, content.encoder
                self._format = content.format
        self.fingerprints = tuple(fingerprints)
        lengths = np.fromiter((clip.frames for clip in clips), np.int64, len(clips))
        if absent := np.flatnonzero(self._length != lengths).tolist():
            raise InputError(
                f"{self._paths[0].parent}: {len(absent)} of {len(clips)} clips are not packed, such as "
                f"{clips[absent[0]].clip}; pack the corpus again (dawn pack)"
            )

    def __len__(self) -> int:
        return len(self._length)

    def length(self, index: int) -> int:
        """Return the number of frames of clip `index`."""
        return int(self._length[index])

    def rows(self, index: int, name: str, which: slice | Sequence[int] = slice(None)) -> Tensor:
        """Read rows `which` of the feature `name` of clip `index`, one for each frame."""
        file, first = self._file(int(self._shard[index])), int(self._first[index])
        chosen = selected(which, self.length(index))
        try:
            if isinstance(chosen, range) and len(chosen) > 1:  # one read, also of what a step leaves out
                low, high = sorted((chosen[0], chosen[-1]))
                rows = np.ascontiguousarray(file.rows(name, first + low, first + high + 1)[:: chosen.step])
            else:
                rows = np.concatenate([file.rows(name, first + row, first + row + 1) for row in chosen])
        except OSError as error:
            raise self._unreadable(index, error) from None
        return torch.from_numpy(rows)

    def frames(self, index: int, which: slice | Sequence[int] = slice(None)) -> Tensor:
        """Read frames `which` of clip `index`, RGB uint8 (n, 3, S, S)."""
        if self._format == "raw":
            return self.rows(index, "frames", which)
        file, first = self._file(int(self._shard[index])), int(self._first[index])
        chosen = selected(which, self.length(index))
        whole = isinstance(chosen, range) and chosen.step == 1
        runs = [(chosen[0], chosen[-1] + 1)] if whole else [(row, row + 1) for row in chosen]
        pictures = []
        try:
            for start, stop in runs:
                offsets = file.rows("offsets", first + start, first + stop + 1)
                content = file.rows("frames", int(offsets[0]), int(offsets[-1]))
                bounds = itertools.pairwise((offsets - offsets[0]).tolist())
                pictures += [_decode(content[low:high]) for low, high in bounds]
        except OSError as error:
            raise self._unreadable(index, error) from None
        return torch.from_numpy(np.stack(pictures))

    def _unreadable(self, index: int, error: OSError) -> InputError:
        return InputError(f"{self._paths[self._shard[index]]}: {error}; delete it and pack again (dawn pack)")

    def _file(self, shard: int) -> RowFile:
        """Return the file of a shard; the one used least recently is closed when there are too many."""
        self._used[shard] = None
        self._used.move_to_end(shard)
        if len(self._used) > _OPEN_FILES:
            self._shards[self._used.popitem(last=False)[0]].close()
        return self._shards[shard]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_used": OrderedDict()}  # a process that loads batches opens files of its own


def encode(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Encode a frame RGB uint8 (S, S, 3) as JPEG, with chroma of half the resolution as in the clip's video."""
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return np.asarray(cv2.imencode(".jpg", np.ascontiguousarray(frame[..., ::-1]), options)[1], np.uint8).reshape(-1)


def _decode(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Decode a JPEG picture to (3, S, S)."""
    import cv2

    pixels = cv2.imdecode(picture, cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise OSError("a picture is damaged")
    return np.asarray(pixels, np.uint8).transpose(2, 0, 1)


def _open(path: Path) -> RowFile:
    if not path.is_file():
        raise InputError(f"{path}: no such file; pack the corpus first (dawn pack)")
    try:
        return RowFile(path, KEY)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError:
        raise InputError(f"{path}: not a file of packed clips, or damaged; delete it and pack again") from None
