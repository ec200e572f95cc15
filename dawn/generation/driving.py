"""Source of a video and its driving signals: speech, head pose and blink (paper 3.4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dawn.generation.networks import Networks
from dawn.generation.sequences import ping_pong
from dawn.models.pbnet import latent_noise
from dawn.models.pose_blink import MOTION_PARTS, denormalise, normalise
from dawn.seeds import torch_generator


@dataclass(frozen=True)
class Source:
    """Portrait with its measured head pose, blink and face box."""

    image: NDArray[np.uint8]  # (S, S, 3) RGB
    pose: NDArray[np.float32]  # (6,) yaw, pitch, roll in degrees, scale, tx, ty
    blink: NDArray[np.float32]  # (2,) eye aspect ratio, left and right
    face_box: NDArray[np.float32]  # (4,) x0, y0, x1, y1, pixels


@dataclass(frozen=True)
class Driving:
    """Driving signals of n frames."""

    speech: NDArray[np.float32]  # (n, c) features
    pose: NDArray[np.float32]  # (n, 6)
    blink: NDArray[np.float32]  # (n, 2)

    def __len__(self) -> int:
        return len(self.speech)

    def frames(self, which: slice) -> Driving:
        """Return the signals of the frames `which`."""
        return Driving(self.speech[which], self.pose[which], self.blink[which])


@dataclass(frozen=True)
class VideoStart:
    """What a video is generated from."""

    source: Source
    driving: Driving
    generator: torch.Generator  # of all noise


def start_video(
    nets: Networks,
    source: Source,
    speech: NDArray[np.float32],
    seed: int,
    pose_blink: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> VideoStart:
    """Compute the driving signals for `speech` (n, c).

    Pose (n, 6) and blink (n, 2) are `pose_blink` where given, else sampled by PBNet with the same generator. Every
    video starts here: equal inputs and an equal seed give equal motion, in the test set as in ``dawn generate``.
    """
    generator = torch_generator(seed)
    pose, blink = sample_pose_blink(nets, source, speech, generator) if pose_blink is None else pose_blink
    return VideoStart(source, Driving(speech, pose, blink), generator)


@torch.inference_mode()
def sample_pose_blink(
    nets: Networks, source: Source, speech: NDArray[np.float32], generator: torch.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sample pose (n, 6) and blink (n, 2) for speech features (n, c), as offsets from the source's (paper eq. 9).

    Frame 0 has the source's own state, so that the video starts at the portrait.
    Without PBNet both are constant at the source's values: A2V is then trained without pose and blink and generates
    head and eye motion itself (paper 4.5).
    """
    config = nets.config
    if not config.a2v.pose_blink:
        return np.tile(source.pose, (len(speech), 1)), np.tile(source.blink, (len(speech), 1))
    start = normalise(torch.from_numpy(source.pose), torch.from_numpy(source.blink), config).to(nets.device)
    audio = torch.from_numpy(speech)[None].to(nets.device)
    motion = start.expand(len(speech), 8).clone()
    with nets.precise():
        for name, net in nets.pbnet.items():
            z = latent_noise(len(speech), config.pbnet.model, generator)[:, None].to(nets.device)  # z ~ N(0, I)
            part = MOTION_PARTS[name]
            motion[:, part] += net.offsets(z, audio, start[None, part], window=config.generate.pbnet_window)[0]
    pose, blink = denormalise(motion.cpu(), config)
    return pose.numpy(), blink.clamp(min=0).numpy()


def transfer_pose_blink(
    pose: NDArray[np.float32], blink: NDArray[np.float32], source: Source, frames: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Transfer a driving video's pose (m, 6) and blink (m, 2) to the source: (frames, 6) and (frames, 2) (paper A.4.1).

    Angles are copied. Scale, translation and eye opening differ between people and framings: their change since the
    driving video's first frame is added to the source's values. A driving video shorter than `frames` is played back
    and forth.
    """
    pose = pose.copy()
    pose[:, 3:] += source.pose[3:] - pose[0, 3:]
    blink = blink + (source.blink - blink[0])
    order = ping_pong(len(pose), frames)
    return pose[order], np.maximum(blink[order], 0)
