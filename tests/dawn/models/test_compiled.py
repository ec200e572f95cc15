"""Compiled training steps: the numbers and gradients of the plain step, one compilation for several lengths."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from torch import Tensor, nn

from dawn.models.compiled import CompiledStep
from dawn.models.unet3d import UNet3D
from tests.support.networks import TINY, shaken

TINIER = TINY.model_copy(update={"multipliers": (1,), "dim": 8, "groups": 2})


def _network() -> UNet3D:
    net = shaken(UNet3D(TINIER, 10, 8))
    assert isinstance(net, UNet3D)
    return net.requires_grad_(True)


def _inputs(frames: int) -> tuple[tuple[Tensor, Tensor, Tensor], dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(frames)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, device="cpu")

    noisy = drawn(2, 3, frames, 4, 4), torch.tensor([3, 700]), drawn(2, 12, 4, 4)
    return noisy, {"speech": drawn(2, frames, 10), "pose": drawn(2, frames, 6), "eye": drawn(2, frames, 2)}


def _output_and_gradients(net: UNet3D, output: Tensor) -> list[Tensor]:
    trained = [value for value in net.parameters() if value.requires_grad]
    gradients = torch.autograd.grad(output.square().mean(), trained, allow_unused=True)
    return [output.detach(), *(gradient for gradient in gradients if gradient is not None)]


def test_a_step_is_compiled_once_for_lengths_that_are_padded_alike() -> None:
    from functorch.compile import make_boxed_func
    from torch._dynamo.backends.common import aot_autograd

    net = _network()
    compilations = []

    def compiler(graph: torch.fx.GraphModule, _: object) -> object:
        compilations.append(graph)
        return make_boxed_func(graph)

    step = CompiledStep(net, backend=aot_autograd(fw_compiler=compiler, bw_compiler=compiler))
    for frames in (5, 8):
        noisy, conditions = _inputs(frames)
        computed = _output_and_gradients(net, step(*noisy, **conditions))
        x, t, static = noisy
        expected = _output_and_gradients(net, net(x, t, net.prepare(static, **conditions)))
        assert len(computed) == len(expected) > 100
        for one, two in zip(computed, expected, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4 * float(two.abs().max()))
    assert len(compilations) == 2  # forward and backward pass of 8 frames


def test_a_step_of_another_device_than_a_cpu_compiles() -> None:
    """The meta device takes the branches of a GPU."""
    with torch.device("meta"):
        net = UNet3D(TINIER, 10, 8)
        step = CompiledStep(net, backend="aot_eager")
        (x, t, static), conditions = _inputs(5)
        output = step(
            x.to("meta"),
            t.to("meta"),
            static.to("meta"),
            **{name: value.to("meta") for name, value in conditions.items()},
        )
        output.sum().backward()
    assert step.compiles and output.shape == x.shape
    assert all(value.grad is not None for value in net.init_conv.parameters())


class Product(nn.Module):
    """Quick stand-in for a denoiser."""

    def prepare(self, static: Tensor, *, speech: Tensor, **_: object) -> Tensor:
        return speech.mean() + static.mean()

    def forward(self, x: Tensor, t: Tensor, video: Tensor) -> Tensor:
        return x * video


def test_a_step_that_does_not_compile_is_computed_without(capfd: pytest.CaptureFixture[str]) -> None:
    net = cast(UNet3D, Product())

    def no_compiler(graph: torch.fx.GraphModule, _: object) -> torch.fx.GraphModule:
        raise RuntimeError("no compiler here")

    step = CompiledStep(net, backend=no_compiler)
    (x, t, static), conditions = _inputs(5)
    expected = net(x, t, net.prepare(static, **conditions))
    for _ in range(2):
        torch.testing.assert_close(step(x, t, static, **conditions), expected)
    said = capfd.readouterr().err
    assert said.count("no compiler here") == 1 and "does not compile" in said
