"""The features of one clip, as kept on disk: one .safetensors a clip."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dawn.errors import InputError
from dawn.media.files import atomic_path

_SHAPES: dict[str, tuple[int | None, ...]] = {
    "landmarks": (68, 2),
    "pose": (6,),
    "blink": (2,),
    "speech": (None,),
    "face_box": (4,),
    "mouth_box": (4,),
    "found": (),
}


@dataclass(frozen=True)
class Features:
    """One row for each of the N frames; float32 unless said otherwise."""

    landmarks: NDArray[np.float32]  # (N, 68, 2) pixels of the clip
    pose: NDArray[np.float32]  # (N, 6) yaw, pitch, roll in degrees, scale, tx, ty (see dawn.features.pose)
    blink: NDArray[np.float32]  # (N, 2) eye aspect ratio, left and right
    speech: NDArray[np.float32]  # (N, C)
    face_box: NDArray[np.float32]  # (N, 4) x0, y0, x1, y1, pixels
    mouth_box: NDArray[np.float32]  # (N, 4)
    found: NDArray[np.bool_]  # (N,) False where the face was not found and the row is interpolated
    extractor: str  # name and version of the landmark detector
    encoder: str  # speech encoder
    fps: float

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, whole or not at all. The same features give the same bytes."""
        arrays = {}
        for name in _SHAPES:
            kind = np.bool_ if name == "found" else np.float32
            arrays[name] = np.ascontiguousarray(getattr(self, name), dtype=kind)
        # A single key: safetensors writes several in an order that changes from run to run.
        about = json.dumps({"extractor": self.extractor, "encoder": self.encoder, "fps": self.fps}, sort_keys=True)
        with atomic_path(path) as aside:
            aside.write_bytes(save(arrays, metadata={"features": about}))  # a full disk is an OSError, as elsewhere

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Features:
        """Read a file. Raises InputError when it is missing, damaged, or not the features of one clip."""
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: no such file; extract the features first (dawn features)")
        try:
            with safe_open(path, framework="numpy") as stored:
                about = json.loads((stored.metadata() or {}).get("features", "null"))
                arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, OSError, ValueError):
            raise InputError(f"{path}: not a features file, or damaged; delete it and extract again") from None
        if not isinstance(about, dict) or set(about) != {"extractor", "encoder", "fps"}:
            raise InputError(f"{path}: does not say how it was made; delete it and extract again")
        _check(arrays, path)
        return cls(**{name: arrays[name] for name in _SHAPES}, **about)


def _check(arrays: dict[str, NDArray[np.generic]], path: Path) -> None:
    frames = arrays["found"].shape[0] if "found" in arrays and arrays["found"].ndim == 1 else 0
    for name, shape in _SHAPES.items():
        if name not in arrays:
            raise InputError(f"{path}: holds no {name!r}; delete it and extract again")
        array, kind = arrays[name], np.bool_ if name == "found" else np.float32
        fits = array.ndim == 1 + len(shape) and array.shape[0] == frames > 0 and array.dtype == kind
        if not fits or any(want not in (None, size) for want, size in zip(shape, array.shape[1:], strict=True)):
            wanted = ", ".join(str(size or "C") for size in (frames or "N", *shape))
            raise InputError(
                f"{path}: {name!r} is {array.dtype} {array.shape}, wanted {np.dtype(kind)} ({wanted}); "
                "delete it and extract again"
            )
        if kind is np.float32 and not np.isfinite(array.astype(np.float32)).all():
            raise InputError(f"{path}: {name!r} holds values that are not finite; delete it and extract again")
