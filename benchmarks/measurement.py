"""One measurement in one process: ``python -m benchmarks.measurement '{"task": ...}'`` prints JSON.

Networks have the published 128-pixel sizes and random weights: time and memory do not depend on their values.
"""

from __future__ import annotations

import json
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

from benchmarks.training import step
from dawn.config import Diffusion, LfgModel, UnetModel
from dawn.devices import peak_memory
from dawn.generation.memory import CPU_BATCH
from dawn.models.diffusion import GaussianDiffusion, data_to_motion
from dawn.models.lfg import LatentFlowGenerator
from dawn.models.unet3d import UNet3D
from dawn.precision import Products, dtype_of, lowered
from tests.reference.plain import PlainUNet3D, decode_plainly

SPEECH, LATENT, MASK, SIDE, WINDOW = 1024, 256, 16, 128, 80  # published
QUARTER = SIDE // 4
WARM_UP = 2  # frames of the pass that initialises libraries before the measured one
# Operations by purpose; the time of each includes the operations that it calls.
PARTS = {
    "convolutions": ("aten::conv2d", "aten::conv_transpose2d"),
    "matrix products": ("aten::mm", "aten::bmm", "aten::addmm", "aten::baddbmm"),
    "attention over frames": ("aten::scaled_dot_product_attention",),
}
FLOP_PARTS = {"convolution": "convolutions", "attention": "attention over frames"}
Path = Literal["engine", "plain"]


def main() -> None:
    """Run the task of the first command-line argument and print its result."""
    settings = json.loads(sys.argv[1])
    torch.set_num_threads(settings.pop("threads"))
    with torch.inference_mode():
        print(json.dumps(TASKS[settings.pop("task")](**settings)))


def denoise(path: Path, frames: int, out: str | None = None, precision: Products = "exact") -> dict[str, float]:
    """Measure one denoiser pass; its output is written to the file `out`."""
    passes = _passes(path, precision)
    passes(WARM_UP)()
    run = passes(frames)
    seconds, cpu, output = _timed(run)
    if out is not None:
        np.save(out, output.float().numpy())
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mib": _peak()}


def decode(path: Path, frames: int, batch: int = 1, precision: Products = "exact") -> dict[str, float]:
    """Measure the decoding of motions, in batches with the source encoded once, or by the plain reference."""
    lfg = LatentFlowGenerator(LfgModel()).eval()
    generator = torch.Generator().manual_seed(0)
    source = torch.rand(1, 3, SIDE, SIDE, generator=generator)
    flow = torch.rand(frames, QUARTER, QUARTER, 2, generator=generator) * 2 - 1
    occlusion = torch.rand(frames, 1, QUARTER, QUARTER, generator=generator)

    def run(count: int) -> None:
        if path == "plain":
            for i in range(count):
                decode_plainly(lfg, source, flow[i : i + 1], occlusion[i : i + 1])
            return
        features = lfg.encode(source)
        for start in range(0, count, batch):
            part = slice(start, min(start + batch, count))
            with lowered("cpu", dtype_of(precision)):
                lfg.decode(source, features, flow[part], occlusion[part])

    run(WARM_UP)
    seconds, cpu, _ = _timed(lambda: run(frames))
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mib": _peak()}


def video(frames: int, steps: int, solver: Literal["ddim", "dpm++"], precision: Products) -> dict[str, float]:
    """Measure a whole video, from conditions to frames: condition cache, sampling, decoding."""
    net = UNet3D(UnetModel(), SPEECH, LATENT).eval().lower(dtype_of(precision))
    lfg = LatentFlowGenerator(LfgModel()).eval()
    settings = Diffusion()
    diffusion = GaussianDiffusion(settings)
    noise, conditions = _inputs(frames)

    def run() -> None:
        cache = net.prepare(**conditions, window=WINDOW)
        data = diffusion.sample(
            lambda x, t: net(x, t, cache),
            noise.shape,
            steps=steps,
            solver=solver,
            generator=torch.Generator().manual_seed(0),
        )
        flow, occlusion = data_to_motion(data, settings)
        source = torch.rand(1, 3, SIDE, SIDE)
        features = lfg.encode(source)
        for start in range(0, frames, CPU_BATCH):
            part = slice(start, start + CPU_BATCH)
            with lowered("cpu", dtype_of(precision)):
                lfg.decode(source, features, flow[0, part], occlusion[0, part])

    seconds, cpu, _ = _timed(run)
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mib": _peak()}


def where(frames: int) -> dict[str, Any]:
    """Measure seconds and operations of a pass by part, and the machine's rate for a large matrix product."""
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
    """Measure the error of few steps: deterministic sample of each solver against that of 200 steps of the same solver.

    The difference between solvers would measure thresholding instead: with random weights it is always active, and
    DDIM, as published, combines thresholded clean data with the noise predicted before thresholding.
    """
    net = UNet3D(UnetModel(), SPEECH, LATENT).eval()
    diffusion = GaussianDiffusion(Diffusion())
    noise, conditions = _inputs(frames)
    cache = net.prepare(**conditions, window=WINDOW)

    def sample(count: int, kind: Literal["ddim", "dpm++"]) -> Tensor:
        return diffusion.sample(
            lambda x, t: net(x, t, cache), noise.shape, steps=count, eta=0, solver=kind, noises=[noise]
        )

    kinds: tuple[Literal["ddim", "dpm++"], ...] = ("ddim", "dpm++")
    limits = {kind: sample(200, kind) for kind in kinds}
    return {kind: [_error(sample(n, kind), limits[kind]) for n in steps] for kind in kinds}


def train(path: Path, demo: str, steps: int, everywhere: bool) -> dict[str, float]:
    """Measure a training step; see :func:`benchmarks.training.step`."""
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


def _passes(path: Path, precision: Products = "exact") -> Callable[[int], Callable[[], Tensor]]:
    """Return a function from a number of frames to a pass of one of the two implementations, which have equal
    weights."""
    torch.manual_seed(0)
    engine = UNet3D(UnetModel(), SPEECH, LATENT).eval().requires_grad_(False)
    t = torch.tensor([500])
    if path == "engine":
        engine.lower(dtype_of(precision))

        def engine_pass(frames: int) -> Callable[[], Tensor]:
            noise, conditions = _inputs(frames)
            return partial(engine, noise, t, engine.prepare(**conditions, window=WINDOW))

        return engine_pass
    with torch.device("meta"):
        plain = PlainUNet3D(UnetModel(), SPEECH, LATENT).eval().requires_grad_(False)
    plain.load_state_dict(engine.state_dict(), assign=True)

    def plain_pass(frames: int) -> Callable[[], Tensor]:
        noise, conditions = _inputs(frames)
        return partial(plain, noise, t, window=WINDOW, **conditions)

    return plain_pass


def _inputs(frames: int) -> tuple[Tensor, dict[str, Any]]:
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "static": (1, LATENT + MASK, QUARTER, QUARTER),
        "speech": (1, frames, SPEECH),
        "pose": (1, frames, 6),
        "eye": (1, frames, 2),
    }
    conditions = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return torch.randn(1, 3, frames, QUARTER, QUARTER, generator=generator), conditions


def _timed(run: Callable[[], Any]) -> tuple[float, float, Any]:
    clock, cpu = time.perf_counter(), time.process_time()
    result = run()
    return time.perf_counter() - clock, time.process_time() - cpu, result


def _peak() -> float:
    """Return the peak memory of this process in MiB."""
    return peak_memory(torch.device("cpu")) / 2**20


def _error(sample: Tensor, reference: Tensor) -> float:
    """Compute the root mean square of the difference, relative to the standard deviation of the reference."""
    return float((sample - reference).square().mean().sqrt() / reference.std())


if __name__ == "__main__":
    main()
