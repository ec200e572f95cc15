"""Registry of weights files: entries, search, verification, mirrors, archives and the command."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest
import yaml

from dawn import weights
from dawn.cli import main
from dawn.config import load
from dawn.errors import InputError
from tests.support.publisher import BODY, SHA, Publisher, Register
from tests.support.repository import REPOSITORY


def test_every_entry_states_content_source_and_terms() -> None:
    entries = weights.registry()
    assert {"inception-fid", "arcface-w600k-r50", "scrfd-10g", "syncnet-v2", "s3fd", "vgg19"} <= set(entries)
    for name, entry in entries.items():
        assert entry.what and entry.terms and entry.purposes, name
        if entry.url and not entry.url.startswith("https://huggingface.co/"):
            assert entry.sha256, name
    assert len({entry.file for entry in entries.values()}) == len(entries)


def test_hashes_agree_with_those_in_file_names() -> None:
    for name in ("vgg19", "inception-fid"):
        entry = weights.registry()[name]
        prefix = Path(entry.file).stem.rpartition("-")[2]
        assert entry.sha256 is not None
        assert entry.sha256.startswith(prefix)


def test_configurations_and_purposes_agree() -> None:
    """The purposes of HuBERT and VGG-19 are exactly the configurations that encode or train with them."""
    entries = weights.registry()
    later = ("finetune", "pretrain64", "pretrain_speech")  # take encoder and losses from the file before them
    complete = [path for path in (REPOSITORY / "config").glob("*.yaml") if path.stem not in later]
    for path in sorted(complete):
        config = load(path)
        hubert = config.features.speech.encoder.rpartition("/")[2] == "hubert-large-ls960-ft"
        assert (path.stem in entries["hubert-large-ls960-ft/weights"].purposes) == hubert, path
        assert (path.stem in entries["vgg19"].purposes) == (config.lfg.train.loss.perceptual > 0), path


def test_weights_inside_packages_are_present_and_verified() -> None:
    packaged = [name for name, entry in weights.registry().items() if entry.package]
    assert len(packaged) >= 5
    for name in packaged:
        assert weights.status_of(name).state == "present", name


def test_a_faulty_registry_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "weights.yaml"
    for wrong in ({"sha256": "1234"}, {"url": None}, {"file": "../x"}, {"sort": 1}):
        entry = {"what": "x", "for": ["x"], "terms": "x", "sha256": None, "url": "https://a/b"} | wrong
        path.write_text(yaml.safe_dump({"net": entry}))
        weights.registry.cache_clear()
        with pytest.raises(InputError, match="no registry of weights"):
            weights.registry(path)


def test_nothing_is_fetched_without_the_option(publisher: Publisher, store: Path) -> None:
    assert weights.provide(["net"]) == ["net"]
    with pytest.raises(weights.MissingWeights, match="dawn weights --for net --fetch"):
        weights.locate("net")
    assert weights.status_of("net").state == "absent"
    assert not publisher.requests
    assert not store.exists()


def test_a_fetched_file_is_stored_once(publisher: Publisher, store: Path) -> None:
    assert weights.provide(["net"], fetch=True) == []
    assert weights.verified("net") == weights.LocalWeights(store / "net.pth", SHA)
    assert weights.locate("net").read_bytes() == BODY
    assert publisher.requests == [None]
    assert weights.provide(["net"], fetch=True) == []
    assert publisher.requests == [None]  # a file that is present is not fetched again
    assert {path.name for path in store.iterdir()} == {"net.pth", ".lock"}


def test_a_wrong_file_is_refused_with_both_hashes(
    publisher: Publisher, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher.body = BODY[::-1]
    sha256 = hashlib.sha256(publisher.body).hexdigest()
    assert main(["weights", "--for", "tests", "--fetch"]) == 2
    message = capsys.readouterr().err
    assert sha256 in message
    assert SHA in message
    assert {path.name for path in store.iterdir()} == {".lock"}


def test_an_unknown_hash_is_recorded_once_and_then_required(
    publisher: Publisher, store: Path, register: Register, capsys: pytest.CaptureFixture[str]
) -> None:
    register(net={"url": f"{publisher.address}/net.pth", "sha256": None})
    weights.provide(["net"], fetch=True)
    assert f"recorded: {SHA}" in capsys.readouterr().out
    assert weights.status_of("net").state == "recorded"
    assert weights.verified("net").sha256 == SHA
    with pytest.raises(weights.MissingWeights, match="no hash is pinned"):
        weights.verified("net", pinned=True)
    (store / "net.pth").unlink()
    publisher.body = BODY[::-1]
    with pytest.raises(weights.MissingWeights, match=SHA):
        weights.provide(["net"], fetch=True)


def test_a_mirror_comes_before_the_publisher(publisher: Publisher, store: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "net.pth").write_bytes(BODY)
    assert main(["weights", "--for", "net", "--mirror", str(mirror), "--fetch"]) == 0
    assert not publisher.requests
    assert weights.verified("net") == weights.LocalWeights(store / "net.pth", SHA)


def test_a_mirror_with_a_wrong_file_is_refused(publisher: Publisher, store: Path, tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(b"other")
    with pytest.raises(weights.MissingWeights, match="refused"):
        weights.provide(["net"], mirror=tmp_path)
    assert not (store / "net.pth").exists()
    with pytest.raises(InputError, match="no such folder"):
        weights.provide(["net"], mirror=tmp_path / "absent")


def test_a_mirror_without_the_file_leaves_it_absent(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    assert main(["weights", "--for", "tests", "--mirror", str(tmp_path / "mirror")]) == 2
    assert not publisher.requests


def test_a_file_of_a_library_is_used_in_place(store: Path, tmp_path: Path, register: Register) -> None:
    register(net={"url": "http://127.0.0.1:1/net.pth", "also": ["{torch_hub}/checkpoints/net*.pth"]})
    path = tmp_path / "torch" / "hub" / "checkpoints" / "net-1.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(BODY)
    assert weights.verified("net").path == path
    path.write_bytes(b"cut")
    assert weights.status_of("net").state == "wrong hash"
    with pytest.raises(weights.MissingWeights, match=SHA):
        weights.verified("net")


def test_one_archive_provides_all_its_files(
    publisher: Publisher, store: Path, tmp_path: Path, register: Register
) -> None:
    other = BODY[::-1]
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as archive:
        archive.writestr("pack/a.onnx", BODY)
        archive.writestr("pack/b.onnx", other)
    publisher.body = (tmp_path / "pack.zip").read_bytes()
    shared = {"url": f"{publisher.address}/pack.zip"}
    register(
        a=shared | {"member": "a.onnx", "file": "pack/a.onnx"},
        b=shared | {"member": "b.onnx", "file": "pack/b.onnx", "sha256": hashlib.sha256(other).hexdigest()},
        c=shared | {"member": "c.onnx", "file": "pack/c.onnx", "url": f"{publisher.address}/other.zip"},
    )
    assert weights.provide(["a", "b"], fetch=True) == []
    assert publisher.requests == [None]
    assert (store / "pack" / "b.onnx").read_bytes() == other
    assert not list(store.glob(".pack*"))
    with pytest.raises(weights.MissingWeights, match=r"holds no c\.onnx"):
        weights.provide(["c"], fetch=True)
    publisher.body = b"<html>busy</html>"
    with pytest.raises(weights.MissingWeights, match="no zip archive"):
        weights.provide(["c"], fetch=True)


def test_an_unwritable_store_is_an_input_error(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path / "taken" / "store"))
    with pytest.raises(InputError, match="DAWN_WEIGHTS"):
        weights.provide(["net"], fetch=True)


def test_a_network_of_several_files_is_a_folder(store: Path, register: Register) -> None:
    url = {"url": "http://127.0.0.1:1/x"}
    register(a=url | {"file": "net/a.json"}, b=url | {"file": "net/b.bin"})
    (store / "net").mkdir(parents=True)
    (store / "net" / "a.json").write_text("{}")
    assert weights.folder("net") is None
    (store / "net" / "b.bin").write_text("{}")
    assert weights.folder("net") == store / "net"


def test_hubert_is_loaded_from_the_store_by_its_hub_name(store: Path) -> None:
    """In the files of its publisher: settings, normalisation, and a state dict saved by torch."""
    import numpy as np
    import torch
    from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

    from dawn.config import Speech
    from dawn.features.speech import encode

    path = store / "hubert-large-ls960-ft"
    path.mkdir(parents=True)
    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = HubertConfig(**sizes, conv_dim=(8,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2)
    model = HubertModel(config)
    model.config.save_pretrained(path)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(path)
    assert weights.folder("hubert-large-ls960-ft") is None
    torch.save(model.state_dict(), path / "pytorch_model.bin")
    assert weights.folder("hubert-large-ls960-ft") == path
    sound = np.random.default_rng(0).normal(size=16000).astype(np.float32)
    assert encode(sound, 25, Speech(encoder="facebook/hubert-large-ls960-ft", dim=24)).shape == (25, 24)


def test_missing_vgg19_is_named(store: Path) -> None:
    from dawn.training.lfg_losses import Perceptual

    with pytest.raises(weights.MissingWeights, match=r"dawn weights --for vgg19 --fetch.*perceptual to 0"):
        Perceptual((1.0,))


def test_the_command_lists_every_state(publisher: Publisher, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights"]) == 0
    assert "absent      net" in capsys.readouterr().out
    assert main(["weights", "--for", "tests"]) == 2
    assert "--fetch" in capsys.readouterr().err
    store.mkdir()
    (store / "net.pth").write_bytes(BODY)
    assert main(["weights", "--for", "net"]) == 0
    assert "present     net" in capsys.readouterr().out
    (store / "net.pth").write_bytes(b"damaged")
    assert main(["weights"]) == 2
    printed = capsys.readouterr()
    assert "wrong hash" in printed.out
    assert SHA in printed.err
    assert main(["weights", "--for", "nothing"]) == 2
    assert "nothing" in capsys.readouterr().err
    assert not publisher.requests
