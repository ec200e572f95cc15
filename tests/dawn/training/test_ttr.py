"""The stages of two temporal resolutions: keyframes have neither noise nor loss, and both networks learn."""

from __future__ import annotations

import torch

from dawn.models.build import build_flow_generator
from dawn.models.diffusion import GaussianDiffusion
from dawn.training.batch_shard import BatchShard
from dawn.training.ttr import DenseTask, SparseTask
from tests.support.clips import InMemoryClips
from tests.support.networks import config, shaken
from tests.support.tasks import losses_of


def test_keyframes_have_neither_noise_nor_loss() -> None:
    tiny = config()
    stage = tiny.a2v.stage2.model_copy(update={"frames_min": 6, "frames_max": 6, "jitter": 0.0})
    torch.manual_seed(0)
    task = DenseTask(tiny, stage, InMemoryClips(tiny), shaken(build_flow_generator(tiny)))
    x0, noise = torch.rand(1, 3, 6, 16, 16), torch.rand(1, 3, 6, 16, 16)
    t = torch.tensor([900])
    x_t = task.diffusion.q_sample(x0, t, noise)
    assert torch.equal(x_t[:, :, [0, 4]], x0[:, :, [0, 4]])
    usual = GaussianDiffusion(tiny.a2v.diffusion).q_sample(x0, t, noise)
    assert torch.equal(x_t[:, :, [1, 2, 3, 5]], usual[:, :, [1, 2, 3, 5]])
    batch = task.sampler(BatchShard(0, "ttr_dense", 0, 1, range(1)))
    output = torch.rand(1, 3, 6, 16, 16, requires_grad=True)
    sum(task.losses(x0, output, x_t, t, noise, batch).values()).backward()
    assert output.grad is not None
    assert not output.grad[:, :, [0, 4]].any() and output.grad[:, :, [1, 2, 3, 5]].any(dim=2).all()


def test_both_resolutions_learn() -> None:
    tiny = config()
    stage = tiny.a2v.stage2.model_copy(update={"frames_min": 3, "frames_max": 3, "jitter": 0.0})
    for task_class in (SparseTask, DenseTask):
        torch.manual_seed(0)
        task = task_class(tiny, stage, InMemoryClips(tiny), shaken(build_flow_generator(tiny)))
        losses = losses_of(task, BatchShard(0, "ttr", 0, 2, range(2)))
        sum(losses.values()).backward()
        assert all(torch.isfinite(loss) for loss in losses.values())
        assert any(p.grad is not None and p.grad.any() for p in task.unet.parameters())
