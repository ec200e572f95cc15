"""One measurement a process: ``python -m benchmarks.dawn.work '{"task": ...}'`` prints JSON.

Networks have the published 128-pixel sizes and random weights: cost does not depend on their values.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.dawn.training import step
from dawn.config import Diffusion, Generate, LfgModel, UnetModel
from dawn.models.diffusion import GaussianDiffusion, data_to_motion
from dawn.models.lfg import LatentFlowGenerator
from dawn.models.unet3d import UNet3D
from tests.reference.plain import PlainUNet3D, decode_plainly

SPEECH, LATENT, MASK, SIDE, WINDOW = 1024, 256, 16, 128, 80  # published
QUARTER = SIDE // 4
WARM = 2  # frames of the pass that prepares libraries before one is measured
# Operations by what they are for; each name counts with everything that it calls.
PARTS = {
    "convolutions": ("aten::conv2d", "aten::conv_transpose2d"),
    "matrix products": ("aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm"),
    "attention over frames": ("aten::scaled_dot_product_attention",),
}
FLOP_PARTS = {"convolution": "convolutions", "attention": "attention over frames"}
Path = Literal["engine", "plain"]


def main() -> None:
    """Do what the first argument asks for and print what was found."""
    asked = json.loads(sys.argv[1])
    torch.set_num_threads(asked.pop("threads"))
    with torch.inference_mode():
        print(json.dumps(TASKS[asked.pop("task")](**asked)))


def denoise(
    path: Path, frames: int, out: str | None = None, precision: str = "float32", compiled: bool = False
) -> dict[str, float]:
    """One denoiser pass; the output goes to the file `out`."""
    passes = _passes(path, compiled)
    _in(precision, passes(frames if compiled else WARM))
    run = passes(frames)
    seconds, cpu, output = _timed(lambda: _in(precision, run))
    if out is not None:
        np.save(out, output.float().numpy())
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mib": _peak()}


def decode(path: Path, frames: int, batch: int = 1, precision: str = "float32") -> dict[str, float]:
    """Frames from motions, in batches from the source encoded once, or plainly."""
    lfg = LatentFlowGenerator(LfgModel()).eval()
    make = torch.Generator().manual_seed(0)
    source = torch.rand(1, 3, SIDE, SIDE, generator=make)
    flow = torch.rand(frames, QUARTER, QUARTER, 2, generator=make) * 2 - 1
    occlusion = torch.rand(frames, 1, QUARTER, QUARTER, generator=make)

    def run(count: int) -> None:
        if path == "plain":
            for i in range(count):
                decode_plainly(lfg, source, flow[i : i + 1], occlusion[i : i + 1])
            return
        features = lfg.encode(source)
        for start in range(0, count, batch):
            part = slice(start, min(start + batch, count))
            _in(precision, partial(lfg.decode, source, features, flow[part], occlusion[part]))

    run(WARM)
    seconds, cpu, _ = _timed(lambda: run(frames))
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mib": _peak()}


def video(frames: int, steps: int, solver: Literal["ddim", "dpm++"], precision: str) -> dict[str, float]:
    """A whole video, from conditions to frames: preparing, sampling, decoding."""
    net, lfg = UNet3D(UnetModel(), SPEECH, LATENT).eval(), LatentFlowGenerator(LfgModel()).eval()
    settings = Diffusion()
    diffusion = GaussianDiffusion(settings)
    noise, given = _given(frames)
    batch = Generate().batch_frames

    def run() -> None:
        told = net.prepare(**given, window=WINDOW)
        data = diffusion.sample(
            lambda x, t: _in(precision, partial(net, x, t, told)).float(),
            noise.shape,
            steps=steps,
            solver=solver,
            generator=torch.Generator().manual_seed(0),
        )
        flow, occlusion = data_to_motion(data, settings)
        source = torch.rand(1, 3, SIDE, SIDE)
        features = lfg.encode(source)
        for start in range(0, frames, batch):
            part = slice(start, start + batch)
            _in(precision, partial(lfg.decode, source, features, flow[0, part], occlusion[0, part]))

    seconds, cpu, _ = _timed(run)
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mib": _peak()}


def where(frames: int) -> dict[str, Any]:
    """Seconds and operations of a pass by part, and the machine's rate for a large matrix product."""
    run = _passes("engine")(frames)
    run()
    with FlopCounterMode(display=False) as counter:
        run()
    flops = {name: 0 for name in PARTS}
    for op, count in counter.get_flop_counts()["Global"].items():
        named = next((part for key, part in FLOP_PARTS.items() if key in str(op)), "matrix products")
        flops[named] += count
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        total, _, _ = _timed(run)
    spent = {event.key: event.cpu_time_total / 1e6 for event in profiler.key_averages()}
    seconds = {part: sum(spent.get(name, 0.0) for name in names) for part, names in PARTS.items()}
    seconds["everything else"] = total - sum(seconds.values())
    square = torch.randn(2048, 2048)
    rate = max(2 * 2048**3 / _timed(lambda: square @ square)[0] for _ in range(5))
    halved = square.bfloat16()
    lower = max(2 * 2048**3 / _timed(lambda: halved @ halved)[0] for _ in range(5))
    return {"seconds": seconds, "flops": flops, "product_rate": rate, "product_rate_bfloat16": lower}


def solver(frames: int, steps: list[int]) -> dict[str, list[float]]:
    """Error of few steps: the noise-free path of each solver against its own of 200 steps.

    Against each other they would show what thresholding does: it is at work all the time where weights are random, and
    DDIM, as published, pairs thresholded clean data with the noise of what was there before.
    """
    net = UNet3D(UnetModel(), SPEECH, LATENT).eval()
    diffusion = GaussianDiffusion(Diffusion())
    noise, given = _given(frames)
    told = net.prepare(**given, window=WINDOW)

    def sample(count: int, kind: Literal["ddim", "dpm++"]) -> Tensor:
        return diffusion.sample(
            lambda x, t: net(x, t, told), noise.shape, steps=count, eta=0, solver=kind, noises=[noise]
        )

    kinds: tuple[Literal["ddim", "dpm++"], ...] = ("ddim", "dpm++")
    limits = {kind: sample(200, kind) for kind in kinds}
    return {kind: [_error(sample(n, kind), limits[kind]) for n in steps] for kind in kinds}


def train(path: Path, demo: str, steps: int, everywhere: bool) -> dict[str, float]:
    """A training step; see :func:`benchmarks.dawn.training.step`."""
    with torch.inference_mode(False):
        return {"seconds": step(path, demo, steps, everywhere), "peak_mib": _peak()}


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "pass": denoise,
    "decode": decode,
    "video": video,
    "where": where,
    "solver": solver,
    "train": train,
}


def _passes(path: Path, compiled: bool = False) -> Callable[[int], Callable[[], Tensor]]:
    """From frames to a pass of one of the two paths, both with the same weights."""
    torch.manual_seed(0)
    engine = UNet3D(UnetModel(), SPEECH, LATENT).eval().requires_grad_(False)
    t = torch.tensor([500])
    if path == "engine":

        def engine_pass(frames: int) -> Callable[[], Tensor]:
            noise, given = _given(frames)
            return partial(engine, noise, t, engine.prepare(**given, window=WINDOW, compiled=compiled))

        return engine_pass
    with torch.device("meta"):
        plain = PlainUNet3D(UnetModel(), SPEECH, LATENT).eval().requires_grad_(False)
    plain.load_state_dict(engine.state_dict(), assign=True)

    def plain_pass(frames: int) -> Callable[[], Tensor]:
        noise, given = _given(frames)
        return partial(plain, noise, t, window=WINDOW, **given)

    return plain_pass


def _given(frames: int) -> tuple[Tensor, dict[str, Any]]:
    make = torch.Generator().manual_seed(0)
    shapes = {
        "static": (1, LATENT + MASK, QUARTER, QUARTER),
        "speech": (1, frames, SPEECH),
        "pose": (1, frames, 6),
        "eye": (1, frames, 2),
    }
    given = {name: torch.randn(shape, generator=make) for name, shape in shapes.items()}
    return torch.randn(1, 3, frames, QUARTER, QUARTER, generator=make), given


def _in(precision: str, run: Callable[[], Tensor]) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        return run()


def _timed(run: Callable[[], Any]) -> tuple[float, float, Any]:
    clock, cpu = time.perf_counter(), time.process_time()
    made = run()
    return time.perf_counter() - clock, time.process_time() - cpu, made


def _peak() -> float:
    """Most memory that this process has held, MiB."""
    return mebibytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def mebibytes(maxrss: int) -> float:
    """A peak of memory in the units of this operating system, in MiB."""
    return maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _error(got: Tensor, want: Tensor) -> float:
    return float((got - want).square().mean().sqrt() / want.std())


if __name__ == "__main__":
    main()
