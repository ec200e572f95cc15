"""Sampling of motion from driving signals by the diffusion model (paper 3.6), and decoding of frames (paper eq. 4).

b videos of equal length are computed together: each is the same, up to rounding, as alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dawn.generation.driving import Driving, Source, VideoStart
from dawn.generation.memory import plan
from dawn.generation.networks import Networks
from dawn.generation.noise import draw, drawn_ahead
from dawn.models.build import latent_side
from dawn.models.compiled import compiled, padded_frames
from dawn.models.diffusion import Network, data_to_motion, noises_of
from dawn.models.unet3d import ConditionCache
from dawn.precision import dtype_of, lowered
from dawn.schedules import guidance_passes


@dataclass(frozen=True)
class Motion:
    """Flow and occlusion of n frames of b videos, relative to their sources."""

    flow: Tensor  # (b, n, h, w, 2) absolute sampling grid in [-1, 1]
    occlusion: Tensor  # (b, n, 1, h, w) in [0, 1]


@dataclass(frozen=True)
class DenoiserConditions:
    """Per-frame conditions of the denoiser (speech, pose and blink offsets) and its activation-memory budget."""

    static: Tensor  # (b, c, h, w) latent code z of the source and its embedded face mask
    speech: Tensor  # (b, n, c)
    pose: Tensor  # (b, n, 6) difference to the source's, in units of a2v.pose_unit
    eye: Tensor  # (b, n, 2) difference to the source's, in units of a2v.blink_unit
    activations: int  # elements of activations that the denoiser computes at once

    def frames(self, which: slice) -> DenoiserConditions:
        """Return the conditions of the frames `which`."""
        return replace(self, speech=self.speech[:, which], pose=self.pose[:, which], eye=self.eye[:, which])


@dataclass(frozen=True)
class KnownFrames:
    """Frames whose motion is known before sampling, for replacement conditioning.

    `noisy`: at the denoiser's input they have the noise level of the step, like the other frames; otherwise no noise.
    """

    frames: slice
    data: Tensor  # (b, 3, k, h, w) clean
    noisy: bool


@torch.inference_mode()
def sample_motion(nets: Networks, videos: Sequence[VideoStart], *, progress: bool = False) -> Motion:
    """Sample the motion of all n frames of `videos`, which have equal lengths, in one pass (paper 3.6 and eq. 6).

    `progress` shows a bar over the sampling steps.
    """
    sources, drivings = [video.source for video in videos], [video.driving for video in videos]
    conditions = prepare_conditions(nets, sources, drivings, frames_at_once=len(drivings[0]))
    return as_motion(nets, denoise(nets, conditions, [video.generator for video in videos], progress=progress))


@torch.inference_mode()
def prepare_conditions(
    nets: Networks, sources: Sequence[Source], drivings: Sequence[Driving], *, frames_at_once: int
) -> DenoiserConditions:
    """Compute the conditions of all frames of videos with these sources and driving signals.

    `frames_at_once` is the largest number of frames of a video that the denoiser receives in a pass; it determines the
    memory budget.
    """
    config = nets.config
    images = _images(sources).to(nets.device)
    boxes = torch.from_numpy(np.stack([source.face_box for source in sources])).to(nets.device)
    with nets.precise():
        static = torch.cat([nets.lfg.encode(images)[-1], nets.face_mask(boxes)], dim=1)
    pairs = list(zip(sources, drivings, strict=True))
    pose = torch.from_numpy(np.stack([driving.pose - source.pose for source, driving in pairs]))
    eye = torch.from_numpy(np.stack([driving.blink - source.blink for source, driving in pairs]))
    return DenoiserConditions(
        static=static,
        speech=torch.from_numpy(np.stack([driving.speech for driving in drivings])).to(nets.device),
        pose=(pose / torch.tensor(config.a2v.pose_unit)).to(nets.device),
        eye=(eye / config.a2v.blink_unit).to(nets.device),
        activations=plan(config, nets.unet, frames_at_once * len(sources), nets.device).activations,
    )


@torch.inference_mode()
def denoise(
    nets: Networks,
    conditions: DenoiserConditions,
    generators: Sequence[torch.Generator],
    *,
    known: KnownFrames | None = None,
    progress: bool = False,
) -> Tensor:
    """Sample clean motion data x_0 (b, 3, n, h, w) for n frames of `conditions`; `known` frames keep their motion.

    Video i has its noise from generator i.
    """
    settings = nets.config.generate
    side = latent_side(nets.config)
    videos, frames = conditions.speech.shape[:2]
    shape = (videos, 3, frames, side, side)
    padded = videos * padded_frames(frames)
    compiles = settings.compile and nets.unet.is_one_chunk(padded, side, conditions.activations)
    padding = padded_frames(frames) - frames if compiles else 0
    run = compiled(nets.unet) if compiles else nets.unet

    passes = guidance_passes(settings)

    def prepare(of_speech: float, of_motion: float) -> ConditionCache:
        scaled = (of_speech * conditions.speech, of_motion * conditions.pose, of_motion * conditions.eye)
        speech, pose, eye = (F.pad(values, (0, 0, 0, padding)) for values in scaled)
        return nets.unet.prepare(
            conditions.static,
            speech=speech,
            pose=pose,
            eye=eye,
            window=settings.window,
            activations=conditions.activations,
            padding=padding,
        )

    def build(caches: Sequence[ConditionCache]) -> Network:
        def network(x: Tensor, t: Tensor) -> Tensor:
            """Compute the output with classifier-free guidance, the weighted sum of the outputs of its passes."""
            if padding:  # without any, F.pad would copy
                x = F.pad(x, (0, 0, 0, 0, 0, padding))
            x = x.contiguous()  # compiled code is that of one layout; solvers may return another
            outputs = [run(x, t, cache)[:, :, :frames] for cache in caches]
            if len(outputs) == 1:
                return outputs[0]
            return torch.stack([weight * out for (weight, _, _), out in zip(passes, outputs, strict=True)]).sum(0)

        return network

    # Drawing takes a CPU as long as a pass takes a GPU. Noisy known frames draw from the generators between the steps.
    ahead = nets.device.type == "cuda" and not (known is not None and known.noisy)
    count = noises_of(settings.steps, settings.eta, settings.solver)
    between = (draw(generators, shape) for _ in range(count))
    drawing = drawn_ahead(generators, shape, count) if ahead else contextlib.nullcontext(between)
    with drawing as noises, nets.precise():
        caches = [prepare(of_speech, of_motion) for _, of_speech, of_motion in passes]
        if settings.max_memory:  # a captured network keeps its memory
            network = build(caches)
        else:
            network = nets.captures.network((id(nets.unet), settings.window, passes), shape, build, caches)
        data = nets.diffusion.sample(
            network if known is None else _with_known_frames(network, nets, known, generators),
            steps=settings.steps,
            eta=settings.eta,
            solver=settings.solver,
            noises=noises,
            progress=progress,
        )
    if known is not None:
        data[:, :, known.frames] = known.data  # dynamic thresholding may have changed them
    return data


def as_motion(nets: Networks, data: Tensor) -> Motion:
    """Convert clean data (b, 3, n, h, w) to flow and occlusion."""
    return Motion(*data_to_motion(data, nets.config.a2v.diffusion))


def _with_known_frames(
    network: Network, nets: Networks, known: KnownFrames, generators: Sequence[torch.Generator]
) -> Network:
    """Wrap `network` with replacement conditioning: known frames are part of its input and exact in its output.

    Known frames x_0 replace those of x_t at the network's input, clean or diffused to step t (paper eq. 1). In the
    output they are replaced by the target that makes the sampler's estimate of x_0 exact, so that its dynamic threshold
    is computed from clean data.
    """
    diffusion = nets.diffusion

    def conditioned(x: Tensor, t: Tensor) -> Tensor:
        visible = known.data
        if known.noisy:
            noise = draw(generators, visible.shape).to(visible.device)
            visible = diffusion.q_sample(visible, t, noise)  # sqrt(a_t) x_0 + sqrt(1 - a_t) eps
        replaced = x.clone()
        replaced[:, :, known.frames] = visible
        output = network(replaced, t)
        # The noise in x_t if x_0 is known: (x_t - sqrt(a_t) x_0) / sqrt(1 - a_t)
        tables = diffusion.sqrt_alphas_cumprod, diffusion.sqrt_one_minus_alphas_cumprod
        signal, spread = (table[t].view(-1, 1, 1, 1, 1) for table in tables)
        implied = (x[:, :, known.frames] - signal * known.data) / spread
        output[:, :, known.frames] = diffusion.target(known.data, t, implied)
        return output

    return conditioned


@torch.inference_mode()
def decode(nets: Networks, sources: Sequence[Source], motion: Motion) -> Iterator[NDArray[np.uint8]]:
    """Decode the videos' frames in their order, (b, S, S, 3) uint8 RGB, in batches (paper eq. 4).

    Sources are encoded once. A GPU decodes a batch while the consumer, such as a video encoder, works on the one
    before.
    """
    images = _images(sources).to(nets.device)
    videos, frames = motion.flow.shape[:2]
    batch = max(1, plan(nets.config, nets.unet, videos * frames, nets.device).batch // videos)
    with nets.precise():
        features = nets.lfg.encode(images)
    decoded: tuple[Tensor, torch.cuda.Event] | None = None
    for start in range(0, frames, batch):
        part = slice(start, start + batch)
        flow, occlusion = motion.flow[:, part].flatten(0, 1), motion.occlusion[:, part].flatten(0, 1)
        repeats = len(flow) // videos if videos > 1 else 1  # one source serves all its frames as it is
        image, *maps = (values.repeat_interleave(repeats, 0) for values in (images, *features))
        with nets.precise(), lowered(nets.device, dtype_of(nets.products)):
            pictures = nets.lfg.decode(image, maps, flow, occlusion)
        quantised = (pictures.float().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1)
        quantised = quantised.unflatten(0, (videos, -1)).transpose(0, 1).contiguous()
        if nets.device.type != "cuda":
            yield from quantised.cpu().numpy()
            continue
        host = torch.empty(quantised.shape, dtype=quantised.dtype, pin_memory=True)
        host.copy_(quantised, non_blocking=True)
        before, decoded = decoded, (host, torch.cuda.current_stream(nets.device).record_event())
        yield from _finished(before)
    yield from _finished(decoded)


def _finished(decoded: tuple[Tensor, torch.cuda.Event] | None) -> Iterator[NDArray[np.uint8]]:
    """Wait for a batch of frames on its way from the GPU, and yield its frames."""
    if decoded is not None:
        frames, copied = decoded
        copied.synchronize()
        yield from frames.numpy()


def _images(sources: Sequence[Source]) -> Tensor:
    return torch.from_numpy(np.stack([source.image for source in sources])).permute(0, 3, 1, 2).float() / 255
