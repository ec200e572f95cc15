"""EfficientNet-Lite0: recorded features, and inputs that are refused."""

from __future__ import annotations

import numpy as np
import pytest

from dawn.errors import InputError
from eval.backbones import batches
from eval.backbones.efficientnet import EfficientNetLite0
from tests.support.signals import colour_pattern


def test_efficientnet_computes_the_recorded_features(monkeypatch: pytest.MonkeyPatch) -> None:
    net = EfficientNetLite0()
    frames = colour_pattern(3)
    features = net(frames)
    assert features.shape == (3, 1280)
    assert features[0, [2, 5, 7, 17]] == pytest.approx([1.351642, 0.005018, 0.118607, 2.301276], abs=1e-4)
    with monkeypatch.context() as one_by_one:
        one_by_one.setattr(batches, "CPU_IMAGES", 1)
        assert net(frames) == pytest.approx(features, abs=1e-4)
    assert net(frames[:0]).shape == (0, 1280)
    with pytest.raises(InputError):
        net(frames.astype(np.float32))
