"""Losses of the stage of the latent flow generator, its discriminator, and the boxes of eyes and mouth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from dawn.config import load, parse
from dawn.training.batch_shard import BatchShard
from dawn.training.lfg import LfgTask
from dawn.training.lfg_batches import detail_boxes
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


def test_the_box_of_a_closed_eye_contains_the_eye_that_opens() -> None:
    landmarks = torch.zeros(2, 68, 2)  # an open eye and the same one closed
    corners, lids = [36, 39], [37, 38, 41, 40]
    landmarks[:, corners] = torch.tensor([[10.0, 20.0], [20.0, 20.0]])
    landmarks[:, lids] = torch.tensor([[13.0, 17.0], [17.0, 17.0], [13.0, 22.0], [17.0, 22.0]])
    landmarks[1, lids, 1] = 21.0
    landmarks[:, 48:68] = torch.stack([torch.linspace(5, 25, 20), torch.full((20,), 40.0)], dim=-1)
    opened, closed = detail_boxes(landmarks)
    assert opened[1].tolist() == pytest.approx([8, 12.5, 22, 26.5])
    assert closed[1].tolist() == pytest.approx([8, 13.5, 22, 27.5])  # from above the open lid, at 17
    assert closed[0].tolist() == pytest.approx([1, 36, 29, 44])  # a mouth that is shut is not high
