"""The 3-D U-Net: recorded numbers of the published network, exact shortcuts, invariances."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dawn.config import UnetModel
from dawn.errors import InputError
from dawn.models.unet3d import DATA_CHANNELS, UNet3D
from tests.support.golden import TIME, UNET, check, default_dtype
from tests.support.networks import TINY


@pytest.fixture(scope="module", params=[torch.float32, torch.float64], ids=str)
def published(request: pytest.FixtureRequest, recipe: ModuleType) -> UNet3D:
    """The published network in both precisions."""
    with default_dtype(request.param):
        return recipe.fill(UNet3D(UnetModel(), 1024, 256)).to(request.param)


@pytest.fixture
def precision(published: UNet3D) -> Iterator[None]:
    """Compute in the precision of the network."""
    with default_dtype(published.init_conv.weight.dtype):
        yield


float32_only = pytest.mark.parametrize("published", [torch.float32], indirect=True)


def golden_inputs(recipe: ModuleType, frames: int) -> dict[str, Tensor]:
    inputs = recipe.tensors(recipe.unet_inputs(frames))
    speech, pose, eye = inputs["cond"].split((1024, 6, 2), dim=-1)
    static = torch.cat((inputs["fea"], inputs["mask"]), dim=1)
    return {"x": inputs["x"], "static": static, "speech": speech, "pose": pose, "eye": eye}


def predict(net: UNet3D, t: Tensor, x: Tensor, static: Tensor, **video: Any) -> Tensor:
    return net(x, t, net.prepare(static, **video))


def without_conditions(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return inputs | {name: torch.zeros_like(inputs[name]) for name in ("speech", "pose", "eye")}


def tiny_inputs(batch: int = 2, frames: int = 5, side: int = 4) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "x": (batch, 3, frames, side, side),
        "static": (batch, 12, side, side),
        "speech": (batch, frames, 10),
        "pose": (batch, frames, 6),
        "eye": (batch, frames, 2),
    }
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def tiny(**changes: Any) -> UNet3D:
    torch.manual_seed(0)
    return UNet3D(TINY.model_copy(update=changes), 10, 8)


@float32_only
def test_keys_and_shapes_are_the_published_ones(recipe: ModuleType, published: UNet3D) -> None:
    computed = {f"denoise_fn.{key}": tuple(value.shape) for key, value in published.state_dict().items()}
    assert computed == {
        key: shape for key, shape in recipe.shapes("diffusion").items() if key.startswith("denoise_fn.")
    }
    assert sum(p.numel() for p in published.parameters()) == 49_857_539


@pytest.mark.usefixtures("precision")
def test_golden_six_frames_and_parts(reference: Path, recipe: ModuleType, published: UNet3D) -> None:
    golden = np.load(reference / "unet_n6.npz")
    inputs = golden_inputs(recipe, 6)
    maps: dict[str, Tensor] = {}

    def record(name: str) -> Any:
        def hook(_: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
            maps[name] = output
            maps[f"before_{name}"] = arguments[0]

        return hook

    modules = {"stem_attn": published.init_temporal_attn, "block": published.downs[0][0], "time": published.time_mlp}
    handles = [module.register_forward_hook(record(name)) for name, module in modules.items()]
    run = {"cond": predict(published, t=torch.tensor([904]), window=80, **inputs)}
    for handle in handles:
        handle.remove()

    def channels(x: Tensor) -> Tensor:
        return x.view(1, 6, 32, 32, -1).permute(0, 4, 1, 2, 3)[:, ::8]

    check(channels(maps["before_stem_attn"]), golden["n6_stem_ch8"], UNET)
    check(channels(maps["stem_attn"]), golden["n6_stem_attn_ch8"], UNET)
    check(channels(maps["block"]), golden["n6_t904_down0_block1_ch8"], UNET)
    spatial = published.downs[0][2](maps["block"])
    check(channels(spatial), golden["n6_t904_down0_spatial_of_block1_ch8"], UNET)
    frame = torch.arange(6)
    check(published.time_rel_pos_bias(frame - frame[:, None]), golden["n6_bias"], UNET)
    check(published.time_mlp(torch.tensor([47, 904])), golden["time_emb"], TIME)

    run["null"] = predict(published, t=torch.tensor([904]), window=80, **without_conditions(inputs))
    for name, output in run.items():
        check(output, golden[f"n6_t904_{name}"], UNET)
    guided = run["null"] + 2.0 * (run["cond"] - run["null"])
    check(guided, golden["n6_t904_cfg2"], UNET)


@float32_only
def test_golden_six_frames_at_a_late_step(reference: Path, recipe: ModuleType, published: UNet3D) -> None:
    golden = np.load(reference / "unet_n6.npz")
    inputs = golden_inputs(recipe, 6)
    check(predict(published, t=torch.tensor([47]), **inputs), golden["n6_t47_cond"], UNET)
    check(predict(published, t=torch.tensor([47]), **without_conditions(inputs)), golden["n6_t47_null"], UNET)


@float32_only
@pytest.mark.parametrize(
    ("reach", "t", "conditions"),
    [(40, 904, "cond"), (40, 904, "null"), (40, 47, "cond"), (8, 904, "cond"), (8, 47, "cond")],
)
def test_golden_local_window(
    reference: Path, recipe: ModuleType, published: UNet3D, reach: int, t: int, conditions: str
) -> None:
    golden = np.load(reference / "unet_n24.npz")
    inputs = golden_inputs(recipe, 24)
    if conditions == "null":
        inputs = without_conditions(inputs)
    output = predict(published, t=torch.tensor([t]), window=2 * reach, **inputs)
    check(output, golden[f"n24_w{reach}_t{t}_{conditions}"], UNET)


def test_split_first_convolution_equals_the_whole_one() -> None:
    net, inputs = tiny(), tiny_inputs()
    frames = inputs["x"].shape[2]
    maps: list[Tensor] = []
    net.init_temporal_attn.register_forward_hook(lambda _, arguments, output: maps.append(arguments[0]))
    predict(net, t=torch.tensor([3, 4]), **inputs)
    whole = net.init_conv(torch.cat((inputs["x"], inputs["static"][:, :, None].expand(-1, -1, frames, -1, -1)), dim=1))
    torch.testing.assert_close(maps[0].permute(0, 3, 1, 2).view_as(whole), whole, rtol=1e-5, atol=1e-6)


def test_condition_cache_serves_every_step() -> None:
    net, inputs = tiny(), tiny_inputs()
    x = inputs.pop("x")
    video = net.prepare(**inputs)
    for t in (torch.tensor([3, 4]), torch.tensor([500, 2])):
        assert torch.equal(net(x, t, video), predict(net, t, x, **inputs))


@torch.no_grad()
def test_chunks_do_not_change_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    net, inputs = tiny(), tiny_inputs()
    t = torch.tensor([3, 4])
    expected = predict(net, t=t, **inputs)
    monkeypatch.setattr("dawn.models.conditioning.CPU_QUERIES", 1)
    for activations in (1, 500, 1000, 5000, 20000):
        torch.testing.assert_close(predict(net, t=t, activations=activations, **inputs), expected, rtol=1e-4, atol=1e-5)


def test_window_of_twice_the_frames_equals_full_attention() -> None:
    net, inputs = tiny(), tiny_inputs()
    t = torch.tensor([3, 4])
    full = predict(net, t=t, **inputs)
    assert torch.equal(predict(net, t=t, window=10, **inputs), full)
    assert not torch.allclose(predict(net, t=t, window=2, **inputs), full)


def test_batch_size_does_not_change_a_sample() -> None:
    net, inputs = tiny(), tiny_inputs(batch=3)
    t = torch.tensor([3, 400, 999])
    batched = predict(net, t=t, **inputs)
    for i in range(3):
        single = predict(net, t=t[i : i + 1], **{name: value[i : i + 1] for name, value in inputs.items()})
        torch.testing.assert_close(single, batched[i : i + 1], rtol=1e-4, atol=1e-5)


def test_output_depends_on_every_input() -> None:
    net, inputs = tiny(), tiny_inputs()
    t = torch.tensor([3, 4])
    base = predict(net, t=t, **inputs)
    for name in inputs:
        changed = inputs | {name: inputs[name] + 0.5 * torch.randn_like(inputs[name])}
        assert not torch.allclose(predict(net, t=t, **changed), base, atol=1e-4), name
    assert not torch.allclose(predict(net, t=t + 300, **inputs), base, atol=1e-4)


def test_levels_select_the_attention_layers() -> None:
    net = tiny(temporal_levels=(1,), spatial_levels=(), relative_bias=False, condition_activation="none")
    keys = set(net.state_dict())
    temporal = {key.rsplit(".fn.fn.fn", 1)[0] for key in keys if "rotary_emb" in key}
    assert temporal == {"downs.1.3", "ups.0.3", "mid_temporal_attn"}
    assert not any(key.startswith(("downs.0.2", "downs.1.2", "ups.0.2", "time_rel_pos_bias")) for key in keys)
    inputs = tiny_inputs()
    output = predict(net, t=torch.tensor([3, 4]), **inputs)
    assert output.shape == inputs["x"].shape and bool(output.isfinite().all())


def test_gradients_reach_every_trained_weight() -> None:
    net = tiny()
    predict(net, t=torch.tensor([3, 4]), **tiny_inputs()).square().mean().backward()
    idle = {name for name, value in net.named_parameters() if not value.requires_grad}
    assert idle and all(name.startswith(("final_conv.0.cross_attn", "occlusion_map.0.cross_attn")) for name in idle)
    reached = {name for name, value in net.named_parameters() if value.grad is not None and bool(value.grad.any())}
    assert reached == {name for name, value in net.named_parameters() if value.requires_grad}


def test_errors_name_invalid_inputs() -> None:
    net, inputs = tiny(), tiny_inputs()
    t = torch.tensor([3, 4])
    with pytest.raises(InputError, match="expected 12 channels"):
        predict(net, t=t, **inputs | {"static": inputs["static"][:, :7]})
    with pytest.raises(InputError, match="does not halve"):
        predict(net, t=t, **inputs | {"x": inputs["x"][..., :3]})
    with pytest.raises(InputError, match="motion of 2 clips of 4 frames; the conditions are of 2 clips of 5"):
        predict(net, t=t, **inputs | {"x": inputs["x"][:, :, :4]})
    with pytest.raises(InputError, match=r"pose: .* 2 clips of 5 frames"):
        predict(net, t=t, **inputs | {"pose": inputs["pose"][:, :4]})
    with pytest.raises(InputError, match="window"):
        predict(net, t=t, window=-2, **inputs)
    assert net.init_conv.weight.shape[1] == DATA_CHANNELS + inputs["static"].shape[1]
