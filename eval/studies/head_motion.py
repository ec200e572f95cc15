"""Training checks: sampled head motion depends on the seed, and varies as much as that of the real clips.

Angles are yaw, pitch and roll in degrees, relative to the source for sampled motion and to the first frame for that of
the real clips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from dawn.errors import InputError
from dawn.features.store import Features
from dawn.media.tensor_files import load_arrays

CORRELATION = 0.5  # of the yaw of two seeds, at most
SPREAD = (0.67, 1.5)  # of sampled motion, relative to that of the real clips
COMPARED = 256  # clips, at most, whose trajectories are compared with those of all others

Angles = NDArray[np.float64]


def sampled_angles(path: Path, clips: Mapping[str, Features]) -> list[Angles]:
    """Read the angles (k, n, 3) of k seeds for each clip from the file of ``dawn head-motion``.

    clips: features by name. Raises InputError for a missing or damaged file, and for one of other clips.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; sample the head motion first (dawn head-motion)")
    try:
        poses, _ = load_arrays(path, "head_motion")
        return [poses[clip][..., :3].astype(np.float64) - features.pose[0, :3] for clip, features in clips.items()]
    except (OSError, ValueError, KeyError, IndexError):
        raise InputError(f"{path}: damaged, or of other clips; delete it and run 'dawn head-motion' again") from None


def head_motion_checks(sampled: Sequence[Angles], true: Sequence[Angles], fps: float) -> dict[str, dict[str, Any]]:
    """Check the motion (k, n, 3) that k seeds give each clip, next to that of the real clip (n, 3).

    seeds_correlation: mean over clips of the correlation of yaw between two seeds. seeds_spread: standard deviation of
    yaw over seeds at a frame, mean over frames after the first second and over clips, relative to that over the real
    clips. seeds_movement: standard deviation of yaw over the frames of a clip, likewise. seeds_distance: energy
    distance between sampled and real trajectories, which all have the length of the shortest clip. A check that the
    clips are too few or too short for fails, with the reason.
    """
    yaw = [clip[..., 0] for clip in sampled]
    second = round(fps)
    at_frames = [[angles[t, 0] for angles in true if t < len(angles)] for t in range(second, max(map(len, true)))]
    spreads = [np.std(angles, ddof=1) for angles in at_frames if len(angles) > 1]
    checks = {
        "seeds_correlation": _correlation_check(yaw),
        "seeds_spread": _ratio_check(
            [_mean_deviation(seeds[:, second:].T) for seeds in yaw],
            float(np.mean(spreads)) if spreads else None,
            "motion that ignores the seed",
        ),
        "seeds_movement": _ratio_check(
            [_mean_deviation(seeds) for seeds in yaw],
            float(np.mean([np.std(angles[:, 0], ddof=1) for angles in true])),
            "a head that does not move",
        ),
        "seeds_distance": _distance_check(sampled, true),
    }
    for check in checks.values():
        if check["value"] is None:
            check["reason"] = "it needs two clips that are longer than a second"
    return checks


def energy_distance(sampled: Sequence[Angles], true: Sequence[Angles]) -> float | None:
    """Estimate the energy distance of sampled (k, n, 3) and real (n, 3) trajectories, in degrees, without bias.

    It is 2 E|X - Y| - E|X - X'| - E|Y - Y'|, where |.| is the root of the mean square over frames and angles. Pairs are
    of different clips: those of one clip share its speech and are not independent. Expected to be 0 for equal
    distributions, so that it can be negative; None with fewer than two clips.
    """
    if len(true) < 2:
        return None
    seeds = len(sampled[0])
    rows = np.concatenate([clip.reshape(seeds, -1) for clip in sampled])
    reals = np.stack([clip.ravel() for clip in true])
    owner, clips = np.repeat(np.arange(len(true)), seeds), np.arange(len(true))
    between, within, real = (
        cdist(a, b)[a_owner[:, None] != b_owner].mean()
        for a, a_owner, b, b_owner in (
            (rows, owner, reals, clips),
            (rows, owner, rows, owner),
            (reals, clips, reals, clips),
        )
    )
    return float((2 * between - within - real) / np.sqrt(rows.shape[1]))


def _correlation_check(yaw: Sequence[Angles]) -> dict[str, Any]:
    clips = [_mean_correlation(seeds) for seeds in yaw]
    value = float(np.mean(clips))
    return {
        "value": value,
        "baseline": 1.0,
        "baseline_is": "motion that ignores the seed",
        "required": f"at most {CORRELATION:g}",
        "passed": value <= CORRELATION,
        "clips": [round(clip, 4) for clip in clips],
    }


def _mean_correlation(seeds: Angles) -> float:
    """Compute the mean of Pearson's r over all pairs of rows (k, n); 1 for pairs with a row that is constant."""
    centred = seeds - seeds.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1)
    scales = np.outer(norms, norms)
    moves = scales > 1e-9
    products = np.where(moves, centred @ centred.T / np.where(moves, scales, 1.0), 1.0)
    return float(products[np.triu_indices(len(seeds), 1)].mean())


def _mean_deviation(rows: Angles) -> float | None:
    """Compute the mean over rows of the standard deviation of each; None for no rows or rows of one value."""
    return float(rows.std(axis=1, ddof=1).mean()) if rows.shape[0] > 0 and rows.shape[1] > 1 else None


def _ratio_check(clips: Sequence[float | None], true: float | None, baseline: str) -> dict[str, Any]:
    """Check that the mean of `clips` relative to `true`, all in degrees, is within :data:`SPREAD`."""
    value = None
    measured = [clip for clip in clips if clip is not None]
    if measured and true:
        value = float(np.mean(measured)) / true
    return {
        "value": value,
        "baseline": 0.0,
        "baseline_is": baseline,
        "required": f"{SPREAD[0]:g} to {SPREAD[1]:g}",
        "passed": value is not None and SPREAD[0] <= value <= SPREAD[1],
        "true_degrees": true,
        "clips_degrees": [None if clip is None else round(clip, 4) for clip in clips],
    }


def _distance_check(sampled: Sequence[Angles], true: Sequence[Angles]) -> dict[str, Any]:
    chosen = np.unique(np.linspace(0, len(true) - 1, min(COMPARED, len(true))).round().astype(int))
    frames = min(len(angles) for k in chosen for angles in (sampled[k][0], true[k]))
    sampled, true = [sampled[k][:, :frames] for k in chosen], [true[k][:frames] for k in chosen]
    value = energy_distance(sampled, true)
    baseline = energy_distance([np.zeros_like(clip[:1]) for clip in sampled], true)
    return {
        "value": value,
        "baseline": baseline,
        "baseline_is": "a head that does not move",
        "required": "lower than the baseline",
        "passed": value is not None and baseline is not None and value < baseline,
        "frames": frames,
    }
