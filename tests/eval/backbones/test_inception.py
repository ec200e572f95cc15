"""FID's Inception: features as in pytorch-fid, prepared frames, and weights files that load or are refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dawn.errors import InputError
from dawn.media.video import load_frames
from dawn.weights import MissingWeights
from eval.backbones import batches, inception
from eval.extract.video import DecodedVideo
from eval.stats.frechet import frechet
from eval.studies.perturb import PERTURBATIONS


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
    monkeypatch.setattr(batches, "CPU_IMAGES", 1)
    assert net(frames) == pytest.approx(got, rel=1e-4, abs=1e-5 * float(np.abs(got).max()))
    assert net(frames[:0]).shape == (0, 2048)


def test_preprocessing_differs_between_suites_and_stays_in_range() -> None:
    frames = torch.from_numpy(_frames()).permute(0, 3, 1, 2).float()
    prepared = {name: prepare(frames) for name, prepare in inception.PREPROCESSING.items()}
    for name, x in prepared.items():
        assert x.shape == (3, 3, 299, 299), name
        assert -1 <= float(x.min()) < -0.9, name
        assert 0.9 < float(x.max()) <= 1, name
    assert (prepared["inception-fid"] - prepared["inception-fid-clean"]).abs().max() > 0.05
    assert (prepared["inception-fid"] - prepared["inception-fid-tf1"]).abs().max() > 0.05
    assert torch.equal(prepared["inception-fid-clean"], prepared["inception-tf-clean"])


def test_weights_without_counters_of_batches_load(published: Path, tmp_path: Path) -> None:
    state = torch.load(published, weights_only=True)
    old = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    x = torch.rand(1, 3, 299, 299) * 2 - 1
    with torch.inference_mode():
        assert torch.equal(inception.load(tmp_path / "old.pth")(x), inception.load(published)(x))


def test_files_with_other_content_are_refused(published: Path, tmp_path: Path) -> None:
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


def test_fid_of_real_frames_with_themselves_is_0(real: Path, tmp_path: Path) -> None:
    """A random network of FID's class, read from a file in the published format."""
    torch.manual_seed(0)
    net = inception.inception_v3_fid()
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    torch.save(net.state_dict(), tmp_path / "pt_inception.pth")
    network = inception.Inception(
        inception.load(tmp_path / "pt_inception.pth"), inception.PREPROCESSING["inception-fid"]
    )
    (tmp_path / "pt_inception.pth").unlink()
    frames = load_frames(real / "clips" / "grid_lbax4n.mpg")[::15]
    still = DecodedVideo(frames, np.empty(0, np.float32))
    features, dark = network(frames), network(PERTURBATIONS["dim"](still, 50, still).frames)
    scale = float(features.astype(np.float64).var(axis=0).sum())
    assert frechet(features, features) == pytest.approx(0, abs=1e-9 * scale)
    assert frechet(features, dark) > 0.01 * scale
