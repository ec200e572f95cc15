"""Interface of training clips, and views of clips with fewer frames or without pose and blink."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from dawn.features.clips import selected


class Clips(Protocol):
    """Interface of training clips by index: :class:`~dawn.features.frame_store.FrameStore`,
    :class:`~dawn.features.clips.ClipStore` or a view of one.

    Each process that loads batches has a copy of it.
    """

    def __len__(self) -> int: ...

    def length(self, index: int) -> int:
        """Return the number of frames of clip `index`."""
        ...

    def rows(self, index: int, name: str, which: slice | Sequence[int] = slice(None)) -> Tensor:
        """Read rows `which` of the feature `name` of clip `index`, one for each frame."""
        ...

    def frames(self, index: int, which: slice | Sequence[int] = slice(None)) -> Tensor:
        """Read frames `which` of clip `index`, RGB uint8 (n, 3, S, S)."""
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

    def length(self, index: int) -> int:
        """Return the number of frames of this phase of the clip."""
        clip, phase = divmod(index, self.stride)
        return len(range(phase, self.clips.length(clip), self.stride))

    def rows(self, index: int, name: str, which: slice | Sequence[int] = slice(None)) -> Tensor:
        """Read rows `which` of this phase of the clip; see :class:`Clips`."""
        clip, chosen = self._chosen(index, which)
        return self.clips.rows(clip, name, chosen)

    def frames(self, index: int, which: slice | Sequence[int] = slice(None)) -> Tensor:
        """Read frames `which` of this phase of the clip; see :class:`Clips`."""
        clip, chosen = self._chosen(index, which)
        return self.clips.frames(clip, chosen)

    def _chosen(self, index: int, which: slice | Sequence[int]) -> tuple[int, Sequence[int]]:
        """Return the underlying clip and the indices of the frames there."""
        clip, phase = divmod(index, self.stride)
        frames = range(phase, self.clips.length(clip), self.stride)
        chosen = selected(which, len(frames))
        if isinstance(chosen, range):
            return clip, frames[chosen.start : chosen.stop : chosen.step]
        return clip, [frames[i] for i in chosen]


class WithoutPoseBlink:
    """View with pose and blink set to zero, for the ablation "w/o PBNet" (paper 4.5)."""

    def __init__(self, clips: Clips) -> None:
        self.clips = clips

    def __len__(self) -> int:
        return len(self.clips)

    def length(self, index: int) -> int:
        """Return the number of frames of clip `index`."""
        return self.clips.length(index)

    def rows(self, index: int, name: str, which: slice | Sequence[int] = slice(None)) -> Tensor:
        """Read rows `which` of the feature `name`, or as many zeros; see :class:`Clips`."""
        rows = self.clips.rows(index, name, which)
        return torch.zeros_like(rows) if name in ("pose", "blink") else rows

    def frames(self, index: int, which: slice | Sequence[int] = slice(None)) -> Tensor:
        """Read frames `which` of clip `index`, RGB uint8 (n, 3, S, S)."""
        return self.clips.frames(index, which)
