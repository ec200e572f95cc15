"""Strategies that cover time in other ways: what they hold, how their parts join, and what they depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from test_engine import config, networks

from dawn.config import ConfigError, parse
from dawn.corpora.manifest import Clip
from dawn.features.store import Features
from dawn.generation import ar, nar, sar
from dawn.generation.longer import back_and_forth, speech_of, spoken
from dawn.generation.nar import Held, Source
from dawn.generation.networks import Networks
from dawn.generation.strategies import COVER, Timed
from dawn.paths import STRATEGIES, Paths

FRAMES = 19
SAR = {"steps": 3, "sar": {"segment": 8, "overlap": 3}, "ar": {"chunk": 4}}


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
    return np.stack(list(COVER[strategy](nets, **given, generator=seeded(seed))))


def test_every_strategy_can_be_asked_for() -> None:
    assert set(COVER) == {"nar", *STRATEGIES}


@pytest.mark.parametrize("strategy", list(COVER))
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
    held = Held(slice(2, 5), known, noisy)
    seen: list[tuple[int, torch.Tensor]] = []
    nets.unet.register_forward_pre_hook(lambda _, given: seen.append((int(given[1]), given[0][:, :, 2:5].clone())))
    conditions = nar.tell(nets, **told(8), stretch=8)
    data = nar.denoise(nets, conditions, seeded(), held=held)
    assert torch.equal(data[:, :, 2:5], known)
    free = nar.denoise(nets, conditions, seeded())
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
    wanted = nar.sample_motion(nets, **given, generator=seeded())
    made = sar.sample_motion(nets, **given, generator=seeded())
    assert torch.equal(made.flow, wanted.flow) and torch.equal(made.occlusion, wanted.occlusion)
    assert np.array_equal(pictures(nets, "ar", given), pictures(nets, "nar", given))


def test_a_chunk_starts_from_the_last_picture() -> None:
    nets, given = networks(**SAR), told()
    made = pictures(nets, "ar", given)
    generator = seeded()
    first = list(nar.frames(nets, **until(given, 4), generator=generator))
    assert np.array_equal(first, made[:4])
    source = ar.follow(given["source"], first[-1], given["pose"][3], given["blink"][3])
    assert np.allclose(source.face_box - given["source"].face_box, 64 * np.tile(given["pose"][3, 4:], 2), atol=1e-4)
    rest = {name: value[4:8] for name, value in given.items() if name != "source"}
    assert np.array_equal(list(nar.frames(nets, source, **rest, generator=generator)), made[4:8])


def test_an_overlap_of_the_whole_segment_is_refused() -> None:
    with pytest.raises(ConfigError, match="overlap = 8 must be below segment = 8"):
        parse({"generate": {"sar": {"segment": 8, "overlap": 8}}})


def test_only_the_making_of_frames_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("dawn.generation.strategies.time.perf_counter", lambda: now[0])

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
        n = one.frames
        Features(
            landmarks=np.zeros((n, 68, 2), np.float32),
            pose=np.zeros((n, 6), np.float32),
            blink=np.zeros((n, 2), np.float32),
            speech=np.full((n, 5), index, np.float32),
            face_box=np.zeros((n, 4), np.float32),
            mouth_box=np.zeros((n, 4), np.float32),
            found=np.ones(n, np.bool_),
            extractor="test",
            encoder="test",
            fps=25.0,
        ).save(paths.features / f"{one.clip}.safetensors")
    speech = speech_of(spoken(CLIPS, CLIPS[0], 15), 15, paths)
    assert speech[:, 0].tolist() == [0, 0, 0, 0, 3, 3, 3, 2, 2, 0, 0, 0, 0, 3, 3]


def test_what_is_played_back_and_forth_never_jumps() -> None:
    assert back_and_forth(4, 9).tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert back_and_forth(1, 3).tolist() == [0, 0, 0]
    assert back_and_forth(5, 3).tolist() == [0, 1, 2]
