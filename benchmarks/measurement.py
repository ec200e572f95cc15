"""One measurement in one process: ``python -m benchmarks.measurement '{"task": ...}'`` prints JSON.

Networks have the published 128-pixel sizes and random weights: time and memory do not depend on their values.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.clock import timed
from benchmarks.training import stage_step, step
from dawn.config import Diffusion, LfgModel, UnetModel, load, parse
from dawn.devices import device_name, peak_memory, pick
from dawn.generation import motion as sampling
from dawn.generation.captured import Captures
from dawn.generation.driving import Source, start_video
from dawn.generation.networks import Networks
from dawn.models.build import build_denoiser
from dawn.models.diffusion import GaussianDiffusion
from dawn.models.lfg import LatentFlowGenerator
from dawn.models.pose_blink import build_pbnet
from dawn.models.unet3d import UNet3D
from dawn.precision import Products, dtype_of, lowered, precise_products, resolve
from tests.reference.plain import PlainUNet3D, decode_plainly

SPEECH, LATENT, MASK, SIDE, WINDOW = 1024, 256, 16, 128, 80  # published
QUARTER = SIDE // 4
CONFIG = "config/released128.yaml"  # configuration of whole videos: the published one
LARGE = {"cpu": 2048, "mps": 2048, "cuda": 8192}  # rows of a large matrix product
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
    device = pick(settings.pop("device"))
    with torch.inference_mode(), precise_products(settings.get("precision", "exact")):
        print(json.dumps(TASKS[settings.pop("task")](device=device, **settings)))


def denoise(
    path: Path, frames: int, device: torch.device, out: str | None = None, precision: Products = "exact"
) -> dict[str, float]:
    """Measure one denoiser pass; its output is written to the file `out`.

    On a GPU it is a later pass of a video: the engine's is replayed from a graph where generation does that.
    """
    passes = _passes(path, device, precision)
    passes(WARM_UP)()
    run = passes(frames)
    if device.type == "cuda":
        run(), run()
    seconds, cpu, output = timed(run, device)
    if out is not None:
        np.save(out, output.float().cpu().numpy())
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mib": _peak(device)}


def decode(
    path: Path, frames: int, device: torch.device, batch: int = 1, precision: Products = "exact"
) -> dict[str, float]:
    """Measure the decoding of motions, in batches with the source encoded once, or by the plain reference."""
    lfg = LatentFlowGenerator(LfgModel()).eval().to(device)
    generator = torch.Generator().manual_seed(0)
    source = torch.rand(1, 3, SIDE, SIDE, generator=generator).to(device)
    flow = (torch.rand(frames, QUARTER, QUARTER, 2, generator=generator) * 2 - 1).to(device)
    occlusion = torch.rand(frames, 1, QUARTER, QUARTER, generator=generator).to(device)

    def run(count: int) -> None:
        if path == "plain":
            for i in range(count):
                decode_plainly(lfg, source, flow[i : i + 1], occlusion[i : i + 1])
            return
        features = lfg.encode(source)
        for start in range(0, count, batch):
            part = slice(start, min(start + batch, count))
            with lowered(device, dtype_of(precision)):
                lfg.decode(source, features, flow[part], occlusion[part])

    run(WARM_UP if device.type == "cpu" else frames)
    seconds, cpu, _ = timed(lambda: run(frames), device)
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mib": _peak(device)}


def video(
    frames: int, steps: int, solver: Literal["ddim", "dpm++"], precision: Products, device: torch.device
) -> dict[str, float]:
    """Measure a whole video, from speech features to frames: pose and blink, sampling, decoding.

    On a GPU it is the second video of a process.
    """
    nets = _networks(device, precision, {"steps": steps, "solver": solver})
    generator = np.random.default_rng(0)
    source = Source(
        image=generator.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8),
        pose=np.zeros(6, np.float32),
        blink=np.full(2, 0.3, np.float32),
        face_box=np.asarray([0.25, 0.25, 0.75, 0.75], np.float32) * SIDE,
    )
    speech = generator.standard_normal((frames, SPEECH)).astype(np.float32)

    def run() -> None:
        start = start_video(nets, source, speech, seed=0)
        for _ in sampling.decode(nets, [source], sampling.sample_motion(nets, [start])):
            pass

    if device.type == "cuda":
        run()
    seconds, cpu, _ = timed(run, device)
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mib": _peak(device)}


def where(frames: int, device: torch.device, precision: Products = "exact") -> dict[str, Any]:
    """Measure seconds and operations of a pass by part, and the machine's rate for a large matrix product.

    On a GPU the seconds are those of its kernels, which a pass launches one by one here, and ``kernels`` is their
    number.
    """
    on_gpu = device.type == "cuda"
    run = _passes("engine", device, precision, captured=False)(frames)
    run()
    with FlopCounterMode(display=False) as counter:
        run()
    flops = {name: 0 for name in PARTS}
    for op, count in counter.get_flop_counts()["Global"].items():
        named = next((part for key, part in FLOP_PARTS.items() if key in str(op)), "matrix products")
        flops[named] += count
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as profiler:
        total, _, _ = timed(run, device)
    events = profiler.key_averages()
    spent = {event.key: (event.device_time_total if on_gpu else event.cpu_time_total) / 1e6 for event in events}
    kernels = [event for event in events if event.device_type != DeviceType.CPU]
    seconds = {part: sum(spent.get(name, 0.0) for name in names) for part, names in PARTS.items()}
    busy = sum(event.self_device_time_total for event in kernels) / 1e6 if on_gpu else total
    seconds["everything else"] = busy - sum(seconds.values())
    if on_gpu:
        seconds["waiting for launches"] = max(0.0, total - busy)
    square = torch.randn(LARGE[device.type], LARGE[device.type], device=device)
    rates = {}
    for name in dict.fromkeys(("exact", resolve("bfloat16", device, auto="exact"))):
        factor = square.to(dtype_of(name))
        (factor @ factor).sum()
        rates[name] = max(2 * len(factor) ** 3 / timed(lambda: factor @ factor, device)[0] for _ in range(5))  # noqa: B023
    return {
        "seconds": seconds,
        "flops": flops,
        "kernels": sum(event.count for event in kernels),
        "product_rates": rates,
    }


def solver(frames: int, steps: list[int], device: torch.device) -> dict[str, list[float]]:
    """Measure the error of few steps: deterministic sample of each solver against that of 200 steps of the same solver.

    The difference between solvers would measure thresholding instead: with random weights it is always active, and
    DDIM, as published, combines thresholded clean data with the noise predicted before thresholding.
    """
    net = UNet3D(UnetModel(), SPEECH, LATENT).eval().to(device)
    diffusion = GaussianDiffusion(Diffusion()).to(device)
    noise, conditions = _inputs(frames, device)
    cache = net.prepare(**conditions, window=WINDOW)

    def sample(count: int, kind: Literal["ddim", "dpm++"]) -> Tensor:
        return diffusion.sample(lambda x, t: net(x, t, cache), steps=count, eta=0, solver=kind, noises=[noise])

    kinds: tuple[Literal["ddim", "dpm++"], ...] = ("ddim", "dpm++")
    limits = {kind: sample(200, kind) for kind in kinds}
    return {kind: [_error(sample(n, kind), limits[kind]) for n in steps] for kind in kinds}


def train(path: Path, demo: str, steps: int, everywhere: bool, device: torch.device) -> dict[str, float]:
    """Measure a training step; see :func:`benchmarks.training.step`."""
    with torch.inference_mode(False):
        return {"seconds": step(path, demo, steps, everywhere, device), "peak_mib": _peak(device)}


def stage(
    name: str, config: str, precision: Products, steps: int, device: torch.device, compiled: bool = False
) -> dict[str, Any]:
    """Measure a training step of a stage; see :func:`benchmarks.training.stage_step`."""
    with torch.inference_mode(False):
        seconds, frames = stage_step(name, config, dtype_of(precision), steps, device, compiled)
        model = device_name(device)
        return {"seconds": seconds, "frames": frames, "peak_mib": _peak(device), "device": model}


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "pass": denoise,
    "decode": decode,
    "video": video,
    "where": where,
    "solver": solver,
    "train": train,
    "stage": stage,
}


def _passes(
    path: Path, device: torch.device, precision: Products = "exact", captured: bool = True
) -> Callable[[int], Callable[[], Tensor]]:
    """Return a function from a number of frames to a pass of one of the two implementations, which have equal
    weights.

    The engine's is `captured` where generation captures it.
    """
    torch.manual_seed(0)
    engine = UNet3D(UnetModel(), SPEECH, LATENT).eval().requires_grad_(False)
    t = torch.tensor([500], device=device)
    if path == "engine":
        engine.to(device).lower(dtype_of(precision))

        def engine_pass(frames: int) -> Callable[[], Tensor]:
            noise, conditions = _inputs(frames, device)
            cache = engine.prepare(**conditions, window=WINDOW)
            if not captured:
                return partial(engine, noise, t, cache)
            network = Captures().network(
                None, tuple(noise.shape), lambda caches: lambda x, t: engine(x, t, *caches), [cache]
            )
            return partial(network, noise, t)

        return engine_pass
    with torch.device("meta"):
        plain = PlainUNet3D(UnetModel(), SPEECH, LATENT).eval().requires_grad_(False)
    plain.load_state_dict(engine.state_dict(), assign=True)
    plain.to(device)

    def plain_pass(frames: int) -> Callable[[], Tensor]:
        noise, conditions = _inputs(frames, device)

        def run() -> Tensor:
            with lowered(device, dtype_of(precision)):
                return plain(noise, t, window=WINDOW, **conditions)

        return run

    return plain_pass


def _inputs(frames: int, device: torch.device) -> tuple[Tensor, dict[str, Any]]:
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "static": (1, LATENT + MASK, QUARTER, QUARTER),
        "speech": (1, frames, SPEECH),
        "pose": (1, frames, 6),
        "eye": (1, frames, 2),
    }
    conditions = {name: torch.randn(shape, generator=generator).to(device) for name, shape in shapes.items()}
    return torch.randn(1, 3, frames, QUARTER, QUARTER, generator=generator).to(device), conditions


def _networks(device: torch.device, precision: Products, generate: dict[str, Any]) -> Networks:
    """Build networks of the published sizes with random weights."""
    tree = load(CONFIG).model_dump()
    config = parse(tree | {"generate": tree["generate"] | generate})
    torch.manual_seed(0)
    unet, mask = build_denoiser(config)
    networks = Networks(
        config=config,
        lfg=LatentFlowGenerator(config.lfg.model),
        unet=unet,
        mask=mask,
        pbnet=build_pbnet(config),
        diffusion=GaussianDiffusion(config.a2v.diffusion),
        hashes={},
        device=device,
    )
    for module in (networks.lfg, unet, mask, *networks.pbnet.values(), networks.diffusion):
        module.eval().requires_grad_(False).to(device)
    return networks.lower(precision)


def _peak(device: torch.device) -> float:
    """Return the peak memory of this process, or its part of a GPU's, in MiB."""
    return peak_memory(device) / 2**20


def _error(sample: Tensor, reference: Tensor) -> float:
    """Compute the root mean square of the difference, relative to the standard deviation of the reference."""
    return float((sample - reference).square().mean().sqrt() / reference.std())


if __name__ == "__main__":
    main()
