"""Motion and frames: known frames stay, and neither splitting nor precision changes a video."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dawn.generation import memory
from dawn.generation.driving import start_video
from dawn.generation.motion import DenoiserConditions, KnownFrames, decode, denoise, prepare_conditions, sample_motion
from dawn.generation.networks import Networks
from dawn.precision import Products
from dawn.seeds import torch_generator
from tests.support.networks import driving, networks, source

ROUNDING = 1e-4  # largest difference, in units of the largest number
STEPS = 2  # of sampling: each multiplies rounding by the gain of random networks, which is above 2


def difference(got: Tensor, want: Tensor) -> float:
    return float((got - want).abs().max() / want.abs().max())


def generate(nets: Networks, frames: int = 50) -> tuple[Tensor, NDArray[np.uint8]]:
    """Flow and decoded frames of a video whose pose and blink PBNet samples."""
    motion = sample_motion(nets, [start_video(nets, source(), driving(frames).speech, seed=0)])
    return motion.flow, np.stack([frame for (frame,) in decode(nets, [source()], motion)])


@pytest.mark.parametrize("noisy", [True, False])
@pytest.mark.parametrize("solver", ["ddim", "dpm++"])
def test_known_frames_condition_the_others_and_keep_their_motion(noisy: bool, solver: str) -> None:
    nets = networks(steps=4, solver=solver)
    data = torch.rand(1, 3, 3, 16, 16, generator=torch_generator(1)) - 0.5
    known = KnownFrames(slice(2, 5), data, noisy)
    inputs: list[tuple[int, Tensor]] = []
    nets.unet.register_forward_pre_hook(lambda _, args: inputs.append((int(args[1]), args[0][:, :, 2:5].clone())))
    conditions = prepare_conditions(nets, [source()], [driving(8)], frames_at_once=8)
    sampled = denoise(nets, conditions, [torch_generator(0)], known=known)
    assert torch.equal(sampled[:, :, 2:5], data)
    unconditioned = denoise(nets, conditions, [torch_generator(0)])
    assert not torch.equal(sampled[:, :, 5:], unconditioned[:, :, 5:])
    for step, visible in inputs[:4]:
        signal = float(nets.diffusion.sqrt_alphas_cumprod[step]) if noisy else 1.0
        spread = float(nets.diffusion.sqrt_one_minus_alphas_cumprod[step]) if noisy else 0.0
        assert float((visible - signal * data).std()) == pytest.approx(spread, rel=0.1, abs=1e-6)


@pytest.mark.parametrize(("guidance", "speech"), [(1.0, 2.0), (2.0, None), (1.5, 3.0), (1.0, 0.0)])
def test_guidance_scales_the_effect_of_speech_and_of_all_conditions(
    guidance: float, speech: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """e() + w (e(pose) - e()) + s (e(pose, speech) - e(pose)), with s = w where only w is given."""
    x, t = torch.randn(1, 3, 8, 16, 16, generator=torch_generator(1)), torch.tensor([500])

    def output(conditions: DenoiserConditions, **settings: Any) -> Tensor:
        nets = networks(**settings)
        monkeypatch.setattr(nets.diffusion, "sample", lambda network, **_: network(x, t))
        return denoise(nets, conditions, [torch_generator(0)])

    full = prepare_conditions(networks(), [source()], [driving(8)], frames_at_once=8)
    silent = replace(full, speech=torch.zeros_like(full.speech))
    none = replace(silent, pose=torch.zeros_like(full.pose), eye=torch.zeros_like(full.eye))
    of_all, of_pose, of_nothing = (output(conditions) for conditions in (full, silent, none))
    s = guidance if speech is None else speech
    expected = of_nothing + guidance * (of_pose - of_nothing) + s * (of_all - of_pose)
    got = output(full, guidance=guidance, speech_guidance=speech)
    assert difference(got, expected) < 1e-5
    assert difference(got, of_all) > 1e-3


def test_sampled_motion_starts_at_the_state_of_the_source_and_depends_on_the_seed() -> None:
    nets = networks()
    first, other = (start_video(nets, source(), driving(20).speech, seed=seed).driving for seed in (0, 1))
    np.testing.assert_allclose(first.pose[0], source().pose, atol=1e-4)
    np.testing.assert_allclose(first.blink[0], source().blink, atol=1e-6)
    assert not np.array_equal(first.pose[1:], other.pose[1:])


@cache
def unsplit_video() -> tuple[Tensor, NDArray[np.uint8]]:
    return generate(networks(steps=STEPS))


@pytest.mark.parametrize("settings", [{"batch_frames": 1}, {"batch_frames": 50}, {"max_memory": "64GiB"}])
def test_a_video_does_not_depend_on_how_the_work_is_split(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    flow, frames = unsplit_video()
    monkeypatch.setattr(memory, "default_activations", lambda device: 5000)
    split_flow, split_frames = generate(networks(steps=STEPS, **settings))
    assert difference(split_flow, flow) < ROUNDING
    assert np.abs(split_frames.astype(int) - frames.astype(int)).max() <= 1


def test_a_bfloat16_video_stays_near_float32() -> None:
    precisions: tuple[Products, ...] = ("exact", "bfloat16")
    exact, inexact = (generate(networks(steps=STEPS).lower(products), 10)[1] for products in precisions)
    assert 0 < np.abs(inexact.astype(int) - exact.astype(int)).mean() < 2


def on_gpu() -> Networks:
    nets = networks(steps=STEPS)
    for net in (nets.lfg, nets.unet, nets.mask, nets.diffusion, *nets.pbnet.values()):
        net.cuda()
    return replace(nets, device=torch.device("cuda"))


@pytest.mark.gpu
def test_devices_agree() -> None:
    assert difference(generate(on_gpu())[0].cpu(), generate(networks(steps=STEPS))[0]) < 1e-3


@pytest.mark.gpu
@pytest.mark.parametrize("frames", [1, 17, 200, 1500])
def test_a_gpu_repeats_a_video_of_any_length(frames: int) -> None:
    """The second one is replayed from the captured passes of the first."""
    nets = on_gpu().lower("bfloat16")
    (flow, images), (again, repeated) = generate(nets, frames), generate(nets, frames)
    assert torch.isfinite(flow).all() and len(images) == frames
    assert difference(again, flow) < 1e-2
    assert np.abs(repeated.astype(int) - images.astype(int)).mean() < 1
