"""The A2V stages: targets of the frozen flow generator, and precision."""

from __future__ import annotations

import pytest
import torch

from dawn.config import load
from dawn.features.clips import to_float
from dawn.models.diffusion import motion_to_data
from dawn.models.lfg import LatentFlowGenerator
from dawn.precision import lowered
from dawn.training.a2v import A2vTask
from dawn.training.a2v_batches import A2vSampler
from dawn.training.batch_shard import BatchShard
from tests.support.clips import InMemoryClips
from tests.support.networks import shaken
from tests.support.tasks import losses_of


def test_cached_regions_give_the_targets_of_regions_computed_anew() -> None:
    config = load("config/demo.yaml")
    torch.manual_seed(0)
    lfg = LatentFlowGenerator(config.lfg.model)
    task = A2vTask(config, config.a2v.stage2, InMemoryClips(config), lfg)
    for step in range(2):  # the second batch reads the cache
        batch = task.sampler(BatchShard(0, "a2v_stage2", step, 8, range(8)))
        source, frames = to_float(batch.source), to_float(batch.frames)
        b, n = frames.shape[:2]
        with torch.no_grad():
            flow, occlusion = lfg.motion(source.repeat_interleave(n, 0), frames.flatten(0, 1))
        expected = motion_to_data(flow.unflatten(0, (b, n)), occlusion.unflatten(0, (b, n)), config.a2v.diffusion)
        torch.testing.assert_close(task.targets(batch)[0], expected, rtol=1e-4, atol=1e-4)
        assert float(expected.std(dim=2).mean()) > 1e-4  # frames differ: swapped frames would fail


def test_targets_have_no_lower_precision() -> None:
    config = load("config/demo.yaml")
    torch.manual_seed(0)
    task = A2vTask(config, config.a2v.stage1, InMemoryClips(config), LatentFlowGenerator(config.lfg.model))
    batch = task.sampler(BatchShard(0, "a2v_stage1", 0, 2, range(2)))
    exact = task.targets(batch)
    with lowered("cpu", torch.bfloat16):
        for computed, expected in zip(task.targets(batch), exact, strict=True):
            assert computed.dtype == torch.float32 and torch.equal(computed, expected)


def test_gradients_of_lowered_operands_are_near_those_of_float32() -> None:
    config = load("config/smoke.yaml")
    torch.manual_seed(0)
    task = A2vTask(config, config.a2v.stage1, InMemoryClips(config), LatentFlowGenerator(config.lfg.model))
    shaken(task.unet).requires_grad_(True)
    gradients = []
    for dtype in (torch.float32, torch.bfloat16):
        task.unet.zero_grad()
        shard = BatchShard(0, "a2v_stage1", 0, 2, range(2), dtype=dtype)
        torch.stack(list(losses_of(task, shard).values())).sum().backward()
        trained = [p.grad for p in task.unet.parameters() if p.grad is not None]
        assert all(gradient.dtype == torch.float32 for gradient in trained)
        gradients.append(torch.cat([gradient.flatten() for gradient in trained]))
    assert torch.cosine_similarity(*gradients, dim=0) > 0.98
    assert not torch.equal(*gradients)


def test_recomputed_activations_give_the_same_gradients() -> None:
    config = load("config/smoke.yaml")
    torch.manual_seed(0)
    lfg = LatentFlowGenerator(config.lfg.model)
    gradients = []
    for recompute in (False, True):
        stage = config.a2v.stage1.model_copy(update={"recompute": recompute})
        torch.manual_seed(1)
        task = A2vTask(config, stage, InMemoryClips(config), lfg)
        shard = BatchShard(0, "a2v_stage1", 0, 2, range(2), dtype=torch.bfloat16)
        torch.stack(list(losses_of(task, shard).values())).sum().backward()
        gradients.append([p.grad for p in task.unet.parameters() if p.grad is not None])
    assert all(torch.equal(one, two) for one, two in zip(*gradients, strict=True))


@pytest.mark.parametrize("draws", [1, 3])
def test_the_diffusion_step_is_the_largest_of_uniform_draws(draws: int) -> None:
    config = load("config/smoke.yaml")
    stage = config.a2v.stage2.model_copy(update={"step_draws": draws})
    sampler = A2vSampler(config, stage, InMemoryClips(config, 40))
    batches = [sampler(BatchShard(3, "a2v_stage2", step, 8, range(8))) for step in range(64)]
    share = torch.cat([batch.t for batch in batches]) / config.a2v.diffusion.timesteps
    # The largest of k uniform draws has the mean k / (k + 1); four standard errors of 512 uniform draws are 0.05.
    assert float(share.mean()) == pytest.approx(draws / (draws + 1), abs=0.05)
    assert float(share.min()) >= 0
    assert float(share.max()) < 1


def test_dropped_speech_is_that_of_whole_clips() -> None:
    """Where speech is dropped, another speech gives the same loss; pose, blinks and all other draws stay."""
    config = load("config/smoke.yaml")
    torch.manual_seed(0)
    clips, shard = InMemoryClips(config, 40), BatchShard(3, "a2v_stage2", 0, 64, range(64))
    stages = [config.a2v.stage2.model_copy(update={"drop_speech": p, "drop": 0.0}) for p in (0.0, 0.25)]
    kept, dropped = (A2vSampler(config, stage, clips)(shard) for stage in stages)
    assert kept.keep_speech.min() == 1
    # Four standard errors of 64 draws are 0.22.
    assert float(dropped.keep_speech.mean()) == pytest.approx(0.75, abs=0.22)
    assert torch.equal(kept.noise, dropped.noise)
    assert torch.equal(kept.t, dropped.t)
    task = A2vTask(config, stages[1], clips, LatentFlowGenerator(config.lfg.model))
    for p in task.unet.parameters():
        torch.nn.init.normal_(p, std=0.1)
    for value, equal in ((0.0, True), (1.0, False)):
        batch = dropped._replace(keep_speech=torch.full_like(dropped.keep_speech, value))
        losses = [task.loss(b, shard, 0)["simple"] for b in (batch, batch._replace(speech=batch.speech.flip(0)))]
        assert torch.equal(*losses) == equal
