"""Non-autoregressive generation: the motion of all frames in one sampling pass (paper 3.6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dawn.generation.memory import plan
from dawn.generation.networks import Networks
from dawn.models.diffusion import from_data
from dawn.models.pbnet import latent_noise
from dawn.models.unet3d import Prepared
from dawn.training.pbnet import PARTS, denormalise, normalise


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
        part = PARTS[name]
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
    config = nets.config
    settings = config.generate
    work = plan(config, nets.unet, len(speech), nets.device)
    image = _image(source).to(nets.device)
    box = torch.from_numpy(source.face_box).to(nets.device)
    static = torch.cat([nets.lfg.encode(image)[-1], nets.face_mask(box)], dim=1)
    told_speech = torch.from_numpy(speech)[None].to(nets.device)
    told_pose = (torch.from_numpy(pose - source.pose)[None] / torch.tensor(config.a2v.pose_unit)).to(nets.device)
    told_eye = (torch.from_numpy(blink - source.blink)[None] / config.a2v.blink_unit).to(nets.device)

    def prepare(share: float) -> Prepared:
        return nets.unet.prepare(
            static,
            speech=share * told_speech,
            pose=share * told_pose,
            eye=share * told_eye,
            window=settings.window,
            working=work.working,
            compiled=settings.compile,
        )

    told = prepare(1)
    untold = prepare(0) if settings.guidance != 1 else None

    def network(x: Tensor, t: Tensor) -> Tensor:
        with nets.autocast():
            output = nets.unet(x, t, told).float()
            if untold is None:
                return output
            null = nets.unet(x, t, untold).float()
        return null + settings.guidance * (output - null)

    side = config.latent_side
    data = nets.diffusion.sample(
        network,
        (1, 3, len(speech), side, side),
        steps=settings.steps,
        eta=settings.eta,
        solver=settings.solver,
        generator=generator,
        progress=progress,
    )
    flow, occlusion = from_data(data, config.a2v.diffusion)
    return Motion(flow[0], occlusion[0], pose, blink)


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
