"""Weights files: readable by others, the same bytes for the same weights, errors that name the file and the key."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from dawn.errors import InputError
from dawn.models.weights_io import load_weights, save_weights, weights_metadata


def write(path: Path) -> nn.Linear:
    net = nn.Linear(3, 2)
    save_weights(path, {"net": net.state_dict()}, {"stage": "toy", "steps": "4"})
    return net


def test_weights_come_back(tmp_path: Path) -> None:
    net, other = write(tmp_path / "w.safetensors"), nn.Linear(3, 2)
    load_weights(tmp_path / "w.safetensors", {"net": other})
    assert torch.equal(net.weight, other.weight) and torch.equal(net.bias, other.bias)
    assert weights_metadata(tmp_path / "w.safetensors") == {"stage": "toy", "steps": "4"}


def test_weights_have_the_mode_of_the_umask(tmp_path: Path) -> None:
    write(tmp_path / "w.safetensors")
    (tmp_path / "ordinary").touch()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("w.safetensors", "ordinary")]
    assert modes[0] == modes[1]


def test_unusable_weights(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(InputError, match="no such weights"):
        load_weights(path, {"net": nn.Linear(3, 2)})
    write(path)
    with pytest.raises(InputError, match=r"does not fit network net as configured: size mismatch"):
        load_weights(path, {"net": nn.Linear(3, 4)})
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match="damaged weights"):
        load_weights(path, {"net": nn.Linear(3, 2)})


def test_unusable_metadata(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(InputError, match="no such weights"):
        weights_metadata(path)
    tensors = {"net/weight": torch.zeros(1)}
    for text in ("{", "[]", '{"steps": 4}'):
        save_file(tensors, path, metadata={"dawn": text})
        with pytest.raises(InputError, match="are not those of a trained stage"):
            weights_metadata(path)
    save_file(tensors, path)
    assert weights_metadata(path) == {}
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match="damaged weights"):
        weights_metadata(path)
