"""Tiny networks with random weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from dawn.config import Config, UnetModel, parse
from dawn.generation.networks import Networks
from dawn.models.build import build_denoiser, build_flow_generator
from dawn.models.diffusion import GaussianDiffusion
from dawn.models.pose_blink import build_pbnet

TINY = UnetModel(
    dim=16, multipliers=(1, 2), heads=2, head_dim=8, cross_heads=2, cross_head_dim=4, groups=4, mask_channels=(2, 4)
)


def shaken(net: nn.Module, seed: int = 0) -> nn.Module:
    """Weights of no special value: fresh gains are 1 and fresh offsets 0, which would hide mistakes."""
    make = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in net.parameters():
            value.add_(torch.randn(value.shape, generator=make), alpha=0.1 * float(value.std(correction=0)) + 0.02)
    return net.eval().requires_grad_(False)


def config(**generate: Any) -> Config:
    return parse(
        {
            "corpus": {"resolution": 64},
            "lfg": {
                "model": {
                    "expansion": 4,
                    "bottleneck_blocks": 1,
                    "region_predictor": {"expansion": 4, "max_features": 8, "blocks": 2},
                    "background_predictor": {"expansion": 4, "max_features": 8, "blocks": 2},
                    "flow_predictor": {"expansion": 4, "max_features": 8, "blocks": 2},
                }
            },
            "a2v": {
                "model": TINY.model_dump(),
                "diffusion": {"objective": "clean", "flow": "residual", "flow_range": 0.3},
            },
            "pbnet": {"model": {"latent": 8, "audio_latent": 8, "heads": 2, "head_dim": 8, "rope_dim": 4}},
            "generate": {"steps": 6, "window": 20, "device": "cpu"} | generate,
        }
    )


def networks(**generate: Any) -> Networks:
    made = config(**generate)
    torch.manual_seed(0)
    unet, mask = build_denoiser(made)
    poses = build_pbnet(made)
    lfg = build_flow_generator(made)
    for net in (unet, mask, lfg, *poses.values()):
        shaken(net)
    return Networks(made, lfg, unet, mask, poses, GaussianDiffusion(made.a2v.diffusion), {}, torch.device("cpu"))
