"""Non-autoregressive generation: the motion of all frames in one sampling pass (paper 3.6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dawn.generation.memory import plan
from dawn.generation.networks import Networks
from dawn.models.build import MOTION_PARTS, denormalise, normalise
from dawn.models.diffusion import Network, from_data
from dawn.models.pbnet import latent_noise
from dawn.models.unet3d import Prepared


@dataclass(frozen=True)
class Source:
    """A portrait and its state."""

    image: NDArray[np.uint8]  # (S, S, 3) RGB
    pose: NDArray[np.float32]  # (6,)
    blink: NDArray[np.float32]  # (2,)
    face_box: NDArray[np.float32]  # (4,) pixels


@dataclass(frozen=True)
class Motion:
    """Motion of all frames, and the pose and blink that commanded it."""

    flow: Tensor  # (n, h, w, 2) absolute sampling grid in [-1, 1]
    occlusion: Tensor  # (n, 1, h, w) in [0, 1]
    pose: NDArray[np.float32]  # (n, 6)
    blink: NDArray[np.float32]  # (n, 2)


@dataclass(frozen=True)
class Told:
    """What the denoiser is told of each frame, and how much it may make at once."""

    static: Tensor  # (1, c, h, w) latent code of the source and its embedded face mask
    speech: Tensor  # (1, n, c)
    pose: Tensor  # (1, n, 6) difference to the source's, in units of a2v.pose_unit
    eye: Tensor  # (1, n, 2) difference to the source's, in units of a2v.blink_unit
    working: int

    def frames(self, which: slice) -> Told:
        """Those of a stretch of frames."""
        return replace(self, speech=self.speech[:, which], pose=self.pose[:, which], eye=self.eye[:, which])


@dataclass(frozen=True)
class Held:
    """Frames of a stretch whose motion is known. `noisy`: shown with the noise of the step, as the others are."""

    frames: slice
    data: Tensor  # (1, 3, k, h, w)
    noisy: bool


@torch.inference_mode()
def sample_pose_blink(
    nets: Networks, source: Source, speech: NDArray[np.float32], generator: torch.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pose (n, 6) and blink (n, 2) for speech features (n, c), starting from the source's own (paper eq. 9).

    Without PBNet the source's own, held: A2V, which was never told any, moves head and eyes by itself (paper 4.5).
    """
    config = nets.config
    if not config.a2v.pose_blink:
        return np.tile(source.pose, (len(speech), 1)), np.tile(source.blink, (len(speech), 1))
    start = normalise(torch.from_numpy(source.pose), torch.from_numpy(source.blink), config).to(nets.device)
    audio = torch.from_numpy(speech)[None].to(nets.device)
    motion = start.expand(len(speech), 8).clone()
    for name, net in nets.pbnet.items():
        z = latent_noise(len(speech), config.pbnet.model, generator)[:, None].to(nets.device)
        part = MOTION_PARTS[name]
        motion[:, part] += net.decode(z, audio, start[None, part], window=config.generate.pbnet_window)[0]
    pose, blink = denormalise(motion.cpu(), config)
    return pose.numpy(), blink.clamp(min=0).numpy()


@torch.inference_mode()
def sample_motion(
    nets: Networks,
    source: Source,
    speech: NDArray[np.float32],
    pose: NDArray[np.float32],
    blink: NDArray[np.float32],
    generator: torch.Generator,
    progress: bool = False,
) -> Motion:
    """Motion of all frames at once from speech (n, c), pose (n, 6) and blink (n, 2) (paper eq. 6)."""
    told = tell(nets, source, speech, pose, blink, stretch=len(speech))
    return as_motion(nets, denoise(nets, told, generator, progress=progress), pose, blink)


@torch.inference_mode()
def tell(
    nets: Networks,
    source: Source,
    speech: NDArray[np.float32],
    pose: NDArray[np.float32],
    blink: NDArray[np.float32],
    *,
    stretch: int,
) -> Told:
    """The conditions of n frames, for a denoiser that is given at most `stretch` of them at once."""
    config = nets.config
    image = _image(source).to(nets.device)
    box = torch.from_numpy(source.face_box).to(nets.device)
    return Told(
        static=torch.cat([nets.lfg.encode(image)[-1], nets.face_mask(box)], dim=1),
        speech=torch.from_numpy(speech)[None].to(nets.device),
        pose=(torch.from_numpy(pose - source.pose)[None] / torch.tensor(config.a2v.pose_unit)).to(nets.device),
        eye=(torch.from_numpy(blink - source.blink)[None] / config.a2v.blink_unit).to(nets.device),
        working=plan(config, nets.unet, stretch, nets.device).working,
    )


@torch.inference_mode()
def denoise(
    nets: Networks, told: Told, generator: torch.Generator, *, held: Held | None = None, progress: bool = False
) -> Tensor:
    """Clean motion data (1, 3, n, h, w) of the frames that `told` describes; held frames come out as they are known."""
    settings = nets.config.generate

    def prepare(share: float) -> Prepared:
        return nets.unet.prepare(
            told.static,
            speech=share * told.speech,
            pose=share * told.pose,
            eye=share * told.eye,
            window=settings.window,
            working=told.working,
            compiled=settings.compile,
        )

    fully = prepare(1)
    untold = prepare(0) if settings.guidance != 1 else None

    def network(x: Tensor, t: Tensor) -> Tensor:
        with nets.autocast():
            output = nets.unet(x, t, fully).float()
            if untold is None:
                return output
            null = nets.unet(x, t, untold).float()
        return null + settings.guidance * (output - null)

    side = nets.config.latent_side
    data = nets.diffusion.sample(
        network if held is None else _holding(network, nets, held, generator),
        (1, 3, told.speech.shape[1], side, side),
        steps=settings.steps,
        eta=settings.eta,
        solver=settings.solver,
        generator=generator,
        progress=progress,
    )
    if held is not None:
        data[:, :, held.frames] = held.data  # thresholding may have moved them
    return data


def as_motion(nets: Networks, data: Tensor, pose: NDArray[np.float32], blink: NDArray[np.float32]) -> Motion:
    """What the decoder takes, of clean data (1, 3, n, h, w)."""
    flow, occlusion = from_data(data, nets.config.a2v.diffusion)
    return Motion(flow[0], occlusion[0], pose, blink)


def _holding(network: Network, nets: Networks, held: Held, generator: torch.Generator) -> Network:
    """`network`, shown what is known of the held frames and returning what stands for it.

    Known frames are shown clean, or noisy as the diffusion makes them at this step (paper eq. 1). The sampler then
    takes them for estimated exactly, so that its dynamic threshold sees clean data.
    """
    diffusion = nets.diffusion

    def shown(x: Tensor, t: Tensor) -> Tensor:
        view, known = x.clone(), held.data
        if held.noisy:
            noise = torch.randn(known.shape, generator=generator, device=generator.device).to(known.device)
            known = diffusion.q_sample(known, t, noise)
        view[:, :, held.frames] = known
        output = network(view, t)
        signal, spread = diffusion.sqrt_alphas_cumprod[t], diffusion.sqrt_one_minus_alphas_cumprod[t]
        implied = (x[:, :, held.frames] - signal * held.data) / spread
        output[:, :, held.frames] = diffusion.target(held.data, t, implied)
        return output

    return shown


@torch.inference_mode()
def decode(nets: Networks, source: Source, motion: Motion) -> Iterator[NDArray[np.uint8]]:
    """Frames (S, S, 3) RGB, decoded in batches from the source encoded once (paper eq. 4)."""
    image = _image(source).to(nets.device)
    batch = plan(nets.config, nets.unet, len(motion.flow), nets.device).batch
    features = nets.lfg.encode(image)
    for start in range(0, len(motion.flow), batch):
        part = slice(start, start + batch)
        with nets.autocast():
            frames = nets.lfg.decode(image, features, motion.flow[part], motion.occlusion[part])
        quantised = (frames.float().clamp(0, 1) * 255).round().byte()
        yield from quantised.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def _image(source: Source) -> Tensor:
    return torch.from_numpy(source.image.copy()).permute(2, 0, 1)[None].float() / 255
