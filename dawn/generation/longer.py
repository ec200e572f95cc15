"""Speech beyond the end of a test clip: the same person's other test clips by name, then from the start again.

Where lengths are compared (paper Tables 3 and 5), every clip gives a video of the length that is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dawn.config import Config
from dawn.corpora.manifest import Clip
from dawn.features.store import Features
from dawn.media.audio import read_audio
from dawn.paths import Paths


def spoken(clips: Sequence[Clip], clip: Clip, frames: int) -> list[Clip]:
    """Whose speech fills `frames` frames: `clip`, the others of `clips` by the same person, `clip` again, and so on."""
    others = [other for other in clips if other.identity == clip.identity and other.clip != clip.clip]
    order = [clip, *sorted(others, key=lambda other: other.clip)]
    chosen: list[Clip] = []
    while sum(one.frames for one in chosen) < frames:
        chosen.append(order[len(chosen) % len(order)])
    return chosen


def speech_of(clips: Sequence[Clip], frames: int, paths: Paths) -> NDArray[np.float32]:
    """Speech features (frames, c) of one clip after the other."""
    parts = {clip.clip: Features.load(paths.features / f"{clip.clip}.safetensors").speech for clip in clips}
    return np.concatenate([parts[clip.clip][: clip.frames] for clip in clips])[:frames]


def sound_of(clips: Sequence[Clip], frames: int, config: Config, paths: Paths) -> NDArray[np.float32]:
    """Sound (T,) of one clip after the other, each as long as its pictures."""
    rate, fps = config.corpus.sample_rate, config.corpus.fps
    parts = []
    for clip in clips:
        wanted = clip.frames * rate // fps
        sound = read_audio(paths.clips / f"{clip.clip}.mp4", rate)[:wanted]
        parts.append(np.pad(sound, (0, wanted - len(sound))))
    return np.concatenate(parts)[: frames * rate // fps]


def back_and_forth(length: int, frames: int) -> NDArray[np.int64]:
    """Which of `length` frames to show so that `frames` are filled without a jump: forwards, backwards, forwards."""
    period = max(1, 2 * length - 2)
    phase = np.arange(frames) % period
    return np.minimum(phase, period - phase)
