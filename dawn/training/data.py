"""Random colour changes of training images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def color_jitter(images: Tensor, strength: float, hue: float, generator: torch.Generator) -> Tensor:
    """Brightness, contrast, saturation and hue changed by one random draw, the same for all of `images`.

    images: float (..., 3, H, W) in [0, 1]; factors are uniform in [1 - strength, 1 + strength], the hue turns by up to
    `hue` of the circle. Cheap linear forms: the hue is a rotation about the grey axis.
    """
    u = torch.rand(4, generator=generator) * 2 - 1
    brightness, contrast, saturation = (1 + strength * u[:3]).tolist()
    angle = float(u[3]) * hue * 2 * torch.pi
    grey = images.new_tensor([0.299, 0.587, 0.114])
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    third, root = 1 / 3, float(np.sqrt(1 / 3))
    rotate = (
        cos * torch.eye(3)
        + (1 - cos) * third
        + sin * root * torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    )
    desaturate = saturation * torch.eye(3) + (1 - saturation) * grey.expand(3, 3)
    matrix = brightness * contrast * desaturate @ rotate
    mean = (images * grey.view(3, 1, 1)).sum(-3, keepdim=True).mean((-2, -1), keepdim=True)
    turned = torch.einsum("ij,...jhw->...ihw", matrix, images)
    return (turned + brightness * (1 - contrast) * mean).clamp(0, 1)
