"""StyleGAN-V's TorchScript I3D, called as two suites call it; a script of the same interface stands in for the file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dawn.errors import InputError
from dawn.weights import MissingWeights
from eval.backbones import i3d, i3d_script


class _Script(nn.Module):
    """Takes what the published file takes; its features are statistics of the prepared input."""

    def forward(self, x: Tensor, rescale: bool, resize: bool, return_features: bool) -> Tensor:
        if resize:
            b, t = x.shape[0], x.shape[2]
            flat = torch.nn.functional.interpolate(x.transpose(1, 2).flatten(0, 1), size=[224, 224], mode="bilinear")
            x = flat.unflatten(0, [b, t]).transpose(1, 2)
        if rescale:
            x = 2 * x / 255 - 1
        if not return_features:
            return x
        low, high = x.amin(dim=(1, 2, 3, 4)), x.amax(dim=(1, 2, 3, 4))
        statistics = torch.stack([low, high, x.mean(dim=(1, 2, 3, 4)), x[:, 0, 0, 112, 0]], dim=1)
        return statistics.repeat(1, 100)


@pytest.fixture
def file(tmp_path: Path) -> tuple[Path, str]:
    path = tmp_path / "i3d_torchscript.pt"
    torch.jit.script(_Script()).save(str(path))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def _wide() -> Tensor:
    clips = torch.zeros((2, 9, 32, 64, 3), dtype=torch.uint8)
    clips[:, :, :, 16:48] = 255
    return clips


def test_stylegan_v_resizes_the_whole_frame_to_a_square(file: tuple[Path, str]) -> None:
    got = i3d_script.load(*file, resize=True)(_wide())
    assert got.shape == (2, 400)
    assert got[0, :4].numpy() == pytest.approx([-1, 1, 0, -1], abs=1e-5)


def test_common_metrics_crops_the_centre(file: tuple[Path, str]) -> None:
    got = i3d_script.load(*file, resize=False)(_wide())
    assert got[0, 1] == pytest.approx(1, abs=1e-5)
    assert got[0, 2] > 0.95  # the dark sides are gone but for what bilinear interpolation mixed in
    prepared = i3d.preprocess(_wide())
    assert got[0, 2] == pytest.approx(float(prepared[0].mean()), abs=1e-5)


def test_a_script_with_another_hash_is_refused(file: tuple[Path, str]) -> None:
    path, sha = file
    with pytest.raises(MissingWeights, match=sha):
        i3d_script.load(path, "1" * 64, resize=True)
    path.write_bytes(b"no script")
    with pytest.raises(MissingWeights, match="not the TorchScript I3D"):
        i3d_script.load(path, hashlib.sha256(b"no script").hexdigest(), resize=True)
    with pytest.raises(MissingWeights, match="cannot be read"):
        i3d_script.load(path.with_name("absent.pt"), sha, resize=True)


def test_clips_of_other_shapes_and_types_are_refused(file: tuple[Path, str]) -> None:
    net = i3d_script.load(*file, resize=True)
    for bad in (_wide()[:, :8], _wide().float(), _wide()[0]):
        with pytest.raises(InputError):
            net(bad)
