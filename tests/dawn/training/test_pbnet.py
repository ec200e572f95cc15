"""The stage ``pbnet``: which losses it has, and which networks they train."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from dawn.config import Config, parse
from dawn.models.pose_blink import denormalise
from dawn.training.batch_shard import BatchShard
from dawn.training.pbnet import PbnetTask
from dawn.training.pbnet_batches import mirrored, motion_units
from tests.support.tasks import losses_of

FRAMES = 32


class WaveClips:
    """Three clips of smooth motion, with the interface of a clip store."""

    def __len__(self) -> int:
        return 3

    def rows(self, index: int, name: str, which: slice | Sequence[int] = slice(None)) -> Tensor:
        rng = np.random.default_rng(index)
        wave = np.sin(np.arange(FRAMES)[:, None] * rng.uniform(0.1, 0.5, 8) + rng.uniform(0, 6, 8))
        features = {
            "pose": wave[:, :6] * [10, 5, 3, 0.02, 0.05, 0.05],
            "blink": 0.3 + 0.1 * wave[:, 6:],
            "speech": rng.normal(size=(FRAMES, 8)),
        }
        return torch.from_numpy(features[name].astype(np.float32))[which]

    def length(self, index: int) -> int:
        return FRAMES

    def frames(self, index: int, which: Sequence[int] | slice = slice(None)) -> Tensor:
        raise AssertionError("PBNet is trained without frames")


def task_of(gan_prior: float = 0, joint: bool = True, energy: float = 0, mirror: float = 0) -> PbnetTask:
    config: Config = parse(
        {
            "name": "test",
            "features": {"speech": {"encoder": "logmel", "dim": 8, "mels": 4, "context": 2}},
            "pbnet": {
                "joint": joint,
                "model": {
                    "latent": 8,
                    "audio_latent": 8,
                    "dropout": 0,
                    "layers": 1,
                    "heads": 2,
                    "head_dim": 4,
                    "rope_dim": 4,
                },
                "train": {
                    "steps": 4,
                    "frames": FRAMES,
                    "mirror": mirror,
                    "loss": {"gan_prior": gan_prior, "energy": energy},
                },
            },
        }
    )
    torch.manual_seed(0)
    return PbnetTask(config, WaveClips(), total=4)


def shard() -> BatchShard:
    return BatchShard(seed=1, stage="pbnet", step=3, batch=2, samples=range(2))


def test_the_adversarial_loss_of_the_prior_changes_no_other_loss() -> None:
    without, with_prior = losses_of(task_of(0), shard()), losses_of(task_of(0.7), shard())
    assert set(with_prior) - set(without) == {"motion/gan_prior"}
    assert {name: with_prior[name].item() for name in without} == {name: loss.item() for name, loss in without.items()}


def test_lambda_kl_rises_after_its_start_or_holds_throughout() -> None:
    task = task_of(0)
    weights = task.schedule.loss.model_copy(update={"kl": 0.1, "kl_start": 0.5})
    task.schedule = task.schedule.model_copy(update={"loss": weights})
    assert [task.kl_weight(step) for step in range(5)] == pytest.approx([0, 0, 0, 0.05, 0.1])
    held = weights.model_copy(update={"kl_start": None})
    task.schedule = task.schedule.model_copy(update={"loss": held})
    assert {task.kl_weight(step) for step in range(5)} == {0.1}


def test_separate_networks_have_a_discriminator_each() -> None:
    assert {key for key in losses_of(task_of(0.7, joint=False), shard()) if key.endswith("gan_prior")} == {
        "pose/gan_prior",
        "eye/gan_prior",
    }


def test_the_adversarial_loss_of_the_prior_trains_the_decoder_alone() -> None:
    task = task_of(0.7)
    losses_of(task, shard())["motion/gan_prior"].backward()
    net = task.pbnets["motion"]
    assert any(value.grad is not None and value.grad.any() for value in net.decoder.parameters())
    assert all(value.grad is None for value in net.encoder.parameters())


def test_the_discriminator_trains_on_posterior_and_prior_samples() -> None:
    gradients = []
    for weight in (0, 0.7):
        task = task_of(weight)
        losses_of(task, shard())
        losses_of(task, shard(), 1)["motion/discriminator"].backward()
        gradients.append([value.grad.clone() for value in task.discriminators["judge_motion"].parameters()])
        assert not task.pending  # no sample is kept for the next step
    assert any(not torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_the_energy_score_trains_the_decoder_alone_and_shares_a_sample_with_the_adversary() -> None:
    task = task_of(energy=1.0, gan_prior=0.7)
    losses = losses_of(task, shard())
    assert set(losses) - set(losses_of(task_of(), shard())) == {"motion/energy", "motion/gan_prior"}
    assert losses["motion/gan_prior"].item() == losses_of(task_of(gan_prior=0.7), shard())["motion/gan_prior"].item()
    losses["motion/energy"].backward()
    net = task.pbnets["motion"]
    assert any(value.grad is not None and value.grad.any() for value in net.decoder.parameters())
    assert all(value.grad is None for value in net.encoder.parameters())


def test_the_motion_of_a_mirrored_sample_is_that_of_the_mirrored_frames() -> None:
    plain, mirror, sometimes = (task_of(mirror=probability) for probability in (0, 1, 0.5))
    first, second = (denormalise(task.sampler(shard()).motion, task.config) for task in (plain, mirror))
    expected = mirrored(*first)
    # Sampling draws one number more with the mirror, after the clip and its segment.
    for value, other in zip(second, expected, strict=True):
        torch.testing.assert_close(value, other, rtol=0, atol=1e-4)
    pose, blink = (torch.tensor([[10.0, 4, 3, 0.2, 0.4, 0.5]]), torch.tensor([[0.3, 0.2]]))
    assert mirrored(pose, blink)[0].tolist() == [pytest.approx([-10, 4, -3, 0.2, 0.6, 0.5])]
    assert mirrored(pose, blink)[1].tolist() == [pytest.approx([0.2, 0.3])]
    drawn = BatchShard(seed=1, stage="pbnet", step=3, batch=32, samples=range(32))
    unmirrored = plain.sampler(drawn).motion
    kept = (sometimes.sampler(drawn).motion == unmirrored).flatten(1).all(1)
    assert 8 < int(kept.sum()) < 24


def test_units_are_the_size_of_motion_relative_to_the_first_frame() -> None:
    clips = WaveClips()
    config = task_of().config
    offsets = torch.cat([rows - rows[:1] for rows in (clips.rows(clip, "pose") for clip in range(3))])
    span = torch.tensor(config.pbnet.pose_max) - torch.tensor(config.pbnet.pose_min)
    torch.testing.assert_close(
        motion_units(config, clips)[:6], offsets.square().mean(0).sqrt() / span, rtol=1e-4, atol=0
    )
