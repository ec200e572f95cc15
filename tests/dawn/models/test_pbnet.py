"""The pose and blink network: recorded numbers of the published network, windows, padding."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dawn.config import PbnetModel
from dawn.errors import InputError
from dawn.models.pbnet import POSITIONS, PBNet, latent_noise
from tests.support.golden import PBNET, check, default_dtype

TINY = PbnetModel(latent=8, audio_latent=16, feed_forward=16, heads=2, head_dim=8, rope_dim=8)


WIDTHS = {"pose": 6, "pose5": 6, "eye": 2}


def tiny(model: PbnetModel = TINY) -> PBNet:
    torch.manual_seed(0)
    return PBNet(model, 8, 5).eval()


def sequences(n: int, b: int = 2, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Motion (b, n, 8), speech (b, n, 5) and latent code (n, b, 16)."""
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.rand(b, n, 8, generator=generator),
        torch.randn(b, n, 5, generator=generator),
        torch.randn(n, b, 16, generator=generator),
    )


@pytest.mark.parametrize("kind", ["pose", "eye"])
def test_state_dict_is_the_published_one(recipe: ModuleType, kind: str) -> None:
    state = PBNet(PbnetModel(rope_dim=4), WIDTHS[kind], 1024).state_dict()
    assert [(key, tuple(value.shape)) for key, value in state.items()] == [*recipe.shapes(f"pbnet_{kind}").items()]


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("kind", "frames"), [("pose", 30), ("eye", 30), ("pose", 240), ("pose5", 240)])
def test_golden_sequences(reference: Path, recipe: ModuleType, kind: str, frames: int, dtype: torch.dtype) -> None:
    golden = np.load(reference / "pbnet.npz")
    with default_dtype(dtype):
        net = recipe.fill(PBNet(PbnetModel(rope_dim=4), WIDTHS[kind], 1024))
        inputs = recipe.tensors(recipe.pbnet_inputs(frames, WIDTHS[kind]))
        window = 400 if kind == "pose5" else 200
        output = net.decode(inputs["z"], inputs["audio"], inputs["x"][:, 0], window=window)
        check(output, golden[f"{kind}_n{frames}_output"], PBNET)
        if frames == 30:
            mean, logvar = net.encode(inputs["x"], inputs["audio"])
            check(mean[..., ::4], golden[f"{kind}_n30_mu_ch4"], PBNET)
            check(logvar[..., ::4], golden[f"{kind}_n30_logvar_ch4"], PBNET)


@torch.no_grad()
@pytest.mark.parametrize("change", ["GELU by tanh", "layer normalisation with eps 1e-6"])
def test_golden_sequences_detect_small_changes_of_the_network(
    reference: Path, recipe: ModuleType, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """In float64 the bound is the rounding of the recorded numbers, far below what these changes make."""
    golden = np.load(reference / "pbnet.npz")
    with default_dtype(torch.float64):
        if change == "GELU by tanh":
            monkeypatch.setattr(torch.nn.functional, "gelu", partial(torch.nn.functional.gelu, approximate="tanh"))
        net = recipe.fill(PBNet(PbnetModel(rope_dim=4), WIDTHS["pose"], 1024))
        inputs = recipe.tensors(recipe.pbnet_inputs(30, WIDTHS["pose"]))
        for module in net.modules():
            if isinstance(module, torch.nn.LayerNorm) and "eps" in change:
                module.eps = 1e-6
        with pytest.raises(AssertionError):
            check(net.decode(inputs["z"], inputs["audio"], inputs["x"][:, 0]), golden["pose_n30_output"], PBNET)
        mean, _ = net.encode(inputs["x"], inputs["audio"])
        with pytest.raises(AssertionError):
            check(mean[..., ::4], golden["pose_n30_mu_ch4"], PBNET)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 150))
@torch.no_grad()
def test_a_window_of_twice_the_length_is_full_attention(n: int) -> None:
    x, audio, z = sequences(n)
    net = tiny()
    full = net.decode(z, audio, x[:, 0])
    torch.testing.assert_close(net.decode(z, audio, x[:, 0], window=2 * n), full)


@torch.no_grad()
def test_window_limits_the_influence_of_a_frame() -> None:
    """Speech enters by the cross-attention of each layer; the second layer's self-attention carries it once more."""
    x, audio, z = sequences(200)
    net = tiny()
    before = net.decode(z, audio, x[:, 0], window=20)
    audio[:, 100] += 1
    change = (net.decode(z, audio, x[:, 0], window=20) - before).abs().amax((0, 2))
    reached = change > 0
    assert reached[80:121].all() and not reached[:80].any() and not reached[121:].any()
    assert (net.decode(z, audio, x[:, 0]) - before).abs().amax((0, 2))[0] > 0


@torch.no_grad()
@pytest.mark.parametrize("window", [None, 10, 400])
def test_padding_changes_nothing(window: int | None) -> None:
    x, audio, z = sequences(90)
    net = tiny()
    lengths = torch.tensor([90, 40])
    mask = torch.arange(90) < lengths[:, None]
    mean, logvar = net.encode(x, audio, mask)
    output = net.decode(z, audio, x[:, 0], mask, window)
    assert mean.shape == logvar.shape == (90, 2, 16) and output.shape == (2, 90, 8)
    assert (output[1, 40:] == 0).all() and torch.isfinite(output).all()
    for row, length in enumerate(lengths.tolist()):
        one = (slice(row, row + 1), slice(0, length))
        single = net.encode(x[one], audio[one])
        torch.testing.assert_close(mean[:length, row : row + 1], single[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(logvar[:length, row : row + 1], single[1], rtol=1e-4, atol=1e-5)
        expected = net.decode(z[:length, row : row + 1], audio[one], x[row : row + 1, 0], window=window)
        torch.testing.assert_close(output[one], expected, rtol=1e-4, atol=1e-5)


def test_training_reaches_every_parameter_through_padding() -> None:
    x, audio, _ = sequences(30)
    net = tiny().train()
    mask = torch.arange(30) < torch.tensor([[30], [12]])
    mean, logvar = net.encode(x, audio, mask)
    output = net.decode(mean + (0.5 * logvar).exp(), audio, x[:, 0], mask)
    output.square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


def test_dropout_is_for_training_only() -> None:
    x, audio, z = sequences(10)
    net = tiny()
    assert torch.equal(net.decode(z, audio, x[:, 0]), net.decode(z, audio, x[:, 0]))
    net.train()
    assert not torch.equal(net.decode(z, audio, x[:, 0]), net.decode(z, audio, x[:, 0]))


@torch.no_grad()
def test_rope_alone_distinguishes_the_order_of_frames() -> None:
    """Without the learned bias rotary positions distinguish the order of frames (the paper's form)."""
    net = tiny(TINY.model_copy(update={"relative_bias": False}))
    assert not any("rel_pos_bias" in key for key in net.state_dict())
    x, audio, z = sequences(12)
    backward = net.decode(z.flip(0), audio.flip(1), x[:, 0]).flip(1)
    assert (net.decode(z, audio, x[:, 0]) - backward).abs().max() > 1e-4


def test_errors_name_invalid_sizes() -> None:
    with pytest.raises(InputError, match="multiple of heads"):
        PBNet(TINY.model_copy(update={"heads": 3}), 8, 5)
    x, audio, _ = sequences(POSITIONS + 1, b=1)
    with pytest.raises(InputError, match=f"may have {POSITIONS} frames"):
        tiny().encode(x, audio)


def test_latent_noise_is_standard_normal_whatever_its_correlation() -> None:
    independent = PbnetModel(audio_latent=4)
    smooth = PbnetModel(audio_latent=4, latent_correlation=(0.0, 6.0))
    assert torch.equal(
        latent_noise(9, independent, torch.Generator().manual_seed(3)),
        torch.randn(9, 4, generator=torch.Generator().manual_seed(3)),
    )
    noise = latent_noise(20000, smooth, torch.Generator().manual_seed(3))
    assert noise.shape == (20000, 4)
    assert noise.std(dim=0).tolist() == pytest.approx([1.0] * 4, abs=0.06)
    neighbours = (noise[1:] * noise[:-1]).mean(dim=0)
    # two filters of deviation s, a frame apart, overlap by exp(-1 / (4 s^2))
    assert neighbours.tolist() == pytest.approx([0.0, 0.993, 0.0, 0.993], abs=0.06)


def test_initial_attention_is_local() -> None:
    table = PBNet(PbnetModel(), dim=6, speech_dim=8).decoder.time_rel_pos_bias_mem
    assert table is not None
    bias = table(torch.tensor([-40, -3, 0, 3, 40]))
    assert (bias[:, 2] == 0).all() and (bias[:, [0, 1, 3, 4]] < 0).all()
    assert (bias[:, 0] < bias[:, 1]).all() and torch.equal(bias[:, 1], bias[:, 3])
    assert (bias[:-1, 0] < bias[1:, 0]).all()  # each head attends farther than the previous one


@torch.no_grad()
def test_offsets_start_at_the_source_and_keep_the_decoded_differences() -> None:
    net = tiny()
    x, audio, z = sequences(20)
    decoded, offsets = net.decode(z, audio, x[:, 0], window=8), net.offsets(z, audio, x[:, 0], window=8)
    assert decoded[:, 0].abs().max() > 0 and offsets[:, 0].abs().max() == 0
    torch.testing.assert_close(offsets.diff(dim=1), decoded.diff(dim=1))
    mask = torch.arange(20) < torch.tensor([[20], [13]])
    masked = net.offsets(z, audio, x[:, 0], mask)
    assert (masked[1, 13:] == 0).all() and (masked[1, 1:13] != 0).all()
