"""S3FD (Zhang et al. 2017): the face detector of the published SyncNet pipeline, from the package syncnet-python.

Weights: ``sfd_face.pth`` of the SyncNet authors, for research purposes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dawn.weights import verified
from eval.backbones.batches import CPU
from eval.backbones.states import load_state, read_state

SCALE = 0.25  # of the frame before detection, as published
CONFIDENCE = 0.9


class S3FD:
    """S3FD face detector: frame (H, W, 3) uint8 RGB -> boxes (K, 4) float64.

    Boxes are x0, y0, x1, y1 in pixels, by decreasing confidence. path: weights file; default: the registered one.
    Raises MissingWeights.
    """

    def __init__(self, path: Path | None = None, device: torch.device = CPU) -> None:
        from syncnet_python.detectors.s3fd import S3FD as Published
        from syncnet_python.detectors.s3fd.nets import S3FDNet

        path = verified("s3fd").path if path is None else path
        net = S3FDNet(device=device)
        load_state(net, read_state(path, "S3FD"), path, "S3FD")
        self._net: Any = Published(net, device=device)

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float64]:
        boxes = self._net.detect_faces(frame, conf_th=CONFIDENCE, scales=[SCALE])
        return np.asarray(boxes, np.float64).reshape(-1, 5)[:, :4]
