"""Construction of a configuration's PBNets with random weights, and conversion of motion to and from their units.

The networks are those of paper 3.4.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dawn.config import Config
from dawn.models.pbnet import PBNet

# Channels of the motion vector (..., 8) that each PBNet models: pose (6), then blink (2).
MOTION_PARTS = {"motion": slice(0, 8), "pose": slice(0, 6), "eye": slice(6, 8)}


def build_pbnet(config: Config) -> dict[str, PBNet]:
    """Build the pose and blink networks (paper 3.4), keyed as in their weights file."""
    settings = config.pbnet
    return {
        name: PBNet(settings.model, part_width(name), config.features.speech.dim) for name in part_names(settings.joint)
    }


def part_names(joint: bool) -> tuple[str, ...]:
    """Return the names of the PBNets: one for pose and blink together (paper), or one each (published code)."""
    return ("motion",) if joint else ("pose", "eye")


def part_width(name: str) -> int:
    """Return the number of motion channels of the PBNet `name`."""
    return MOTION_PARTS[name].stop - MOTION_PARTS[name].start


def normalise(pose: Tensor, blink: Tensor, config: Config) -> Tensor:
    """Convert pose (..., 6) and blink (..., 2) to the motion vector (..., 8) of PBNet, values about 0 to 1."""
    low = pose.new_tensor(config.pbnet.pose_min)
    high = pose.new_tensor(config.pbnet.pose_max)
    return torch.cat([(pose - low) / (high - low), blink / config.pbnet.blink_max], dim=-1)


def denormalise(motion: Tensor, config: Config) -> tuple[Tensor, Tensor]:
    """Invert :func:`normalise`: motion (..., 8) to pose (..., 6) and blink (..., 2)."""
    low = motion.new_tensor(config.pbnet.pose_min)
    high = motion.new_tensor(config.pbnet.pose_max)
    return motion[..., :6] * (high - low) + low, motion[..., 6:] * config.pbnet.blink_max
