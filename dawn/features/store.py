"""Features of one clip and their file format: one ``.safetensors`` file per clip."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawn.errors import InputError
from dawn.media.tensor_files import RowFile, load_arrays, save_arrays

SHAPES: dict[str, tuple[int | None, ...]] = {
    "landmarks": (68, 2),
    "pose": (6,),
    "blink": (2,),
    "blendshapes": (52,),
    "speech": (None,),
    "mfcc": (4, 13),
    "face_box": (4,),
    "mouth_box": (4,),
    "found": (),
}


@dataclass(frozen=True)
class Features:
    """Features of one clip, one row for each of its N frames."""

    landmarks: NDArray[np.float32]  # (N, 68, 2) pixels of the clip
    pose: NDArray[np.float32]  # (N, 6) yaw, pitch, roll in degrees, scale, tx, ty (see dawn.features.pose)
    blink: NDArray[np.float32]  # (N, 2) eye aspect ratio, left and right
    blendshapes: NDArray[np.float32]  # (N, 52) 0 to 1, in the order of dawn.features.landmarks.BLENDSHAPES
    speech: NDArray[np.float32]  # (N, C) output of the speech encoder
    mfcc: NDArray[np.float32]  # (N, 4, 13) of the sound, for SyncNet (see dawn.features.mfcc)
    face_box: NDArray[np.float32]  # (N, 4) x0, y0, x1, y1, pixels
    mouth_box: NDArray[np.float32]  # (N, 4) x0, y0, x1, y1, pixels
    found: NDArray[np.bool_]  # (N,) False where the face was not found and the row is interpolated
    extractor: str  # name and version of the landmark detector
    encoder: str  # version of the speech encoder; see dawn.features.encoders
    fps: float

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file atomically. The same features give the same bytes. Raises InputError for non-finite values."""
        arrays = {
            name: np.asarray(getattr(self, name), dtype=np.bool_ if name == "found" else np.float32) for name in SHAPES
        }
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise InputError(f"{path}: {name!r} has values that are not finite")
        description = {"extractor": self.extractor, "encoder": self.encoder, "fps": self.fps}
        save_arrays(path, arrays, "features", json.dumps(description, sort_keys=True))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Features:
        """Read a file. Raises InputError when it is missing, damaged, or not the features of one clip."""
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: no such file; extract the features first (dawn features)")
        try:
            arrays, description = load_arrays(path, "features")
        except (OSError, ValueError):
            raise InputError(f"{path}: not a features file, or damaged; delete it and extract again") from None
        if not isinstance(description, dict) or set(description) != {"extractor", "encoder", "fps"}:
            raise InputError(f"{path}: does not state how it was extracted; delete it and extract again")
        _check(arrays, path)
        values: dict[str, Any] = {name: arrays[name] for name in SHAPES}
        return cls(**values, **description)


def feature_length(path: Path) -> int:
    """Read the number of frames of a features file."""
    with RowFile(path, "features") as file:
        return file.shape("found")[0]


def _check(arrays: dict[str, NDArray[Any]], path: Path) -> None:
    frames = arrays["found"].shape[0] if "found" in arrays and arrays["found"].ndim == 1 else 0
    for name, shape in SHAPES.items():
        if name not in arrays:
            raise InputError(f"{path}: holds no {name!r}; delete it and extract again")
        array, dtype = arrays[name], np.bool_ if name == "found" else np.float32
        fits = array.ndim == 1 + len(shape) and array.shape[0] == frames > 0 and array.dtype == dtype
        if not fits or any(size not in (None, got) for size, got in zip(shape, array.shape[1:], strict=True)):
            expected = ", ".join(str(size or "C") for size in (frames or "N", *shape))
            raise InputError(
                f"{path}: {name!r} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} ({expected}); "
                "delete it and extract again"
            )
        if dtype is np.float32 and not np.isfinite(array).all():
            raise InputError(f"{path}: {name!r} holds values that are not finite; delete it and extract again")
