"""Tiny networks with random weights, and inputs for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dawn.config import Config, Hourglass, LfgModel, UnetModel, parse
from dawn.features.versions import extractor_version
from dawn.generation.driving import Driving, Source
from dawn.generation.networks import Networks
from dawn.models.build import build_denoiser, build_flow_generator
from dawn.models.diffusion import GaussianDiffusion
from dawn.models.lfg import LatentFlowGenerator
from dawn.models.pose_blink import build_pbnet
from dawn.models.weights_io import save_weights
from dawn.stages import TTR_STAGES

TINY = UnetModel(
    dim=16, multipliers=(1, 2), heads=2, head_dim=8, cross_heads=2, cross_head_dim=4, groups=4, mask_channels=(2, 4)
)
TINY_LFG = LfgModel(
    expansion=4,
    bottleneck_blocks=1,
    regions=10,
    region_predictor=Hourglass(expansion=4, max_features=16, blocks=2, scale=0.5),
    background_predictor=Hourglass(expansion=4, max_features=16, blocks=3, scale=1),
    flow_predictor=Hourglass(expansion=4, max_features=16, blocks=2),
)


def shaken(net: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights everywhere: initial gains of 1 and offsets of 0 would hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in net.parameters():
            noise = torch.randn(value.shape, generator=generator)
            value.add_(noise, alpha=0.1 * float(value.std(correction=0)) + 0.02)
    return net.eval().requires_grad_(False)


def config(**generate: Any) -> Config:
    """The configuration of tiny networks at 64 pixels, with these keys in its section ``generate``."""
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
                "stage1": {"steps": 1, "drop_speech": 0.1},
                "stage2": {"steps": 1, "drop_speech": 0.1, "frames_min": 30, "frames_max": 40},
            },
            "pbnet": {
                # Motion of order 1, like the conditions of trained networks: larger ones amplify rounding.
                "pose_min": [-1] * 6,
                "pose_max": [1] * 6,
                "model": {"latent": 8, "audio_latent": 8, "heads": 2, "head_dim": 8, "rope_dim": 4},
            },
            "generate": {"steps": 6, "window": 20, "device": "cpu", "threads": 1} | generate,
        }
    )


def networks(*, with_ttr: bool = False, **generate: Any) -> Networks:
    """Tiny networks, with those for two temporal resolutions if `with_ttr`."""
    settings = config(**generate)
    torch.manual_seed(0)
    unet, mask = build_denoiser(settings)
    pbnet = build_pbnet(settings)
    lfg = build_flow_generator(settings)
    for net in (unet, mask, lfg, *pbnet.values()):
        shaken(net)
    diffusion = GaussianDiffusion(settings.a2v.diffusion)
    nets = Networks(settings, lfg, unet, mask, pbnet, diffusion, {}, torch.device("cpu"))
    if not with_ttr:
        return nets
    denoisers = {stage: build_denoiser(settings) for stage in TTR_STAGES}
    for seed, module in enumerate(module for pair in denoisers.values() for module in pair):
        shaken(module, seed)
    return replace(nets, ttr=denoisers)


def write_run(folder: Path, config: Config) -> Path:
    """Write a run folder whose networks have random weights; returns `folder`."""
    torch.manual_seed(0)
    unet, mask = build_denoiser(config)
    stages = {"lfg": {"lfg": build_flow_generator(config)}, "a2v_stage2": {"unet": unet, "mask": mask}}
    for stage, nets in {**stages, "pbnet": build_pbnet(config)}.items():
        state = {name: net.state_dict() for name, net in nets.items()}
        metadata = {
            "stage": stage,
            "steps": "0",
            "config": config.dump(),
            "extractor": extractor_version(config.features),
        }
        save_weights(folder / stage / "weights.safetensors", state, metadata)
    return folder


def source() -> Source:
    """A source of 64 pixels, for the configuration of :func:`config`."""
    return Source(
        image=np.tile(np.linspace(20, 230, 64, dtype=np.uint8)[:, None, None], (1, 64, 3)),
        pose=np.zeros(6, np.float32),
        blink=np.full(2, 0.3, np.float32),
        face_box=np.array([10, 10, 50, 50], np.float32),
    )


def driving(frames: int, seed: int = 0) -> Driving:
    """Random driving signals for the configuration of :func:`config`."""
    rng = np.random.default_rng(seed)
    return Driving(
        speech=rng.standard_normal((frames, config().features.speech.dim)).astype(np.float32),
        pose=rng.normal(0, 0.1, (frames, 6)).astype(np.float32),
        blink=rng.uniform(0, 0.4, (frames, 2)).astype(np.float32),
    )


def tiny_lfg(seed: int = 0) -> LatentFlowGenerator:
    torch.manual_seed(seed)
    return LatentFlowGenerator(TINY_LFG)


def smooth_images(seed: int, n: int, side: int = 32) -> Tensor:
    """Smooth random images."""
    coarse = torch.rand(n, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)
