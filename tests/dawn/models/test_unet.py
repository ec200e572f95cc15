"""The 3-D U-Net and its attention: published numbers, exact shortcuts, laws."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.config import UnetModel
from dawn.errors import InputError
from dawn.models.attention import Band, RelativePositionBias, attend, relative_bucket, rotary_frequencies, rotate
from dawn.models.conditioning import CrossAttention, inject, tokens_of
from dawn.models.facemask import FaceMaskEmbedder, box_mask
from dawn.models.unet3d import DATA_CHANNELS, UNet3D
from tests.support.golden import error

TOLERANCE = 1.5e-5  # of the golden vectors: about five times float32 against float64
TINY = UnetModel(
    dim=16, multipliers=(1, 2), heads=2, head_dim=8, cross_heads=2, cross_head_dim=4, groups=4, mask_channels=(2, 4)
)


@pytest.fixture(scope="module")
def published(recipe: ModuleType) -> UNet3D:
    return recipe.fill(UNet3D(UnetModel(), 1024, 256)).requires_grad_(False)


def golden_inputs(recipe: ModuleType, frames: int) -> dict[str, Tensor]:
    given = {name: torch.from_numpy(value) for name, value in recipe.unet_inputs(frames).items()}
    speech, pose, eye = given["cond"].split((1024, 6, 2), dim=-1)
    static = torch.cat((given["fea"], given["mask"]), dim=1)
    return {"x": given["x"], "static": static, "speech": speech, "pose": pose, "eye": eye}


def predict(net: UNet3D, t: Tensor, x: Tensor, static: Tensor, **video: Any) -> Tensor:
    return net(x, t, net.prepare(static, **video))


def without_conditions(given: dict[str, Tensor]) -> dict[str, Tensor]:
    return given | {name: torch.zeros_like(given[name]) for name in ("speech", "pose", "eye")}


def tiny_inputs(batch: int = 2, frames: int = 5, side: int = 4) -> dict[str, Tensor]:
    make = torch.Generator().manual_seed(0)
    shapes = {
        "x": (batch, 3, frames, side, side),
        "static": (batch, 12, side, side),
        "speech": (batch, frames, 10),
        "pose": (batch, frames, 6),
        "eye": (batch, frames, 2),
    }
    return {name: torch.randn(shape, generator=make) for name, shape in shapes.items()}


def tiny(**changes: Any) -> UNet3D:
    torch.manual_seed(0)
    return UNet3D(TINY.model_copy(update=changes), 10, 8)


# ------------------------------------------------------------------------------------------------- published numbers
def test_keys_and_shapes_are_the_published_ones(recipe: ModuleType, published: UNet3D) -> None:
    got = {f"denoise_fn.{key}": tuple(value.shape) for key, value in published.state_dict().items()}
    assert got == {key: shape for key, shape in recipe.shapes("diffusion").items() if key.startswith("denoise_fn.")}
    assert sum(p.numel() for p in published.parameters()) == 49_857_539


def test_golden_six_frames_and_parts(reference: Path, recipe: ModuleType, published: UNet3D) -> None:
    golden = np.load(reference / "unet_n6.npz")
    given = golden_inputs(recipe, 6)
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_: nn.Module, taken: tuple[Tensor, ...], made: Tensor) -> None:
            seen[name] = made
            seen[f"before_{name}"] = taken[0]

        return hook

    modules = {"stem_attn": published.init_temporal_attn, "block": published.downs[0][0], "time": published.time_mlp}
    handles = [module.register_forward_hook(keep(name)) for name, module in modules.items()]
    run = {"cond": predict(published, t=torch.tensor([904]), window=80, **given)}
    for handle in handles:
        handle.remove()

    def channels(x: Tensor) -> Tensor:
        return x.view(1, 6, 32, 32, -1).permute(0, 4, 1, 2, 3)[:, ::8]

    assert error(channels(seen["before_stem_attn"]), golden["n6_stem_ch8"]) < TOLERANCE
    assert error(channels(seen["stem_attn"]), golden["n6_stem_attn_ch8"]) < TOLERANCE
    assert error(channels(seen["block"]), golden["n6_t904_down0_block1_ch8"]) < TOLERANCE
    spatial = published.downs[0][2](seen["block"])
    assert error(channels(spatial), golden["n6_t904_down0_spatial_of_block1_ch8"]) < TOLERANCE
    frame = torch.arange(6)
    assert error(published.time_rel_pos_bias(frame - frame[:, None]), golden["n6_bias"]) < TOLERANCE
    assert error(published.time_mlp(torch.tensor([47, 904])), golden["time_emb"]) < TOLERANCE

    run["null"] = predict(published, t=torch.tensor([904]), window=80, **without_conditions(given))
    for name, output in run.items():
        assert error(output, golden[f"n6_t904_{name}"]) < TOLERANCE
    guided = run["null"] + 2.0 * (run["cond"] - run["null"])
    assert error(guided, golden["n6_t904_cfg2"]) < TOLERANCE
    assert error(predict(published, t=torch.tensor([47]), **given), golden["n6_t47_cond"]) < TOLERANCE
    assert (
        error(predict(published, t=torch.tensor([47]), **without_conditions(given)), golden["n6_t47_null"]) < TOLERANCE
    )


@pytest.mark.parametrize(
    ("reach", "t", "conditions"),
    [(40, 904, "cond"), (40, 904, "null"), (40, 47, "cond"), (8, 904, "cond"), (8, 47, "cond")],
)
def test_golden_local_window(
    reference: Path, recipe: ModuleType, published: UNet3D, reach: int, t: int, conditions: str
) -> None:
    golden = np.load(reference / "unet_n24.npz")
    given = golden_inputs(recipe, 24)
    if conditions == "null":
        given = without_conditions(given)
    output = predict(published, t=torch.tensor([t]), window=2 * reach, **given)
    assert error(output, golden[f"n24_w{reach}_t{t}_{conditions}"]) < TOLERANCE


def test_golden_face_mask(reference: Path, recipe: ModuleType) -> None:
    net = recipe.fill(FaceMaskEmbedder())
    assert {k: tuple(v.shape) for k, v in net.state_dict().items()} == recipe.shapes("face_loc_emb")
    golden = np.load(reference / "facemask.npz")
    for side, name, stride in ((128, "emb128", 1), (256, "emb256_sub2", 2)):
        top, bottom, left, right = golden[f"mask{side}_rows_cols"]
        mask = box_mask(torch.tensor([recipe.FACE_BOX]) * side, side, side)[:, None]
        want = torch.zeros(1, 1, side, side)
        want[..., top : bottom + 1, left : right + 1] = 1
        assert torch.equal(mask, want)
        assert error(net(mask)[:, :, ::stride, ::stride], golden[name]) < 2e-6


# ------------------------------------------------------------------------------------------------- exact shortcuts
def test_first_convolution_split_by_weights_is_the_whole_one() -> None:
    net, given = tiny(), tiny_inputs()
    frames = given["x"].shape[2]
    seen: list[Tensor] = []
    net.init_temporal_attn.register_forward_hook(lambda _, taken, made: seen.append(taken[0]))
    predict(net, t=torch.tensor([3, 4]), **given)
    whole = net.init_conv(torch.cat((given["x"], given["static"][:, :, None].expand(-1, -1, frames, -1, -1)), dim=1))
    torch.testing.assert_close(seen[0].permute(0, 3, 1, 2).view_as(whole), whole, rtol=1e-5, atol=1e-6)


def test_what_is_prepared_serves_every_step() -> None:
    net, given = tiny(), tiny_inputs()
    x = given.pop("x")
    video = net.prepare(**given)
    for t in (torch.tensor([3, 4]), torch.tensor([500, 2])):
        assert torch.equal(net(x, t, video), predict(net, t, x, **given))


@torch.no_grad()
def test_working_in_runs_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    net, given = tiny(), tiny_inputs()
    t = torch.tensor([3, 4])
    want = predict(net, t=t, **given)
    monkeypatch.setattr("dawn.models.conditioning.CACHED", 1)
    for working in (1, 500, 1000, 5000, 20000):
        torch.testing.assert_close(predict(net, t=t, working=working, **given), want, rtol=1e-4, atol=1e-5)


def plain_cross_attention(x: Tensor, layer: CrossAttention, token: Tensor) -> Tensor:
    """Softmax over the null key and one token, layer norms spelled out: what `inject` must equal."""
    n, p, _ = x.shape
    normal = F.layer_norm(x, x.shape[-1:], layer.norm.g, None, 1e-5)
    q = layer.to_q(normal).view(n, p, layer.heads, -1).transpose(1, 2)
    k, v = layer.to_kv(token).view(n, 2, layer.heads, 1, -1).unbind(1)
    null_k, null_v = layer.null_kv.expand(n, layer.heads, 1, 2, -1).unbind(3)
    k = F.normalize(torch.cat((null_k, k), dim=2), dim=-1) * layer.k_scale
    q = F.normalize(q, dim=-1) * layer.q_scale
    weights = (8 * q @ k.transpose(-2, -1)).softmax(dim=-1)
    out = layer.to_out[0]((weights @ torch.cat((null_v, v), dim=2)).transpose(1, 2).flatten(2))
    return F.layer_norm(out, out.shape[-1:], layer.to_out[1].g, None, 1e-5)


def test_gated_cross_attention_equals_softmax_and_its_gradients() -> None:
    torch.manual_seed(0)
    layers = nn.ModuleList(CrossAttention(6, 8, 2, 4) for _ in range(3)).double()
    for value in layers.parameters():
        nn.init.normal_(value)
    h = torch.randn(3, 5, 8, dtype=torch.float64)
    x = torch.randn(3, 5, 6, dtype=torch.float64, requires_grad=True)
    tokens = torch.randn(3, 3, 16, dtype=torch.float64, requires_grad=True)
    got = inject(h, x, tokens_of(list(layers), tokens[:, None]))
    want = h + sum(plain_cross_attention(x, layer, token) for layer, token in zip(layers, tokens, strict=True))
    torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-6)  # the plain one's eps inside the first norm
    variables = [x, tokens, *layers.parameters()]
    pull = torch.randn_like(got)
    for one, two in zip(
        torch.autograd.grad(got, variables, pull), torch.autograd.grad(want, variables, pull), strict=True
    ):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)


def dense(q: Tensor, k: Tensor, v: Tensor, reach: int, bias: Tensor) -> Tensor:
    frame = torch.arange(q.shape[2])
    logits = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5 + bias
    logits = logits.masked_fill((frame - frame[:, None]).abs() > reach, -torch.inf)
    return logits.softmax(dim=-1) @ v


@pytest.mark.parametrize(("frames", "window"), [(150, 16), (150, 17), (150, 0), (97, 32), (96, 32), (9, 4), (1, 4)])
def test_banded_attention_is_the_masked_one(frames: int, window: int) -> None:
    torch.manual_seed(frames)
    q, k, v = torch.randn(3, 2, 4, frames, 8, requires_grad=True)
    bias = RelativePositionBias(4)
    frame = torch.arange(frames)
    want = dense(q, k, v, window // 2, bias(frame - frame[:, None]))
    got = attend(q, k, v, Band(frames, window, bias))
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)
    table = bias.relative_attention_bias.weight
    one, two = (torch.autograd.grad(out.square().sum(), table)[0] for out in (got, want))
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(attend(q, k, v, Band(frames, window, bias)), want, rtol=1e-5, atol=1e-6)


def test_attention_ignores_frames_that_are_not_valid() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 100, 8)
    valid = torch.arange(100) < torch.tensor([[100], [70]])
    for window in (None, 100):
        got = attend(q, k, v, Band(100, window), valid)
        alone = attend(q[1:, :, :70], k[1:, :, :70], v[1:, :, :70], Band(70, window))
        torch.testing.assert_close(got[1:, :, :70], alone, rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------------------------------------- laws
def test_rotation_is_a_matter_of_distance_and_leaves_other_channels() -> None:
    torch.manual_seed(0)
    q, k = torch.randn(2, 1, 12)
    freqs = rotary_frequencies(8)

    def logit(i: int, j: int) -> Tensor:
        return (rotate(q, freqs, torch.tensor([i])) * rotate(k, freqs, torch.tensor([j]))).sum()

    torch.testing.assert_close(logit(3, 10), logit(103, 110), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(logit(3, 10), logit(3, 11))
    x = torch.randn(2, 7, 12)
    turned = rotate(x, freqs)
    assert torch.equal(turned[..., 8:], x[..., 8:])
    torch.testing.assert_close(turned[:, 0], x[:, 0])
    angle = 5 * freqs[1]
    want = x[:, 5, 2] * angle.cos() - x[:, 5, 3] * angle.sin()
    torch.testing.assert_close(turned[:, 5, 2], want)
    torch.testing.assert_close(rotate(x.double(), freqs).float(), turned)


@pytest.mark.parametrize("buckets", [32, 128])
def test_buckets_are_exact_near_and_saturate_far(buckets: int) -> None:
    half, exact = buckets // 2, buckets // 4
    distance = torch.arange(-300, 301)
    bucket = relative_bucket(distance, buckets, buckets)
    positive, negative = bucket[distance > 0], bucket[distance <= 0].flip(0)
    assert torch.equal(positive, negative[1:] + half)
    assert torch.equal(negative[:exact], torch.arange(exact))
    assert bool((negative.diff() >= 0).all()) and int(negative.max()) == half - 1
    assert int(negative[buckets]) == half - 1 and int(negative[buckets // 2]) < half - 1


def test_window_of_twice_the_frames_sees_all() -> None:
    net, given = tiny(), tiny_inputs()
    t = torch.tensor([3, 4])
    full = predict(net, t=t, **given)
    assert torch.equal(predict(net, t=t, window=10, **given), full)
    assert not torch.allclose(predict(net, t=t, window=2, **given), full)


def test_batch_size_does_not_change_a_sample() -> None:
    net, given = tiny(), tiny_inputs(batch=3)
    t = torch.tensor([3, 400, 999])
    together = predict(net, t=t, **given)
    for i in range(3):
        alone = predict(net, t=t[i : i + 1], **{name: value[i : i + 1] for name, value in given.items()})
        torch.testing.assert_close(alone, together[i : i + 1], rtol=1e-4, atol=1e-5)


def test_every_condition_and_input_matters() -> None:
    net, given = tiny(), tiny_inputs()
    t = torch.tensor([3, 4])
    base = predict(net, t=t, **given)
    for name in given:
        changed = given | {name: given[name] + 0.5 * torch.randn_like(given[name])}
        assert not torch.allclose(predict(net, t=t, **changed), base, atol=1e-4), name
    assert not torch.allclose(predict(net, t=t + 300, **given), base, atol=1e-4)


def test_levels_choose_where_attention_exists() -> None:
    net = tiny(temporal_levels=(1,), spatial_levels=(), relative_bias=False, condition_activation="none")
    keys = set(net.state_dict())
    temporal = {key.rsplit(".fn.fn.fn", 1)[0] for key in keys if "rotary_emb" in key}
    assert temporal == {"downs.1.3", "ups.0.3", "mid_temporal_attn"}
    assert not any(key.startswith(("downs.0.2", "downs.1.2", "ups.0.2", "time_rel_pos_bias")) for key in keys)
    given = tiny_inputs()
    output = predict(net, t=torch.tensor([3, 4]), **given)
    assert output.shape == given["x"].shape and bool(output.isfinite().all())


def test_gradients_reach_every_weight_but_the_unused_ones() -> None:
    net = tiny()
    predict(net, t=torch.tensor([3, 4]), **tiny_inputs()).square().mean().backward()
    idle = {name for name, value in net.named_parameters() if not value.requires_grad}
    assert idle and all(name.startswith(("final_conv.0.cross_attn", "occlusion_map.0.cross_attn")) for name in idle)
    reached = {name for name, value in net.named_parameters() if value.grad is not None and bool(value.grad.any())}
    assert reached == {name for name, value in net.named_parameters() if value.requires_grad}


def test_wrong_input_is_named() -> None:
    net, given = tiny(), tiny_inputs()
    t = torch.tensor([3, 4])
    with pytest.raises(InputError, match="expected 12 channels"):
        predict(net, t=t, **given | {"static": given["static"][:, :7]})
    with pytest.raises(InputError, match="does not halve"):
        predict(net, t=t, **given | {"x": given["x"][..., :3]})
    with pytest.raises(InputError, match="motion of 2 clips of 4 frames; the conditions are of 2 clips of 5"):
        predict(net, t=t, **given | {"x": given["x"][:, :, :4]})
    with pytest.raises(InputError, match=r"pose: .* 2 clips of 5 frames"):
        predict(net, t=t, **given | {"pose": given["pose"][:, :4]})
    with pytest.raises(InputError, match="window"):
        predict(net, t=t, window=-2, **given)
    assert net.init_conv.weight.shape[1] == DATA_CHANNELS + given["static"].shape[1]
