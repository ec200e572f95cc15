"""Sources of test videos: the first frames of the clips."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dawn.corpora.manifest import Clip
from dawn.features.store import Features
from dawn.generation.driving import Source
from dawn.paths import Paths


def source_of(clip: Clip, features: Features, paths: Paths) -> Source:
    """Build the source from the first frame of a clip and its measured features."""
    return Source(first_frame(clip, paths), features.pose[0], features.blink[0], features.face_box[0])


def first_frame(clip: Clip, paths: Paths) -> NDArray[np.uint8]:
    """Read the first frame (S, S, 3) RGB of a clip."""
    from dawn.media.video import iter_frames  # imports PyAV

    return next(iter_frames(paths.clip(clip.clip)))
