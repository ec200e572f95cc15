"""Training check: the mouth of a generated video is shut and still where its sound is silent.

A frame is quiet when the RMS of the sound during it (40 ms at 25 frames per second) lies more than 40 dB below that of
the video's loudest frame. It is silent when the :data:`MARGIN` frames on either side are quiet too, because
articulation precedes and follows sound; before and after the video it is quiet. Frames that are not quiet are speech;
quiet frames next to speech are neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

QUIET_DB = -40.0  # relative to the loudest frame
MARGIN = 2  # frames
FEWEST = 3  # silent frames, and frames of speech, of a clip that is measured
REQUIRED = 0.2  # mouth opening in silence, relative to its deviation in speech

Signal = NDArray[Any]
Frames = NDArray[np.bool_]


def quiet_frames(sound: NDArray[np.float32], frames: int, samples: float) -> Frames:
    """Determine which of a video's frames are quiet: (frames,).

    sound: (T,), at `samples` per frame; frames after its end are quiet. Without any sound no frame is quiet.
    """
    power = frame_power(sound, frames, samples)
    return power < power.max() * 10 ** (QUIET_DB / 10)


def frame_power(sound: NDArray[np.float32], frames: int, samples: float) -> NDArray[np.float64]:
    """Compute the mean square (frames,) of sound (T,) during each frame, at `samples` per frame; 0 after its end."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(sound, dtype=np.float64))])
    edges = np.minimum(np.rint(np.arange(frames + 1) * samples).astype(int), len(sound))
    return np.asarray(np.diff(energy[edges]) / samples)


def silence_check(
    openings: Sequence[Signal | None], quiet: Sequence[Frames], true: Sequence[Signal], level: float = REQUIRED
) -> dict[str, Any]:
    """Check that mouths are shut and still in silence.

    The median over clips of the root mean square of the mouth opening in silence, relative to the standard deviation of
    the opening in speech, is at most `level`.

    openings: mouth opening of the generated videos (n,), None for one without a face. quiet: their quiet frames. true:
    mouth opening of the real clips. The ratio is 1 without a face and for a mouth that does not move. Clips with fewer
    than :data:`FEWEST` silent frames or frames of speech are left out; without any other clip the check fails.
    """
    kept = [index for index, frames in enumerate(quiet) if all(part.sum() >= FEWEST for part in _parts(frames))]
    report: dict[str, Any] = {
        "baseline_is": "videos permuted among the clips",
        "required": f"at most {level:g}",
        "left_out": len(quiet) - len(kept),
        "clips": [_ratio(openings[k], quiet[k]) if k in kept else None for k in range(len(quiet))],
    }
    if not kept:
        reason = f"no clip with {FEWEST} silent frames and {FEWEST} of speech"
        return report | {"value": None, "baseline": None, "passed": False, "reason": reason}
    value = float(np.median([report["clips"][k] for k in kept]))
    permuted = [_ratio(openings[other], quiet[k]) for k, other in zip(kept, kept[1:] + kept[:1], strict=True)]
    return report | {
        "value": value,
        "baseline": float(np.median(permuted)),
        "true_clips": float(np.median([_ratio(true[k], quiet[k]) for k in kept])),
        "opening": _mean_openings([(openings[k], quiet[k]) for k in kept]),
        "true_opening": _mean_openings([(true[k], quiet[k]) for k in kept]),
        "passed": value <= level,
    }


def _parts(quiet: Frames) -> tuple[Frames, Frames]:
    """Return the silent frames and those of speech."""
    return binary_erosion(quiet, np.ones(2 * MARGIN + 1), border_value=1), ~quiet


def _values(opening: Signal | None, quiet: Frames) -> tuple[Signal, Signal] | None:
    """Return the mouth opening in silence and in speech; None without a face or where a part is too short."""
    if opening is None:
        return None
    n = min(len(opening), len(quiet))
    silence, speech = (np.asarray(opening[:n], np.float64)[part[:n]] for part in _parts(quiet))
    return (silence, speech) if min(len(silence), len(speech)) >= FEWEST else None


def _ratio(opening: Signal | None, quiet: Frames) -> float:
    values = _values(opening, quiet)
    if values is None or values[1].std() < 1e-9:
        return 1.0
    return round(float(np.sqrt(np.mean(values[0] ** 2)) / values[1].std(ddof=1)), 4)


def _mean_openings(clips: Sequence[tuple[Signal | None, Frames]]) -> dict[str, float | None]:
    """Return the mean mouth opening in silence and in speech, over clips."""
    parts = [values for opening, quiet in clips if (values := _values(opening, quiet)) is not None]
    names = ("silence", "speech")
    return {name: float(np.mean([p[i].mean() for p in parts])) if parts else None for i, name in enumerate(names)}
