"""Losses of the stage of the latent flow generator, and its discriminator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from dawn.config import load, parse
from dawn.training.batch_shard import BatchShard
from dawn.training.lfg import LfgTask
from tests.support.clips import InMemoryClips
from tests.support.repository import REPOSITORY

SHARD = BatchShard(1, "lfg", 0, 2, range(2), torch.float32)


def task_of(**loss: float) -> LfgTask:
    tree: dict[str, Any] = load(REPOSITORY / "config/smoke.yaml").model_dump()
    tree["lfg"]["train"]["loss"] |= loss
    config = parse(tree)
    torch.manual_seed(0)
    return LfgTask(config, InMemoryClips(config), 10)


def test_the_adversarial_loss_adds_its_own_and_changes_no_other() -> None:
    plain, task = task_of(), task_of(adversarial=0.5, feature_matching=4)
    expected, losses = (one.loss(one.sampler(SHARD), SHARD, 0) for one in (plain, task))
    added = {"adversarial", "feature_matching"}
    assert set(losses) - set(expected) == added == task.adversarial
    assert all(losses[name].item() == value.item() for name, value in expected.items())
    assert plain.groups == (("lfg",),)
    assert set(plain.networks) == {"lfg"}
    (losses["adversarial"] + losses["feature_matching"]).backward()
    assert all(value.grad is not None for value in task.network.generator.parameters())
    stronger = task_of(adversarial=1.0, feature_matching=4)
    twice = stronger.loss(stronger.sampler(SHARD), SHARD, 0)
    for name in added:
        assert twice[name].item() == pytest.approx(2 * losses[name].item(), rel=1e-5)


def test_the_discriminator_learns_from_the_images_of_the_step_and_the_generator_from_none_of_its_losses() -> None:
    task = task_of(adversarial=1)
    assert task.discriminator is not None
    optimizer = torch.optim.Adam(task.discriminator.parameters(), 1e-3)
    values = []
    for step in range(20):
        shard = replace(SHARD, step=step)
        task.loss(task.sampler(SHARD), shard, 0)
        optimizer.zero_grad()
        task.network.zero_grad()
        loss = task.loss(None, shard, 1)["discriminator"]
        loss.backward()
        optimizer.step()
        values.append(loss.item())
        assert not task.pending  # no image is kept for the next step
    assert all(value.grad is None for value in task.network.parameters())
    assert values[0] == pytest.approx(torch.tensor(2.0).log().item(), abs=0.05)
    assert values[-1] < 0.8 * values[0]
