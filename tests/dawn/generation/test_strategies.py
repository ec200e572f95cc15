"""Strategies that cover time in other ways: what they hold, how their parts join, and what they depend on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dawn.config import ConfigError, parse
from dawn.corpora.manifest import Clip, write_manifest
from dawn.generation import motion, timing
from dawn.generation.longer import back_and_forth, speech_of, spoken
from dawn.generation.motion import KnownFrames, Source
from dawn.generation.networks import Networks
from dawn.generation.strategies import ar, load_strategy, sar, ttr
from dawn.generation.timed import Timed
from dawn.generation.timing import summary
from dawn.media.json_files import read_json
from dawn.methods import strategies
from dawn.models.build import build_denoiser
from dawn.paths import Paths
from dawn.stages import TTR_STAGES
from tests.support.clips import InMemoryClips, features_of
from tests.support.networks import config, shaken
from tests.support.networks import networks as engine_networks

FRAMES = 19
SAR = {"steps": 3, "sar": {"segment": 8, "overlap": 3}, "ttr": {"gaps": 2}, "ar": {"chunk": 4}}


def networks(**generate: Any) -> Networks:
    """Tiny ones for every strategy."""
    nets = engine_networks(**generate)
    ttr = {stage: build_denoiser(nets.config) for stage in TTR_STAGES}
    for seed, module in enumerate(module for pair in ttr.values() for module in pair):
        shaken(module, seed)
    return replace(nets, ttr=ttr)


def told(frames: int = FRAMES, seed: int = 0) -> dict[str, Any]:
    make = np.random.default_rng(seed)
    return {
        "source": Source(
            image=np.tile(np.linspace(20, 230, 64, dtype=np.uint8)[:, None, None], (1, 64, 3)),
            pose=np.zeros(6, np.float32),
            blink=np.full(2, 0.3, np.float32),
            face_box=np.array([10, 10, 50, 50], np.float32),
        ),
        "speech": make.standard_normal((frames, config().features.speech.dim)).astype(np.float32),
        "pose": make.normal(0, 0.1, (frames, 6)).astype(np.float32),
        "blink": make.uniform(0, 0.4, (frames, 2)).astype(np.float32),
    }


def until(given: dict[str, Any], frames: int) -> dict[str, Any]:
    return {name: value if name == "source" else value[:frames] for name, value in given.items()}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(nets: Networks, strategy: str, given: dict[str, Any], seed: int = 0) -> NDArray[np.uint8]:
    return np.stack(list(load_strategy(strategy)(nets, **given, generator=seeded(seed))))


@pytest.mark.parametrize("strategy", list(strategies()))
def test_a_video_is_of_its_seed_and_conditions_alone(strategy: str) -> None:
    nets, given = networks(**SAR), told()
    made = pictures(nets, strategy, given)
    assert made.shape == (FRAMES, 64, 64, 3) and made.dtype == np.uint8
    pictures(nets, strategy, told(7, seed=1), seed=1)  # another clip between
    assert np.array_equal(pictures(nets, strategy, given), made)
    assert not np.array_equal(pictures(nets, strategy, given, seed=1), made)


@pytest.mark.parametrize("noisy", [True, False])
@pytest.mark.parametrize("solver", ["ddim", "dpm++"])
def test_held_frames_are_shown_and_stay_as_they_are_known(noisy: bool, solver: str) -> None:
    nets = networks(steps=4, solver=solver)
    known = torch.rand(1, 3, 3, 16, 16, generator=seeded(1)) - 0.5
    known_frames = KnownFrames(slice(2, 5), known, noisy)
    seen: list[tuple[int, torch.Tensor]] = []
    nets.unet.register_forward_pre_hook(lambda _, given: seen.append((int(given[1]), given[0][:, :, 2:5].clone())))
    conditions = motion.prepare_conditions(nets, **told(8), frames_at_once=8)
    data = motion.denoise(nets, conditions, seeded(), known=known_frames)
    assert torch.equal(data[:, :, 2:5], known)
    free = motion.denoise(nets, conditions, seeded())
    assert not torch.equal(data[:, :, 5:], free[:, :, 5:])  # the others take notice
    for step, shown in seen[:4]:
        share = float(nets.diffusion.sqrt_alphas_cumprod[step]) if noisy else 1.0
        spread = float(nets.diffusion.sqrt_one_minus_alphas_cumprod[step]) if noisy else 0.0
        assert float((shown - share * known).std()) == pytest.approx(spread, rel=0.1, abs=1e-6)


def test_segments_join_where_the_one_before_ended() -> None:
    """The first ones do not know of later ones, and an overlap comes from the earlier one to the last bit."""
    nets, given = networks(**SAR), told()
    whole = sar.sample_motion(nets, **given, generator=seeded())
    assert len(whole.flow) == FRAMES
    for frames in (8, 13, 18):  # segments of 8 that go on 3 before their end
        part = sar.sample_motion(nets, **until(given, frames), generator=seeded())
        assert torch.equal(part.flow, whole.flow[:frames]) and torch.equal(part.occlusion, whole.occlusion[:frames])


def test_a_single_segment_is_dawns_own_pass() -> None:
    nets, given = networks(steps=3, sar={"segment": FRAMES, "overlap": 4}, ar={"chunk": FRAMES}), told()
    wanted = motion.sample_motion(nets, **given, generator=seeded())
    made = sar.sample_motion(nets, **given, generator=seeded())
    assert torch.equal(made.flow, wanted.flow) and torch.equal(made.occlusion, wanted.occlusion)
    assert np.array_equal(pictures(nets, "ar", given), pictures(nets, "nar", given))


def test_a_chunk_starts_from_the_last_picture() -> None:
    nets, given = networks(**SAR), told()
    made = pictures(nets, "ar", given)
    generator = seeded()
    first = list(load_strategy("nar")(nets, **until(given, 4), generator=generator))
    assert np.array_equal(first, made[:4])
    source = ar.next_source(given["source"], first[-1], given["pose"][3], given["blink"][3])
    assert np.allclose(source.face_box - given["source"].face_box, 64 * np.tile(given["pose"][3, 4:], 2), atol=1e-4)
    rest = {name: value[4:8] for name, value in given.items() if name != "source"}
    assert np.array_equal(list(load_strategy("nar")(nets, source, **rest, generator=generator)), made[4:8])


@pytest.mark.parametrize("frames", [1, 2, 8, 9, 10, FRAMES])
def test_keyframes_stay_and_gaps_depend_on_their_own_keyframes_alone(frames: int) -> None:
    nets, given = networks(**SAR), until(told(), frames)
    whole = ttr.sample_motion(nets, **given, generator=seeded())
    assert len(whole.flow) == frames
    sparse = nets.denoiser("ttr_sparse")
    thin = {name: value if name == "source" else value[::4] for name, value in given.items()}
    keys = motion.sample_motion(sparse, **thin, generator=seeded())
    assert torch.equal(whole.flow[::4], keys.flow) and torch.equal(whole.occlusion[::4], keys.occlusion)
    if frames == FRAMES:  # another sound in the last segment (16 to 18) moves no frame between other keyframes
        changed = given["speech"].copy()
        changed[17:] += 1
        other = ttr.sample_motion(nets, **(given | {"speech": changed}), generator=seeded())
        assert torch.equal(other.flow[:17], whole.flow[:17]) and not torch.equal(other.flow[17:], whole.flow[17:])


def test_an_overlap_of_the_whole_segment_is_refused() -> None:
    with pytest.raises(ConfigError, match="overlap = 8 must be below segment = 8"):
        parse({"generate": {"sar": {"segment": 8, "overlap": 8}}})


def test_only_the_making_of_frames_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("dawn.generation.timed.time.perf_counter", lambda: now[0])

    def frames() -> Any:
        for _ in range(3):
            now[0] += 2
            yield np.zeros((1, 1, 3), np.uint8)

    timed = Timed(frames())
    for _ in timed:
        now[0] += 100
    assert timed.seconds == 6


# ----------------------------------------------------------------------------------------------- longer than the clip
def clip(name: str, identity: str, frames: int) -> Clip:
    return Clip(name, identity, "test", frames, frames / 25, name, "0" * 64)


CLIPS = [clip("b2", "b", 4), clip("a", "a", 9), clip("b3", "b", 2), clip("b1", "b", 3)]


@pytest.mark.parametrize(
    ("frames", "wanted"),
    [(3, ["b2"]), (4, ["b2"]), (5, ["b2", "b1"]), (9, ["b2", "b1", "b3"]), (14, ["b2", "b1", "b3", "b2", "b1"])],
)
def test_speech_goes_on_with_the_same_person_by_name_then_from_the_start(frames: int, wanted: list[str]) -> None:
    assert [one.clip for one in spoken(CLIPS, CLIPS[0], frames)] == wanted
    assert [one.clip for one in spoken(CLIPS[::-1], CLIPS[0], frames)] == wanted


def test_a_person_with_one_clip_says_it_again() -> None:
    assert [one.clip for one in spoken(CLIPS, CLIPS[1], 600)] == 67 * ["a"]


def test_speech_of_clips_is_joined_and_cut(tmp_path: Path) -> None:
    paths = Paths(tmp_path, tmp_path, tmp_path)
    for index, one in enumerate(CLIPS):
        features = features_of(one.frames, speech=np.full((one.frames, 5), index, np.float32))
        features.save(paths.features / f"{one.clip}.safetensors")
    speech = speech_of(spoken(CLIPS, CLIPS[0], 15), 15, paths)
    assert speech[:, 0].tolist() == [0, 0, 0, 0, 3, 3, 3, 2, 2, 0, 0, 0, 0, 3, 3]


def test_what_is_played_back_and_forth_never_jumps() -> None:
    assert back_and_forth(4, 9).tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert back_and_forth(1, 3).tolist() == [0, 0, 0]
    assert back_and_forth(5, 3).tolist() == [0, 1, 2]


# --------------------------------------------------------------------------------------------------------------- time
def test_the_median_has_an_interval_of_order_statistics() -> None:
    assert summary([3, 1, 2, 5, 4], 0.95) == {"value": 3, "low": 1, "high": 5, "n": 5}
    assert summary(list(range(1, 11)), 0.95) == {"value": 5.5, "low": 2, "high": 9, "n": 10}  # as tabulated: 97.9 %


def test_strategies_are_timed_in_turns_after_a_warm_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = config()
    paths = Paths(tmp_path, tmp_path, tmp_path)
    clips = [clip("a1", "a", 5), clip("b1", "b", 5)]
    for manifest in (paths.test, paths.dataset):
        write_manifest(manifest, clips)
    features = InMemoryClips(made).features(0)
    for one in clips:
        features.save(paths.features / f"{one.clip}.safetensors")
    order: list[str] = []

    def seconds(nets: Networks, strategy: str, source: Source, speech: NDArray[np.float32], seed: int) -> float:
        assert len(speech) == 200
        order.append(strategy)
        return float(len(order))

    monkeypatch.setattr(timing.Networks, "load", lambda *_, **__: networks())
    monkeypatch.setattr(timing, "source_of", lambda *_: None)
    monkeypatch.setattr(timing, "_seconds", seconds)
    timing.time_strategies(made, paths)
    assert order == list(strategies()) * 6
    written = read_json(tmp_path / "timing.json")
    assert set(written["methods"]) == {"dawn", "sar", "ttr", "ar"}
    assert written["seconds"]["dawn"] == {"a1": [5.0, 9.0, 13.0, 17.0, 21.0]}  # the first is not counted
    assert written["methods"]["dawn"] == {"value": 13.0, "low": 5.0, "high": 21.0, "n": 5}
