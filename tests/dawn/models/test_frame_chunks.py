"""Chunked computation of the U-Net: equal to the plain reference for any chunk; bounds of inexact options."""

from __future__ import annotations

import copy
import gc
from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from dawn.config import UnetModel
from dawn.models.attention import LocalAttentionMask
from dawn.models.compiled import VARIANTS, padded_frames
from dawn.models.unet3d import UNet3D
from tests.reference.plain import PlainUNet3D
from tests.support.networks import TINY, shaken

ROUNDING = 1e-4  # largest difference, in units of the largest number


def difference(computed: Tensor, expected: Tensor) -> float:
    return float((computed - expected).abs().max() / expected.abs().max())


def random_inputs(frames: int, side: int, speech: int, static: int, batch: int = 1) -> tuple[Tensor, dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(frames)
    shapes = {
        "static": (batch, static, side, side),
        "speech": (batch, frames, speech),
        "pose": (batch, frames, 6),
        "eye": (batch, frames, 2),
    }
    conditions = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return torch.randn(batch, 3, frames, side, side, generator=generator), conditions


@cache
def both(model: UnetModel, speech: int, features: int) -> tuple[UNet3D, PlainUNet3D]:
    torch.manual_seed(0)
    net = shaken(UNet3D(model, speech, features))
    plain = PlainUNet3D(model, speech, features).eval().requires_grad_(False)
    plain.load_state_dict(net.state_dict())
    assert isinstance(net, UNet3D)
    return net, plain


@torch.inference_mode()
@pytest.mark.parametrize(("frames", "window"), [(7, None), (100, 20), (1, 20)])
@pytest.mark.parametrize("activations", [1, 2**20])
def test_network_equals_the_plain_reference(frames: int, window: int | None, activations: int) -> None:
    net, plain = both(TINY, 10, 8)
    x, video = random_inputs(frames, 4, 10, 12, batch=2)
    t = torch.tensor([3, 700])
    expected = plain(x, t, window=window, **video)
    computed = net(x, t, net.prepare(**video, window=window, activations=activations))
    assert difference(computed, expected) < ROUNDING


@torch.inference_mode()
def test_network_equals_the_plain_reference_at_the_published_size() -> None:
    net, plain = both(UnetModel(), 1024, 256)
    x, video = random_inputs(3, 32, 1024, 272)
    t = torch.tensor([904])
    expected = plain(x, t, window=2, **video)
    assert difference(net(x, t, net.prepare(**video, window=2)), expected) < ROUNDING


@settings(max_examples=20, deadline=None)
@given(frames=st.integers(1, 90), window=st.integers(0, 50), activations=st.integers(2000, 60000))
def test_chunks_of_any_size_give_equal_outputs(frames: int, window: int, activations: int) -> None:
    net, _ = both(TINY, 10, 8)
    x, video = random_inputs(frames, 4, 10, 12)
    t = torch.tensor([300])
    with torch.inference_mode():
        expected = net(x, t, net.prepare(**video, window=2 * window, activations=2**30))
        computed = net(x, t, net.prepare(**video, window=2 * window, activations=activations))
    assert difference(computed, expected) < ROUNDING


@torch.inference_mode()
def test_thread_count_changes_rounding_only() -> None:
    net, _ = both(TINY, 10, 8)
    x, video = random_inputs(30, 4, 10, 12)
    threads = torch.get_num_threads()
    outputs = []
    for count in (1, 2):
        torch.set_num_threads(count)
        outputs.append(net(x, torch.tensor([300]), net.prepare(**video, window=20)))
    torch.set_num_threads(threads)
    assert difference(outputs[1], outputs[0]) < ROUNDING


@torch.inference_mode()
@pytest.mark.parametrize("frames", [2, 40, 90])
def test_window_of_twice_the_frames_equals_full_attention(frames: int) -> None:
    net, _ = both(TINY, 10, 8)
    x, video = random_inputs(frames, 4, 10, 12)
    t = torch.tensor([300])
    full = net(x, t, net.prepare(**video, window=None))
    assert torch.equal(net(x, t, net.prepare(**video, window=2 * frames)), full)


@torch.inference_mode()
def test_statistics_of_maps_with_a_large_mean_are_exact() -> None:
    net = copy.deepcopy(both(TINY, 10, 8)[0])
    x, video = random_inputs(30, 4, 10, 12)
    net.downs[0][0].block1.proj.bias += 300  # subtracted by the group normalisation
    t = torch.tensor([300])
    expected = net(x, t, net.prepare(**video, activations=2**30))
    assert difference(net(x, t, net.prepare(**video, activations=1)), expected) < 2e-3  # 300 leaves 5 digits of float32


@torch.no_grad()
def test_resident_elements_are_the_largest_sum_of_live_maps() -> None:
    """Counted over all live tensors whenever a pass allocates a map of all frames."""
    frames = 100
    net, _ = both(TINY, 10, 8)
    x, video = random_inputs(frames, 4, 10, 12)
    prepared = net.prepare(**video, window=20, activations=1)
    most = 0

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal most
            out = func(*args, **(kwargs or {}))
            if func is torch.ops.aten.new_empty.default:
                maps = [y for y in gc.get_objects() if type(y) is Tensor and y.dim() == 5 and y.shape[1] == frames]
                storages = {y.untyped_storage().data_ptr(): y.untyped_storage().nbytes() // 4 for y in maps}
                most = max(most, sum(storages.values()))
            return out

    with Watch():
        net(x, torch.tensor([3]), prepared)
    assert most == net.resident_elements(frames, 4)


@torch.inference_mode()
def test_bfloat16_stays_near_float32() -> None:
    net, _ = both(TINY, 10, 8)
    lowered = copy.deepcopy(net).lower(torch.bfloat16)
    x, video = random_inputs(50, 4, 10, 12)
    t = torch.tensor([300])
    for activations in (2**20, 3000):
        expected = net(x, t, net.prepare(**video, window=20, activations=activations))
        computed = lowered(x, t, lowered.prepare(**video, window=20, activations=activations))
        assert computed.dtype == torch.float32
        assert 1e-5 < float((computed - expected).square().mean().sqrt() / expected.std()) < 0.05


@torch.inference_mode()
@pytest.mark.parametrize("window", [None, 20])
@pytest.mark.parametrize(("frames", "padding"), [(1, 7), (30, 2), (50, 46)])
def test_frames_of_padding_change_no_other_frame(frames: int, padding: int, window: int | None) -> None:
    net, _ = both(TINY, 10, 8)
    x, video = random_inputs(frames, 4, 10, 12, batch=2)
    t = torch.tensor([3, 700])
    expected = net(x, t, net.prepare(**video, window=window, activations=2**30))
    conditions = {name: F.pad(video[name], (0, 0, 0, padding), value=9.0) for name in ("speech", "pose", "eye")}
    padded = net.prepare(video["static"], **conditions, window=window, activations=2**30, padding=padding)
    computed = net(F.pad(x, (0, 0, 0, 0, 0, padding), value=9.0), t, padded)
    assert torch.isfinite(computed).all()
    assert difference(computed[:, :, :frames], expected) < ROUNDING


@torch.inference_mode()
def test_a_pass_is_compiled_whole_and_once_for_lengths_that_are_padded_alike() -> None:
    net, _ = both(TINY.model_copy(update={"multipliers": (1, 2)}), 10, 8)
    compilations = []

    def backend(graph: torch.fx.GraphModule, _: object) -> torch.fx.GraphModule:
        compilations.append(graph)
        return graph

    run = torch.compile(net.forward, fullgraph=True, dynamic=False, backend=backend)
    for frames in (9, 13, 20):
        x, video = random_inputs(frames, 4, 10, 12)
        padding = padded_frames(frames) - frames
        conditions = {name: F.pad(video[name], (0, 0, 0, padding)) for name in ("speech", "pose", "eye")}
        prepared = net.prepare(video["static"], **conditions, window=20, activations=2**30, padding=padding)
        padded, t = F.pad(x, (0, 0, 0, 0, 0, padding)), torch.tensor([300])
        assert difference(run(padded, t, prepared), net(padded, t, prepared)) < ROUNDING
    assert len(compilations) == 2  # of 16 and of 24 frames


class ConvolutionInputs(TorchDispatchMode):
    """Counts convolutions of several channels, and those of inputs with the channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.all = self.channels_last = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.convolution.default:
            self.all += 1
            self.channels_last += args[0].is_contiguous(memory_format=torch.channels_last)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("clips", [1, 2])
def test_maps_keep_their_channels_last(clips: int) -> None:
    """As a GPU's convolutions lay them out: a tensor of one clip has several valid strides, some of which they copy."""
    frames = 12
    with FakeTensorMode(), torch.device("cuda"), torch.no_grad():
        net = UNet3D(TINY, 8, 16)
        with ConvolutionInputs() as inputs:
            cache = net.prepare(
                torch.empty(clips, net.init_conv.weight.shape[1] - 3, 16, 16),
                speech=torch.empty(clips, frames, 8),
                pose=torch.empty(clips, frames, 6),
                eye=torch.empty(clips, frames, 2),
                activations=2**30,
            )
            net(torch.empty(clips, 3, frames, 16, 16), torch.empty(clips), cache)
    assert inputs.channels_last == inputs.all > 10


@given(frames=st.integers(1, 700), window=st.integers(0, 300))
@settings(deadline=None)
def test_masks_start_at_aligned_addresses(frames: int, window: int) -> None:
    """Kernels of GPUs read 16 bytes at once."""
    for dtype in (torch.float32, torch.bfloat16):
        for _, _, logits in LocalAttentionMask(frames, window, device=torch.device("meta"), dtype=dtype).blocks:
            assert logits is None or logits.storage_offset() * logits.itemsize % 16 == 0


def test_few_lengths_are_padded_to() -> None:
    lengths = [padded_frames(frames) for frames in range(1, 3001)]
    assert all(n <= length <= max(8, 1.125 * n) or n <= 64 for n, length in enumerate(lengths, 1))
    assert len(set(lengths)) < VARIANTS // 2
