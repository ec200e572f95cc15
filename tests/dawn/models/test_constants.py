"""Constant buffers: weights without them load, weights with them keep theirs, and nothing else may be absent."""

from __future__ import annotations

import pytest
import torch

from dawn.config import PbnetModel
from dawn.models.constants import constant_keys
from dawn.models.pbnet import PBNet
from dawn.models.warping import AntiAlias
from tests.support.networks import tiny_lfg

TINY = PbnetModel(latent=8, audio_latent=16, feed_forward=16, heads=2, head_dim=8, rope_dim=8)


def test_a_state_without_constants_loads_and_leaves_the_computed_ones() -> None:
    net, other = PBNet(TINY, 8, 5), PBNet(TINY, 8, 5)
    constants = constant_keys(net)
    assert {key.rpartition(".")[2] for key in constants} == {"pe", "freqs"}
    assert "encoder.sequence_pos_encoder.pe" in constants and constants < set(net.state_dict())
    other.load_state_dict({key: value for key, value in net.state_dict().items() if key not in constants})
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in other.state_dict().items())
    assert constant_keys(AntiAlias(0.5)) == {"weight"}
    assert any(key.endswith("down.weight") for key in constant_keys(tiny_lfg()))


def test_constants_of_a_file_are_taken_from_it() -> None:
    net = PBNet(TINY, 8, 5)
    state = {key: value.clone() for key, value in net.state_dict().items()}
    state["encoder.sequence_pos_encoder.pe"] += 1
    net.load_state_dict(state)
    assert torch.equal(net.state_dict()["encoder.sequence_pos_encoder.pe"], state["encoder.sequence_pos_encoder.pe"])


@pytest.mark.parametrize("key", ["decoder.finallayer.weight", "encoder.mu_layer.bias"])
def test_another_absent_key_is_an_error(key: str) -> None:
    net = PBNet(TINY, 8, 5)
    state = {name: value for name, value in net.state_dict().items() if name != key}
    with pytest.raises(RuntimeError, match=f"Missing key.*{key}"):
        net.load_state_dict(state)


def test_constants_of_another_size_are_computed() -> None:
    quarter = AntiAlias(0.25)
    expected = quarter.weight.clone()
    quarter.load_state_dict(AntiAlias(0.5).state_dict())
    assert torch.equal(quarter.weight, expected)
