"""FID's network, its three resizers, FID and KID: against pytorch-fid itself and the canonical numbers.

The published weights are not at hand; a random network of the same class, saved in the published format, goes through
the code that loads them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dawn.errors import InputError
from dawn.weights import MissingWeights
from eval.backbones import inception, resize
from eval.stats.frechet import frechet
from eval.stats.kid import kid

RESIZERS = {
    "clean_fid_pil_bicubic": resize.pillow_bicubic,
    "tf1_bilinear": resize.tf1_bilinear,
    "torch_bilinear": resize.bilinear,
}


# ------------------------------------------------------------------------------------------------------------ resizers


@pytest.mark.parametrize("name", RESIZERS)
def test_resizers_keep_channels_frames_and_sides_apart(name: str) -> None:
    frames = torch.zeros(2, 3, 6, 10)
    frames[1, 2] = 200.0
    got = RESIZERS[name](frames, (12, 5))
    assert got.shape == (2, 3, 12, 5)
    assert got[1, 2].numpy() == pytest.approx(200.0, abs=1e-3)
    assert got[0].abs().max() == 0
    assert got[1, :2].abs().max() == 0


# ------------------------------------------------------------------------------------------------------------- network
@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A random network as pytorch-fid's file holds one, its layers scaled so that signals neither die nor explode."""
    torch.manual_seed(0)
    net = inception.inception_v3_fid()
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.8, 1.2)
    path = tmp_path_factory.mktemp("inception") / "pt_inception.pth"
    torch.save(net.state_dict(), path)
    yield path
    path.unlink()


def _frames(count: int = 3, height: int = 72, width: int = 64) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def test_features_are_those_of_pytorch_fid(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytorch_fid import inception as theirs

    state = torch.load(published, weights_only=True)
    monkeypatch.setattr(theirs, "load_state_dict_from_url", lambda *_, **__: state)
    frames = _frames()
    with torch.inference_mode():
        wanted = theirs.InceptionV3([3]).eval()(torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255)[0]
    net = inception.Inception(inception.load(published), inception.PREPROCESSING["inception-fid"])
    got = net(frames)
    assert got.shape == (3, 2048)
    assert got.std() > 0.1
    assert np.abs(got - wanted.flatten(1).numpy()).max() < 2e-5 * np.abs(got).max()
    assert net(frames, batch=1) == pytest.approx(got, rel=1e-4, abs=1e-5 * np.abs(got).max())
    assert net(frames[:0]).shape == (0, 2048)


def test_preparations_differ_and_stay_in_range() -> None:
    frames = torch.from_numpy(_frames()).permute(0, 3, 1, 2).float()
    made = {name: prepare(frames) for name, prepare in inception.PREPROCESSING.items()}
    for name, x in made.items():
        assert x.shape == (3, 3, 299, 299), name
        assert -1 <= float(x.min()) < -0.9, name
        assert 0.9 < float(x.max()) <= 1, name
    assert (made["inception-fid"] - made["inception-fid-clean"]).abs().max() > 0.05
    assert (made["inception-fid"] - made["inception-fid-tf1"]).abs().max() > 0.05
    assert torch.equal(made["inception-fid-clean"], made["inception-tf-clean"])


def test_old_files_without_counters_load(published: Path, tmp_path: Path) -> None:
    state = torch.load(published, weights_only=True)
    old = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    x = torch.rand(1, 3, 299, 299) * 2 - 1
    with torch.inference_mode():
        assert torch.equal(inception.load(tmp_path / "old.pth")(x), inception.load(published)(x))


def test_files_of_something_else_are_refused(published: Path, tmp_path: Path) -> None:
    state = torch.load(published, weights_only=True)
    fewer = dict(list(state.items())[10:])
    other = state | {"fc.weight": torch.zeros(1000, 2048)}
    for name, content in {"fewer": fewer, "other": other, "list": [1, 2], "code": {"a": Path("x")}}.items():
        torch.save(content, tmp_path / f"{name}.pth")
        with pytest.raises(MissingWeights, match="not the weights of the Inception"):
            inception.load(tmp_path / f"{name}.pth")
    (tmp_path / "text.pth").write_text("<html>")
    with pytest.raises(MissingWeights):
        inception.load(tmp_path / "text.pth")
    with pytest.raises(InputError):
        inception.Inception(inception.inception_v3_fid(), inception.PREPROCESSING["inception-fid"])(
            _frames().astype(np.float32)
        )


class _Layers(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3)).repeat(1, 683)[:, :2048, None, None]


class _Script(nn.Module):
    """Shaped as clean-fid's file: `layers` do the work, the module itself would resize first."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = _Layers()

    def forward(self, x: Tensor, return_features: bool) -> Tensor:
        return self.layers(x[:, :, ::2])


def test_clean_fids_script_runs_only_with_the_right_hash(tmp_path: Path) -> None:
    path = tmp_path / "inception.pt"
    torch.jit.script(_Script()).save(str(path))
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    net = inception.Inception(inception.load_script(path, sha), inception.PREPROCESSING["inception-tf-clean"])
    frames = np.full((2, 40, 40, 3), 192, np.uint8)
    assert net(frames) == pytest.approx(np.full((2, 2048), 0.5), abs=1e-5)
    with pytest.raises(MissingWeights, match=f"{sha}, expected {'0' * 64}"):
        inception.load_script(path, "0" * 64)
    path.write_bytes(b"damaged")
    with pytest.raises(MissingWeights, match="not the TorchScript"):
        inception.load_script(path, hashlib.sha256(b"damaged").hexdigest())
    torch.jit.script(_Layers()).save(str(path))
    with pytest.raises(MissingWeights, match="no layers"):
        inception.load_script(path, hashlib.sha256(path.read_bytes()).hexdigest())


# ------------------------------------------------------------------------------------------------------------ distances


def test_kid_does_not_depend_on_the_number_of_samples() -> None:
    rng = np.random.default_rng(0)
    few = [kid(rng.normal(size=(20, 8)), rng.normal(size=(30, 8))) for _ in range(400)]
    assert abs(np.mean(few)) < 4 * np.std(few) / 20
    shifted = rng.normal(size=(3000, 8)) + 0.5
    centred = rng.normal(size=(3000, 8))
    parts = [kid(*(rows[rng.choice(3000, 200, replace=False)] for rows in (centred, shifted))) for _ in range(50)]
    whole = kid(rng.normal(size=(3000, 8)), shifted)
    assert np.mean(parts) == pytest.approx(whole, abs=4 * np.std(parts) / 50**0.5)


def test_distances_refuse_what_they_cannot_compare() -> None:
    good = np.random.default_rng(0).normal(size=(4, 2048))
    assert frechet(good, good) == pytest.approx(0, abs=1e-6)
    for bad in (good[:, :100], good.ravel(), good[:1]):
        with pytest.raises(InputError):
            frechet(good, bad)
    with pytest.raises(InputError):
        kid(good, good[:, :5])
