"""Augmentation of training images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def color_jitter(images: Tensor, strength: float, hue: float, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast, saturation and hue by one random draw, the same for all of `images`.

    images: float (..., 3, H, W) in [0, 1], clamped to that range again. Factors are uniform in [1 - strength, 1 +
    strength]; the hue shift is uniform in [-hue, hue] of the circle. All four are linear maps of RGB, which is cheaper
    than a conversion to HSV: the hue shift is a rotation about the grey axis.
    """
    u = torch.rand(4, generator=generator) * 2 - 1
    brightness, contrast, saturation = (1 + strength * u[:3]).tolist()
    angle = float(u[3]) * hue * 2 * np.pi
    luma = images.new_tensor([0.299, 0.587, 0.114])
    # Rodrigues' formula for the axis (1, 1, 1) / sqrt(3).
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    cross_product = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    rotation = cos * torch.eye(3) + (1 - cos) * (1 / 3) + sin * float(np.sqrt(1 / 3)) * cross_product
    desaturation = saturation * torch.eye(3) + (1 - saturation) * luma.expand(3, 3)
    matrix = brightness * contrast * desaturation @ rotation
    # Contrast scales the deviation from the image's mean luma.
    mean_luma = (images * luma.view(3, 1, 1)).sum(-3, keepdim=True).mean((-2, -1), keepdim=True)
    recoloured = torch.einsum("ij,...jhw->...ihw", matrix, images)
    return (recoloured + brightness * (1 - contrast) * mean_luma).clamp(0, 1)
