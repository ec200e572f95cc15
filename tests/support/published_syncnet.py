"""A random SyncNet of the original's class (package syncnet-python), and a file of it as the published one."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn


def original() -> nn.Module:
    """The original's network with random weights, its layers scaled so that signals neither die nor explode."""
    from syncnet_python.SyncNetModel import S

    torch.manual_seed(0)
    net = S()
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.8, 1.2)
    return net.eval()


def save(net: nn.Module, path: Path) -> Path:
    """Write the weights as in 2016: torch's first format, and no counters of batches. Returns `path`."""
    state = {name: value for name, value in net.state_dict().items() if "num_batches" not in name}
    torch.save(state, path, _use_new_zipfile_serialization=False)
    return path
