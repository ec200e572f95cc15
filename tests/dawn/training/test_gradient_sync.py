"""Means of gradients over processes, against sums in one process."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import torch
import torch.distributed
from torch import nn

from dawn.training import gradient_sync
from dawn.training.gradient_sync import GradientSync
from dawn.training.lowered import LoweredCopy
from tests.support import forked


class Net(nn.Module):
    """Layers of several buckets, one of which has no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.unused, self.last = nn.Linear(4, 300), nn.Linear(3, 3), nn.Linear(300, 2)

    def operands(self) -> list[nn.Parameter]:
        return [*self.first.parameters()]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(self.first(x.to(self.first.weight.dtype)).to(x.dtype)))


def _net() -> Net:
    torch.manual_seed(0)
    return Net()


def _passes(rank: int) -> list[torch.Tensor]:
    return [torch.randn(5, 4, generator=torch.Generator().manual_seed(10 * rank + turn)) for turn in range(2)]


def member(rank: int, port: int, out: Path, lowered: bool) -> None:
    """Compute two passes, of which the second sends; write the gradients."""
    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    gradient_sync.BUCKET_BYTES = 1000
    net = _net()
    sync = GradientSync(list(net.parameters()), 2)
    computing = LoweredCopy(net, net.operands(), torch.bfloat16).network() if lowered else net
    sent_early = False
    if rank == 0:  # a pass without memory, before it has a gradient to send: this process computes all again
        sync.begin()
        sync.cancel()
    for turn, x in enumerate(_passes(rank)):
        if turn == 1:
            sync.begin()
        computing(x).square().sum().backward()
        assert sync.sending == (turn == 1)
        sent_early = sync.sending
    sync.end()
    assert sent_early and not sync.sending
    gradients = {name: value.grad for name, value in net.named_parameters()}
    torch.save(gradients, out / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.network
@pytest.mark.parametrize("lowered", [False, True])
def test_gradients_are_means_over_processes(tmp_path: Path, lowered: bool) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    group = [forked.start(member, rank, port, tmp_path, lowered) for rank in range(2)]
    for process in group:
        process.join()
        assert process.exitcode == 0
    net = _net()
    computing = LoweredCopy(net, net.operands(), torch.bfloat16).network() if lowered else net
    for x in [*_passes(0), *_passes(1)]:
        (computing(x).square().sum() / 2).backward()
    one, two = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    for name, value in net.named_parameters():
        if value.grad is None:
            assert name.startswith("unused") and one[name] is two[name] is None
            continue
        assert torch.equal(one[name], two[name])
        torch.testing.assert_close(one[name], value.grad, rtol=1e-5, atol=1e-5)


def test_one_process_sends_nothing() -> None:
    net = _net()
    sync = GradientSync(list(net.parameters()), 1)
    sync.begin()
    net(_passes(0)[0]).sum().backward()
    assert not sync.sending
    sync.end()
