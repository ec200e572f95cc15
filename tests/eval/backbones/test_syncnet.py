"""SyncNet: sizes, its saved weights, and weights files with the published names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from dawn.errors import InputError
from dawn.weights import MissingWeights
from eval.backbones import syncnet


def test_published_names_reach_the_right_layers(original_syncnet: nn.Module, published_syncnet: Path) -> None:
    net = syncnet.load_published(published_syncnet)
    assert (net.side, net.width, net.size, net.bgr) == (224, 1.0, 1024, True)
    lips = torch.rand(1, 3, 6, 224, 224) * 255
    sound = torch.randn(2, 13, 20) * 10
    with torch.inference_mode():
        wanted = torch.cat([original_syncnet.forward_lip(lips[:, :, t : t + 5]) for t in range(2)])
        assert torch.allclose(net.embed_lips(lips)[0], wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))
        heard = original_syncnet.forward_aud(sound[:, None])
        assert torch.allclose(net.embed_sound(sound), heard, rtol=1e-3, atol=1e-4 * float(heard.abs().max()))


def test_files_with_other_weights_are_refused(published_syncnet: Path, tmp_path: Path) -> None:
    state = torch.load(published_syncnet, weights_only=True)
    bad = {
        "fewer": dict(list(state.items())[5:]),
        "renamed": {name.replace("netcnn", "cnn"): value for name, value in state.items()},
        "odd": state | {"netcnnlip.0.weight": torch.zeros(3)},
        "list": [1],
    }
    for name, content in bad.items():
        torch.save(content, tmp_path / name)
        with pytest.raises(MissingWeights, match="not the weights of the published SyncNet"):
            syncnet.load_published(tmp_path / name)
    with pytest.raises(MissingWeights):
        syncnet.load_published(tmp_path / "absent")


def test_syncnet_has_as_many_weights_as_the_published_file() -> None:
    """The published file has 54,573,114 bytes; what is not weights in it is the header of its archive."""
    tensors = syncnet.SyncNet().state_dict().values()
    weights = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    assert 0 < 54_573_114 - weights < 20_000


@pytest.mark.parametrize(("side", "width"), [(48, 0.25), (19, 0.1), (112, 0.25)])
def test_embeddings_have_the_networks_size_and_other_inputs_are_refused(side: int, width: float) -> None:
    net = syncnet.SyncNet(side, width).eval()
    assert net.embed_lips(torch.zeros(2, 3, 6, side, side)).shape == (2, 2, net.size)
    assert net.embed_sound(torch.zeros(3, 13, 20)).shape == (3, net.size)
    with pytest.raises(InputError):
        net.embed_lips(torch.zeros(1, 3, 5, side + 1, side + 1))
    with pytest.raises(InputError):
        net.embed_sound(torch.zeros(1, 20, 13))
    with pytest.raises(InputError):
        syncnet.SyncNet(18)


def test_a_whole_clip_has_the_embeddings_of_its_windows() -> None:
    torch.manual_seed(0)
    net = syncnet.SyncNet(48, 0.25).eval()
    mouths = torch.rand(1, 3, 8, 48, 48) * 255
    whole = net.embed_lips(mouths)[0]
    parts = torch.cat([net.embed_lips(mouths[:, :, t : t + 5])[0] for t in range(4)])
    assert torch.allclose(whole, parts, atol=1e-4)


def test_saved_weights_load_as_the_same_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = syncnet.SyncNet(48, 0.25).eval()
    net.save(tmp_path / "sync.safetensors")
    again = syncnet.load(tmp_path / "sync.safetensors")
    assert (again.side, again.width) == (48, 0.25)
    windows = torch.rand(2, 13, 20)
    assert torch.equal(again.embed_sound(windows), net.embed_sound(windows))
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="fit-syncnet"):
        syncnet.load(tmp_path / "bad.safetensors")
