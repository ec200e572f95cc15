"""Interface of training clips, and views of a clip store with fewer frames or without pose and blink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from torch import Tensor

from dawn.features.store import Features

# Fields of Features with one row for each frame.
_PER_FRAME = ("landmarks", "pose", "blink", "speech", "face_box", "mouth_box", "found")


class Clips(Protocol):
    """Interface of training clips by index: a :class:`~dawn.features.clips.ClipStore` or a view of one."""

    def __len__(self) -> int: ...

    def features(self, index: int) -> Features:
        """Load the features of clip `index`, one row for each frame."""
        ...

    def length(self, index: int) -> int:
        """Return the number of frames of clip `index`."""
        ...

    def frames(self, index: int, which: Sequence[int] | slice = slice(None)) -> Tensor:
        """Decode frames `which` of clip `index`, RGB uint8 (n, 3, H, W)."""
        ...


class StridedClips:
    """View with every `stride`-th frame of each clip, for the keyframe network of two temporal resolutions (paper 4.3).

    Each clip gives `stride` clips, one for each phase: index i is phase i % stride of clip i // stride.
    """

    def __init__(self, clips: Clips, stride: int) -> None:
        self.clips = clips
        self.stride = stride

    def __len__(self) -> int:
        return len(self.clips) * self.stride

    def features(self, index: int) -> Features:
        """Load every `stride`-th row of the clip's features; see :class:`Clips`."""
        clip, frames = self._frames_of(index)
        features = self.clips.features(clip)
        return replace(features, **{name: getattr(features, name)[frames.start :: self.stride] for name in _PER_FRAME})

    def length(self, index: int) -> int:
        """Return the number of frames of this phase of the clip."""
        return len(self._frames_of(index)[1])

    def frames(self, index: int, which: Sequence[int] | slice = slice(None)) -> Tensor:
        """Decode frames `which` of this phase of the clip; see :class:`Clips`."""
        clip, frames = self._frames_of(index)
        chosen = frames[which] if isinstance(which, slice) else [frames[i] for i in which]
        return self.clips.frames(clip, list(chosen))

    def _frames_of(self, index: int) -> tuple[int, range]:
        """Return the underlying clip and the indices of its frames."""
        clip, phase = divmod(index, self.stride)
        return clip, range(phase, self.clips.length(clip), self.stride)


class WithoutPoseBlink:
    """View with pose and blink set to zero, for the ablation "w/o PBNet" (paper 4.5)."""

    def __init__(self, clips: Clips) -> None:
        self.clips = clips

    def __len__(self) -> int:
        return len(self.clips)

    def features(self, index: int) -> Features:
        """Load the features of clip `index` with pose and blink set to zero."""
        features = self.clips.features(index)
        return replace(features, pose=np.zeros_like(features.pose), blink=np.zeros_like(features.blink))

    def length(self, index: int) -> int:
        """Return the number of frames of clip `index`."""
        return self.clips.length(index)

    def frames(self, index: int, which: Sequence[int] | slice = slice(None)) -> Tensor:
        """Decode frames `which` of clip `index`, RGB uint8 (n, 3, H, W)."""
        return self.clips.frames(index, which)
