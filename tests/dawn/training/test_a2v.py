"""The A2V stages: targets of the frozen flow generator."""

from __future__ import annotations

import torch

from dawn.config import load
from dawn.models.diffusion import motion_to_data
from dawn.models.lfg import LatentFlowGenerator
from dawn.training.a2v import A2vTask
from dawn.training.batch_shard import BatchShard
from tests.support.clips import InMemoryClips


def test_cached_regions_give_the_targets_of_regions_computed_anew() -> None:
    config = load("config/demo.yaml")
    torch.manual_seed(0)
    lfg = LatentFlowGenerator(config.lfg.model)
    task = A2vTask(config, config.a2v.stage2, InMemoryClips(config), lfg)
    for step in range(2):  # the second batch reads the cache
        batch, _ = task.draw(BatchShard(0, "a2v_stage2", step, 8, range(8)))
        b, n = batch.frames.shape[:2]
        with torch.no_grad():
            flow, occlusion = lfg.motion(batch.source.repeat_interleave(n, 0), batch.frames.flatten(0, 1))
        expected = motion_to_data(flow.unflatten(0, (b, n)), occlusion.unflatten(0, (b, n)), config.a2v.diffusion)
        torch.testing.assert_close(task.targets(batch)[0], expected, rtol=1e-4, atol=1e-4)
        assert float(expected.std(dim=2).mean()) > 1e-4  # frames differ: swapped frames would fail
