"""Networks on a GPU: no operation mixes devices, and features are those of the CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from eval.backbones import i3d, inception
from eval.backbones.syncnet import SyncNet
from eval.extract.catalogue import frame_embeddings, window_embeddings
from eval.extract.features import FeatureExtractors
from eval.extract.sampling import WindowSampling
from eval.extract.spec import ExtractorOptions
from eval.studies.train_syncnet import PER_CLIP, LipBatch, augmented, contrast

GPU = torch.device("cuda")


def _inception() -> Tensor:
    with GPU:
        network = inception.inception_v3_fid().eval()
    frames = torch.zeros(2, 3, 64, 64, device=GPU)
    features = [
        inception.Inception(network, inception.PREPROCESSING[name], GPU)._features(frames)
        for name in ("inception-fid", "inception-fid-tf1")
    ]
    return torch.cat(features)


def _i3d() -> Tensor:
    with GPU:
        network = i3d.I3D().eval()
    clips = torch.zeros(1, 9, 64, 64, 3, dtype=torch.uint8, device=GPU)
    return network.logits_of(i3d.preprocess(clips))


def _syncnet() -> Tensor:
    with GPU:
        net = SyncNet(48, 0.1)
        batch = LipBatch(
            mouths=torch.zeros(2, PER_CLIP, 5, 48, 48, 3, dtype=torch.uint8),
            sound=torch.zeros(2, PER_CLIP, 13, 20),
            flip=torch.zeros(2, dtype=torch.bool),
            gain=torch.ones(2),
            offset=torch.zeros(2, 3),
        )
    return contrast(net.embed_lips(augmented(batch)).squeeze(1), net.embed_sound(batch.sound.flatten(0, 1)))


@pytest.mark.parametrize("run", [_inception, _i3d, _syncnet])
def test_a_pass_stays_on_the_gpu(run: Callable[[], Tensor]) -> None:
    with FakeTensorMode():  # which computes shapes and devices without a GPU
        assert run().device.type == "cuda"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("spec", [
    frame_embeddings("efficientnet-lite0-1280"),
    window_embeddings("i3d-kinetics400-logits", WindowSampling("windows", 10, "all", 10)),
])  # fmt: skip
def test_features_are_those_of_the_cpu(spec: object, video: Path) -> None:
    rows = {}
    for device in ("cpu", "cuda"):
        extractors = FeatureExtractors([spec], ExtractorOptions(device=device))  # type: ignore[list-item, arg-type]
        rows[device] = extractors.extract([video]).videos[video].features[spec.name]["rows"]  # type: ignore[attr-defined]
    error = np.abs(rows["cpu"] - rows["cuda"]).max()
    assert error < 1e-4 * np.abs(rows["cpu"]).max()
