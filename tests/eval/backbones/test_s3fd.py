"""S3FD's face detector, loaded from a file with the published names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dawn.weights import MissingWeights


def test_s3fd_loads_weights_with_the_published_names(tmp_path: Path) -> None:
    from syncnet_python.detectors.s3fd.nets import S3FDNet

    from eval.backbones.s3fd import S3FD

    torch.manual_seed(0)
    net = S3FDNet(device="cpu")
    for module in net.conf:
        nn.init.zeros_(module.weight)
        nn.init.constant_(module.bias, 0)
    with torch.no_grad():  # sure of a face everywhere on the map of the largest anchors, of nothing elsewhere
        for head, face in zip(net.conf, [-9.0] * 5 + [9.0], strict=True):
            head.bias[-1] = face
        net.conf[0].bias[:3] = 9.0
        for head in net.loc:
            head.weight.zero_()
            head.bias.zero_()
    torch.save(net.state_dict(), tmp_path / "sfd_face.pth")
    boxes = S3FD(tmp_path / "sfd_face.pth")(np.zeros((512, 512, 3), np.uint8))
    assert boxes.shape[1] == 4
    assert len(boxes) >= 1
    assert (boxes[:, 2:] - boxes[:, :2]).max() == pytest.approx(4 * 512)  # an anchor of 512 in a frame reduced by 4
    torch.save({"a": torch.zeros(1)}, tmp_path / "bad.pth")
    with pytest.raises(MissingWeights, match="S3FD"):
        S3FD(tmp_path / "bad.pth")
