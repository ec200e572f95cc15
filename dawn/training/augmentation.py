"""Augmentation of training images: random numbers are drawn for each sample, images are changed in batches."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)
_UNCHANGED = torch.eye(3, 4)  # of the colours of an image


def draw_colour(strength: float, hue: float, generator: torch.Generator) -> Tensor:
    """Draw a change of brightness, contrast, saturation and hue, as factors (3, 4) of :func:`recolour`.

    Factors of the first three are uniform in [1 - strength, 1 + strength]; the hue shift is uniform in [-hue, hue] of
    the circle. All four are linear maps of RGB, which is cheaper than a conversion to HSV: the hue shift is a rotation
    about the grey axis. Without `strength`, colours stay as they are, and nothing is drawn.
    """
    if not strength:
        return _UNCHANGED
    u = torch.rand(4, generator=generator) * 2 - 1
    brightness, contrast, saturation = (1 + strength * u[:3]).tolist()
    angle = float(u[3]) * hue * 2 * np.pi
    # Rodrigues' formula for the axis (1, 1, 1) / sqrt(3).
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    cross_product = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    rotation = cos * torch.eye(3) + (1 - cos) * (1 / 3) + sin * float(np.sqrt(1 / 3)) * cross_product
    desaturation = saturation * torch.eye(3) + (1 - saturation) * torch.tensor(_LUMA).expand(3, 3)
    # Contrast scales the deviation from the image's mean luma.
    mean_luma = torch.full((3, 1), brightness * (1 - contrast))
    return torch.cat([brightness * contrast * desaturation @ rotation, mean_luma], dim=1)


def recolour(images: Tensor, factors: Tensor) -> Tensor:
    """Change the colours of images (b, ..., 3, H, W) in [0, 1], clamped to that range again.

    `factors` (b, 3, 4) are, for each new colour channel, those of red, green, blue and the image's mean luma. In
    float32 on every device, also where matrix products have a lower precision.
    """
    luma = images.new_tensor(_LUMA).view(3, 1, 1)
    mean_luma = (images * luma).sum(-3, keepdim=True).mean((-2, -1), keepdim=True)
    factors = factors.view(len(factors), *(1 for _ in images.shape[1:-3]), 3, 4, 1, 1)
    red, green, blue = images.split(1, dim=-3)
    changed = factors[..., 0, :, :] * red
    changed.addcmul_(factors[..., 1, :, :], green).addcmul_(factors[..., 2, :, :], blue)
    return changed.addcmul_(factors[..., 3, :, :], mean_luma).clamp_(0, 1)
