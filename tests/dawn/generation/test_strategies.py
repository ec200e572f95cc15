"""The strategies: what their videos depend on, and how their parts join."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dawn.config import ConfigError, parse
from dawn.generation.driving import Driving, VideoStart
from dawn.generation.motion import sample_motion
from dawn.generation.networks import Networks
from dawn.generation.strategies import ar, load_strategy, sar, ttr, videos_at_once
from dawn.methods import strategies
from dawn.seeds import torch_generator
from tests.support.networks import driving, networks, source

FRAMES = 19
SETTINGS = {"steps": 3, "sar": {"segment": 8, "overlap": 3}, "ttr": {"gaps": 2}, "ar": {"chunk": 4}}


def video(nets: Networks, strategy: str, signals: Driving, seed: int = 0) -> NDArray[np.uint8]:
    return np.stack([frame for (frame,) in load_strategy(strategy)(nets, [start(signals, seed)])])


def start(signals: Driving, seed: int = 0) -> VideoStart:
    return VideoStart(source(), signals, torch_generator(seed))


@pytest.mark.parametrize("strategy", list(strategies()))
def test_a_video_depends_on_its_seed_and_conditions_alone(strategy: str) -> None:
    nets, signals = networks(with_ttr=True, **SETTINGS), driving(FRAMES)
    frames = video(nets, strategy, signals)
    assert frames.shape == (FRAMES, 64, 64, 3) and frames.dtype == np.uint8
    video(nets, strategy, driving(7, seed=1), seed=1)  # another video in between
    assert np.array_equal(video(nets, strategy, signals), frames)
    assert not np.array_equal(video(nets, strategy, signals, seed=1), frames)


@pytest.mark.parametrize("strategy", list(strategies()))
def test_videos_generated_together_are_those_generated_alone(strategy: str) -> None:
    nets = networks(with_ttr=True, **SETTINGS)
    brighter = replace(source(), image=source().image // 2 + 100, face_box=source().face_box + 5)
    starts = [
        lambda: start(driving(FRAMES)),
        lambda: replace(start(driving(FRAMES, seed=1), seed=1), source=brighter),
        lambda: start(driving(FRAMES, seed=2), seed=2),
    ]
    together = np.stack(list(load_strategy(strategy)(nets, [create() for create in starts])), axis=1)
    for create, frames in zip(starts, together, strict=True):
        alone = np.stack([frame for (frame,) in load_strategy(strategy)(nets, [create()])])
        assert np.abs(frames.astype(int) - alone.astype(int)).max() <= 1
    assert np.abs(together[0].astype(int) - together[2].astype(int)).max() > 10  # they are different videos


def test_a_gpu_fills_a_pass_with_videos() -> None:
    config, gpu = networks(**SETTINGS).config, torch.device("cuda")
    assert videos_at_once("nar", config, 63, torch.device("cpu")) == 1
    assert videos_at_once("nar", config, 63, gpu) == 2**19 // (63 * 16**2)
    assert videos_at_once("nar", config, 10_000, gpu) == 1
    assert videos_at_once("ar", config, 10_000, gpu) == 64  # passes of four frames each
    limited = networks(**SETTINGS, max_memory="1GiB").config
    assert videos_at_once("nar", limited, 63, gpu) == 1
    assert videos_at_once("ttr", config, 1000, gpu) == 2**19 // (250 * 16**2)


def test_segments_continue_where_the_previous_one_ended() -> None:
    """Earlier segments do not depend on later ones, and an overlap is the earlier one's to the last bit."""
    nets, signals = networks(**SETTINGS), driving(FRAMES)
    whole = sar.sample_motion(nets, [start(signals)])
    assert whole.flow.shape[:2] == (1, FRAMES)
    for frames in (8, 13, 18):  # segments of 8 frames that overlap by 3
        part = sar.sample_motion(nets, [start(signals.frames(slice(frames)))])
        assert torch.equal(part.flow, whole.flow[:, :frames]) and torch.equal(
            part.occlusion, whole.occlusion[:, :frames]
        )


def test_a_single_segment_or_chunk_is_non_autoregressive() -> None:
    nets = networks(steps=3, sar={"segment": FRAMES, "overlap": 4}, ar={"chunk": FRAMES})
    signals = driving(FRAMES)
    want = sample_motion(nets, [start(signals)])
    got = sar.sample_motion(nets, [start(signals)])
    assert torch.equal(got.flow, want.flow) and torch.equal(got.occlusion, want.occlusion)
    assert np.array_equal(video(nets, "ar", signals), video(nets, "nar", signals))


def test_a_chunk_starts_from_the_last_generated_frame() -> None:
    nets, signals = networks(**SETTINGS), driving(FRAMES)
    frames = video(nets, "ar", signals)
    nar, generator = load_strategy("nar"), torch_generator(0)
    first = [frame for (frame,) in nar(nets, [VideoStart(source(), signals.frames(slice(4)), generator)])]
    assert np.array_equal(first, frames[:4])
    following = ar.next_source(source(), first[-1], signals.pose[3], signals.blink[3])
    shift = 64 * np.tile(signals.pose[3, 4:], 2)
    assert np.allclose(following.face_box - source().face_box, shift, atol=1e-4)
    second = nar(nets, [VideoStart(following, signals.frames(slice(4, 8)), generator)])
    assert np.array_equal([frame for (frame,) in second], frames[4:8])


@pytest.mark.parametrize("frames", [1, 2, 8, 9, 10, FRAMES])
def test_keyframes_stay_and_gaps_depend_on_their_own_keyframes_alone(frames: int) -> None:
    nets, signals = networks(with_ttr=True, **SETTINGS), driving(FRAMES).frames(slice(frames))
    motion = ttr.sample_motion(nets, [start(signals)])
    assert motion.flow.shape[1] == frames
    sparse = nets.denoiser("ttr_sparse")
    keys = sample_motion(sparse, [start(signals.frames(slice(None, None, 4)))])
    assert torch.equal(motion.flow[:, ::4], keys.flow) and torch.equal(motion.occlusion[:, ::4], keys.occlusion)
    if frames == FRAMES:  # other speech in the last span (frames 16 to 18) leaves the frames of other spans as they are
        speech = signals.speech.copy()
        speech[17:] += 1
        other = ttr.sample_motion(nets, [start(replace(signals, speech=speech))])
        assert torch.equal(other.flow[:, :17], motion.flow[:, :17])
        assert not torch.equal(other.flow[:, 17:], motion.flow[:, 17:])


def test_an_overlap_of_the_whole_segment_is_refused() -> None:
    with pytest.raises(ConfigError, match="overlap = 8 must be below segment = 8"):
        parse({"generate": {"sar": {"segment": 8, "overlap": 8}}})
