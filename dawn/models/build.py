"""Build the networks of a configuration, the latent flow generator and the denoiser, with random weights."""

from __future__ import annotations

from dawn.config import Config
from dawn.models.facemask import FaceMaskEmbedder
from dawn.models.lfg import LatentFlowGenerator
from dawn.models.unet3d import UNet3D


def latent_side(config: Config) -> int:
    """Return the side h = w of the motion in latent pixels, a quarter of the frame's side (paper 3.2)."""
    return config.corpus.resolution // 4


def build_flow_generator(config: Config) -> LatentFlowGenerator:
    """Build the latent flow generator (paper 3.2), named ``lfg`` in its weights file."""
    return LatentFlowGenerator(config.lfg.model)


def build_denoiser(config: Config) -> tuple[UNet3D, FaceMaskEmbedder]:
    """Build the denoiser of the A2V diffusion model and its face-mask embedder (paper 3.3).

    They are named ``unet`` and ``mask`` in the weights files of every A2V stage.
    """
    latent_channels = 4 * config.lfg.model.expansion
    mask = FaceMaskEmbedder(config.a2v.model.mask_channels)
    mask.requires_grad_(config.a2v.model.train_mask_embedder)
    return UNet3D(config.a2v.model, config.features.speech.dim, latent_channels), mask
