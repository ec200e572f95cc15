"""Head motion of several seeds: what depends on the seed, varies and is distributed as in the real clips."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.errors import InputError
from dawn.media.tensor_files import save_arrays
from eval.studies.head_motion import energy_distance, head_motion_checks, sampled_angles
from tests.support.clips import features_of

FPS, FRAMES, CLIPS, SEEDS = 25.0, 75, 12, 8
Angles = NDArray[np.float64]


def walks(seed: int, *shape: int, frames: int = FRAMES, degrees: float = 1.0) -> Angles:
    """Random walks of three angles from 0."""
    walk = np.random.default_rng(seed).normal(0, degrees, (*shape, frames, 3)).cumsum(-2)
    return walk - walk[..., :1, :]


TRUE = list(walks(0, CLIPS))


def test_independent_motion_of_the_same_distribution_passes() -> None:
    checks = head_motion_checks(list(walks(1, CLIPS, SEEDS)), TRUE, FPS)
    assert all(check["passed"] for check in checks.values())
    assert abs(checks["seeds_correlation"]["value"]) < 0.2
    assert checks["seeds_spread"]["value"] == pytest.approx(1, abs=0.3)
    assert abs(checks["seeds_distance"]["value"]) < 0.2 * checks["seeds_distance"]["baseline"]
    assert checks["seeds_distance"]["frames"] == FRAMES
    assert json.loads(json.dumps(checks, allow_nan=False)) == checks


def test_motion_that_ignores_the_seed_does_not_pass() -> None:
    equal = [np.repeat(clip[None], SEEDS, 0) for clip in walks(1, CLIPS)]
    checks = head_motion_checks(equal, TRUE, FPS)
    assert [name for name, check in checks.items() if not check["passed"]] == ["seeds_correlation", "seeds_spread"]
    assert checks["seeds_correlation"]["value"] == pytest.approx(1)
    assert checks["seeds_spread"]["value"] == pytest.approx(0)
    assert checks["seeds_correlation"]["clips"] == [1.0] * CLIPS


@pytest.mark.parametrize("degrees", [0.3, 3.0])
def test_motion_of_another_size_does_not_pass(degrees: float) -> None:
    checks = head_motion_checks(list(walks(1, CLIPS, SEEDS, degrees=degrees)), TRUE, FPS)
    assert checks["seeds_correlation"]["passed"]
    assert not checks["seeds_spread"]["passed"] and not checks["seeds_movement"]["passed"]
    assert checks["seeds_movement"]["value"] == pytest.approx(degrees, rel=0.3)


def test_a_head_that_does_not_move_passes_nothing() -> None:
    checks = head_motion_checks([np.zeros((SEEDS, FRAMES, 3))] * CLIPS, TRUE, FPS)
    assert not any(check["passed"] for check in checks.values())
    assert checks["seeds_distance"]["value"] == pytest.approx(checks["seeds_distance"]["baseline"])


def test_values_of_known_motion() -> None:
    t = np.arange(50.0)
    yaw = np.stack([t, t, -t])
    seeds = np.stack([yaw, 0 * yaw, 0 * yaw], axis=-1)
    true = [np.stack([c * t, 0 * t, 0 * t], axis=-1) for c in (0.0, 2.0)]
    checks = head_motion_checks([seeds, seeds], true, FPS)
    assert checks["seeds_correlation"]["value"] == pytest.approx(-1 / 3)  # 1, -1 and -1
    # Standard deviation over the seeds is 2t / sqrt(3), over the two clips sqrt(2) t.
    assert checks["seeds_spread"]["value"] == pytest.approx(np.sqrt(2 / 3))
    assert checks["seeds_movement"]["value"] == pytest.approx(1)  # mean of 0 and 2


def test_energy_distance_of_known_trajectories() -> None:
    def constant(*values: float) -> Angles:
        return np.array(values)[:, None, None] * np.ones((1, 4, 3))

    # E|X - Y| over pairs of different clips: |0 - 5|, |2 - 5|, |1 - 3|, |3 - 3|; E|X - X'|: 1, 3, 1, 1; E|Y - Y'|: 2.
    sampled, true = [constant(0, 2), constant(1, 3)], [constant(3)[0], constant(5)[0]]
    assert energy_distance(sampled, true) == pytest.approx(2 * 2.5 - 1.5 - 2)
    assert energy_distance(sampled[:1], true[:1]) is None
    swapped = energy_distance([clip[None] for clip in TRUE], TRUE)
    assert swapped == pytest.approx(0)


def test_lengths_may_differ() -> None:
    lengths = range(FRAMES, FRAMES - CLIPS, -1)
    sampled = [clip[:, :n] for clip, n in zip(walks(1, CLIPS, SEEDS), lengths, strict=True)]
    checks = head_motion_checks(sampled, [clip[:n] for clip, n in zip(TRUE, lengths, strict=True)], FPS)
    assert all(check["passed"] for check in checks.values())
    assert checks["seeds_distance"]["frames"] == lengths[-1]


@pytest.mark.parametrize(("clips", "frames"), [(1, FRAMES), (CLIPS, 20)])
def test_too_few_or_too_short_clips_do_not_pass(clips: int, frames: int) -> None:
    checks = head_motion_checks(list(walks(1, clips, SEEDS, frames=frames)), list(walks(0, clips, frames=frames)), FPS)
    spread = checks["seeds_spread"]
    assert spread["value"] is None and not spread["passed"] and "two clips" in spread["reason"]
    assert json.loads(json.dumps(checks, allow_nan=False)) == checks


def test_angles_are_relative_to_the_source(tmp_path: Path) -> None:
    features = features_of(5, pose=np.arange(30, dtype=np.float32).reshape(5, 6))
    poses = np.random.default_rng(0).normal(size=(2, 5, 6)).astype(np.float32)
    save_arrays(tmp_path / "motion.safetensors", {"a": poses}, "head_motion", "{}")
    [angles] = sampled_angles(tmp_path / "motion.safetensors", {"a": features})
    assert angles == pytest.approx(poses[..., :3] - [0, 1, 2])
    with pytest.raises(InputError, match="damaged, or of other clips"):
        sampled_angles(tmp_path / "motion.safetensors", {"b": features})
    with pytest.raises(InputError, match=r"absent\.safetensors: no such file.*dawn head-motion"):
        sampled_angles(tmp_path / "absent.safetensors", {"a": features})
    (tmp_path / "motion.safetensors").write_bytes(b"no tensors")
    with pytest.raises(InputError, match="damaged"):
        sampled_angles(tmp_path / "motion.safetensors", {"a": features})
