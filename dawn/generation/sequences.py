"""Driving signals of test videos of any length: concatenated speech of clips, pose and blink played back and forth.

Where lengths are compared (paper Tables 3 and 5), every clip gives a video of the same length. Beyond the end of a
clip, speech continues with the other test clips of the same person in the order of their names, then starts again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dawn.config import Config
from dawn.corpora.manifest import Clip
from dawn.features.store import Features
from dawn.paths import Paths


def clips_filling(clips: Sequence[Clip], clip: Clip, frames: int) -> list[Clip]:
    """Choose clips whose speech fills `frames` frames.

    The order is `clip`, the others of `clips` by the same person sorted by name, `clip` again, ...
    """
    others = [other for other in clips if other.identity == clip.identity and other.clip != clip.clip]
    order = [clip, *sorted(others, key=lambda other: other.clip)]
    chosen: list[Clip] = []
    while sum(part.frames for part in chosen) < frames:
        chosen.append(order[len(chosen) % len(order)])
    return chosen


def joined_speech(clips: Sequence[Clip], frames: int, paths: Paths) -> NDArray[np.float32]:
    """Concatenate the speech features of clips and cut them to (frames, c)."""
    parts = {clip.clip: Features.load(paths.clip_features(clip.clip)).speech for clip in clips}
    return np.concatenate([parts[clip.clip][: clip.frames] for clip in clips])[:frames]


def joined_sound(clips: Sequence[Clip], frames: int, config: Config, paths: Paths) -> NDArray[np.float32]:
    """Concatenate the sound of clips, each as long as its frames, to (T,) in [-1, 1]; T = frames * rate / fps."""
    from dawn.media.audio import read_audio

    rate, fps = config.corpus.sample_rate, config.corpus.fps
    parts = []
    for clip in clips:
        samples = clip.frames * rate // fps
        sound = read_audio(paths.clip(clip.clip), rate)[:samples]
        parts.append(np.pad(sound, (0, samples - len(sound))))
    return np.concatenate(parts)[: frames * rate // fps]


def ping_pong(length: int, frames: int) -> NDArray[np.int64]:
    """Compute indices (frames,) into `length` frames without jumps: forwards, backwards, forwards, ..."""
    period = max(1, 2 * length - 2)
    phase = np.arange(frames) % period
    return np.minimum(phase, period - phase)
