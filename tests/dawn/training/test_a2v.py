"""The A2V stages: targets of the frozen flow generator."""

from __future__ import annotations

from typing import cast

import torch

from dawn.config import load
from dawn.features.clips import ClipStore
from dawn.models.diffusion import to_data
from dawn.models.lfg import LatentFlowGenerator
from dawn.training.a2v import A2vTask
from dawn.training.batch_shard import BatchShard
from tests.support.clips import InMemoryClips


def test_regions_found_once_give_the_targets_of_regions_found_anew() -> None:
    config = load("config/demo.yaml")
    torch.manual_seed(0)
    lfg = LatentFlowGenerator(config.lfg.model)
    task = A2vTask(config, config.a2v.stage2, cast(ClipStore, InMemoryClips(config)), lfg)
    for step in range(2):  # the second batch meets regions that are kept
        batch, _ = task._batch(BatchShard(0, "a2v_stage2", step, 8, range(8)))
        b, n = batch.frames.shape[:2]
        with torch.no_grad():
            flow, occlusion = lfg.motion(batch.source.repeat_interleave(n, 0), batch.frames.flatten(0, 1))
        wanted = to_data(flow.unflatten(0, (b, n)), occlusion.unflatten(0, (b, n)), config.a2v.diffusion)
        torch.testing.assert_close(task._targets(batch)[0], wanted, rtol=1e-4, atol=1e-4)
        assert float(wanted.std(dim=2).mean()) > 1e-4  # frames differ: a mix-up of frames would be seen
