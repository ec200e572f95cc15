"""What several tests of features share: a detector of single frames, and a real speaker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.features import worker
from dawn.features.landmarks import FaceLandmarker
from dawn.media.video import load_frames
from tests.support import forked


@pytest.fixture(scope="session", autouse=True)
def _forked_workers() -> Iterator[None]:
    """Fork worker processes from the server of :mod:`tests.support.forked`: spawned ones import libraries for seconds.

    Those of a command line that a test starts are spawned all the same.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "CONTEXT", forked.CONTEXT)
        yield


@pytest.fixture(scope="module")
def static(real: Path) -> Iterator[FaceLandmarker]:
    """A detector whose frames are independent of each other."""
    with FaceLandmarker(static=True) as landmarker:
        yield landmarker


@pytest.fixture(scope="module")
def speaker(real: Path) -> NDArray[np.uint8]:
    """Two seconds of a real speaker, (50, 256, 256, 3)."""
    return load_frames(real / "clips" / "hdtf_WDA_AmyKlobuchar_256.mp4")[:50]
