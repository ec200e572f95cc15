"""Sampling of motion from driving signals by the diffusion model (paper 3.6), and decoding of frames (paper eq. 4)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dawn.generation.driving import Driving, Source
from dawn.generation.memory import plan
from dawn.generation.networks import Networks
from dawn.generation.noise import drawn_ahead
from dawn.models.build import latent_side
from dawn.models.compiled import compiled, padded_frames
from dawn.models.diffusion import Network, data_to_motion, noises_of
from dawn.models.unet3d import ConditionCache
from dawn.precision import dtype_of, lowered


@dataclass(frozen=True)
class Motion:
    """Flow and occlusion of n frames relative to the source."""

    flow: Tensor  # (n, h, w, 2) absolute sampling grid in [-1, 1]
    occlusion: Tensor  # (n, 1, h, w) in [0, 1]


@dataclass(frozen=True)
class DenoiserConditions:
    """Per-frame conditions of the denoiser (speech, pose and blink offsets) and its activation-memory budget."""

    static: Tensor  # (1, c, h, w) latent code z of the source and its embedded face mask
    speech: Tensor  # (1, n, c)
    pose: Tensor  # (1, n, 6) difference to the source's, in units of a2v.pose_unit
    eye: Tensor  # (1, n, 2) difference to the source's, in units of a2v.blink_unit
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
    data: Tensor  # (1, 3, k, h, w) clean
    noisy: bool


@torch.inference_mode()
def sample_motion(
    nets: Networks, source: Source, driving: Driving, generator: torch.Generator, *, progress: bool = False
) -> Motion:
    """Sample the motion of all n frames of `driving` in one pass (paper 3.6 and eq. 6).

    `progress` shows a bar over the sampling steps.
    """
    conditions = prepare_conditions(nets, source, driving, frames_at_once=len(driving))
    return as_motion(nets, denoise(nets, conditions, generator, progress=progress))


@torch.inference_mode()
def prepare_conditions(nets: Networks, source: Source, driving: Driving, *, frames_at_once: int) -> DenoiserConditions:
    """Compute the conditions of all frames of `driving`.

    `frames_at_once` is the largest number of frames that the denoiser receives in a pass; it determines the memory
    budget.
    """
    config = nets.config
    image = _image(source).to(nets.device)
    box = torch.from_numpy(source.face_box).to(nets.device)
    with nets.precise():
        static = torch.cat([nets.lfg.encode(image)[-1], nets.face_mask(box)], dim=1)
    return DenoiserConditions(
        static=static,
        speech=torch.from_numpy(driving.speech)[None].to(nets.device),
        pose=(torch.from_numpy(driving.pose - source.pose)[None] / torch.tensor(config.a2v.pose_unit)).to(nets.device),
        eye=(torch.from_numpy(driving.blink - source.blink)[None] / config.a2v.blink_unit).to(nets.device),
        activations=plan(config, nets.unet, frames_at_once, nets.device).activations,
    )


@torch.inference_mode()
def denoise(
    nets: Networks,
    conditions: DenoiserConditions,
    generator: torch.Generator,
    *,
    known: KnownFrames | None = None,
    progress: bool = False,
) -> Tensor:
    """Sample clean motion data x_0 (1, 3, n, h, w) for n frames of `conditions`; `known` frames keep their motion."""
    settings = nets.config.generate
    side = latent_side(nets.config)
    frames = conditions.speech.shape[1]
    shape = (1, 3, frames, side, side)
    compiles = settings.compile and nets.unet.is_one_chunk(padded_frames(frames), side, conditions.activations)
    padding = padded_frames(frames) - frames if compiles else 0
    run = compiled(nets.unet) if compiles else nets.unet

    def prepare(scale: float) -> ConditionCache:
        of_frames = (conditions.speech, conditions.pose, conditions.eye)
        speech, pose, eye = (F.pad(scale * values, (0, 0, 0, padding)) for values in of_frames)
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
            """Compute the output with classifier-free guidance w: eps(x_t) + w (eps(x_t, c) - eps(x_t))."""
            if padding:  # without any, F.pad would copy
                x = F.pad(x, (0, 0, 0, 0, 0, padding))
            x = x.contiguous()  # compiled code is that of one layout; solvers may return another
            outputs = [run(x, t, cache)[:, :, :frames] for cache in caches]
            if len(outputs) == 1:
                return outputs[0]
            output, null = outputs
            return null + settings.guidance * (output - null)

        return network

    # Drawing takes a CPU as long as a pass takes a GPU. Noisy known frames draw from the generator between the steps.
    ahead = nets.device.type == "cuda" and not (known is not None and known.noisy)
    count = noises_of(settings.steps, settings.eta, settings.solver)
    drawing = drawn_ahead(generator, shape, count) if ahead else contextlib.nullcontext(None)
    with drawing as noises, nets.precise():
        caches = [prepare(scale) for scale in ((1, 0) if settings.guidance != 1 else (1,))]
        if settings.max_memory:  # a captured network keeps its memory
            network = build(caches)
        else:
            network = nets.captures.network((id(nets.unet), settings.window, settings.guidance), shape, build, caches)
        data = nets.diffusion.sample(
            network if known is None else _with_known_frames(network, nets, known, generator),
            shape,
            steps=settings.steps,
            eta=settings.eta,
            solver=settings.solver,
            generator=None if ahead else generator,
            noises=noises,
            progress=progress,
        )
    if known is not None:
        data[:, :, known.frames] = known.data  # dynamic thresholding may have changed them
    return data


def as_motion(nets: Networks, data: Tensor) -> Motion:
    """Convert clean data (1, 3, n, h, w) to flow and occlusion."""
    flow, occlusion = data_to_motion(data, nets.config.a2v.diffusion)
    return Motion(flow[0], occlusion[0])


def _with_known_frames(network: Network, nets: Networks, known: KnownFrames, generator: torch.Generator) -> Network:
    """Wrap `network` with replacement conditioning: known frames are part of its input and exact in its output.

    Known frames x_0 replace those of x_t at the network's input, clean or diffused to step t (paper eq. 1). In the
    output they are replaced by the target that makes the sampler's estimate of x_0 exact, so that its dynamic threshold
    is computed from clean data.
    """
    diffusion = nets.diffusion

    def conditioned(x: Tensor, t: Tensor) -> Tensor:
        visible = known.data
        if known.noisy:
            noise = torch.randn(visible.shape, generator=generator, device=generator.device).to(visible.device)
            visible = diffusion.q_sample(visible, t, noise)  # sqrt(a_t) x_0 + sqrt(1 - a_t) eps
        replaced = x.clone()
        replaced[:, :, known.frames] = visible
        output = network(replaced, t)
        # The noise in x_t if x_0 is known: (x_t - sqrt(a_t) x_0) / sqrt(1 - a_t)
        signal, spread = diffusion.sqrt_alphas_cumprod[t], diffusion.sqrt_one_minus_alphas_cumprod[t]
        implied = (x[:, :, known.frames] - signal * known.data) / spread
        output[:, :, known.frames] = diffusion.target(known.data, t, implied)
        return output

    return conditioned


@torch.inference_mode()
def decode(nets: Networks, source: Source, motion: Motion) -> Iterator[NDArray[np.uint8]]:
    """Decode frames (S, S, 3) uint8 RGB in batches; the source is encoded once (paper eq. 4).

    A GPU decodes a batch while the consumer, such as a video encoder, works on the one before.
    """
    image = _image(source).to(nets.device)
    batch = plan(nets.config, nets.unet, len(motion.flow), nets.device).batch
    with nets.precise():
        features = nets.lfg.encode(image)
    decoded: tuple[Tensor, torch.cuda.Event] | None = None
    for start in range(0, len(motion.flow), batch):
        part = slice(start, start + batch)
        with nets.precise(), lowered(nets.device, dtype_of(nets.products)):
            frames = nets.lfg.decode(image, features, motion.flow[part], motion.occlusion[part])
        quantised = (frames.float().clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous()
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


def _image(source: Source) -> Tensor:
    return torch.from_numpy(source.image.copy()).permute(2, 0, 1)[None].float() / 255
