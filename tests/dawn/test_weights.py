"""The registry of weights: what is listed, what is refused, and how files come over bad connections."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import yaml

from dawn import download, weights
from dawn.cli import main
from dawn.config import load
from dawn.errors import InputError
from tests.support.repository import REPOSITORY
from tests.support.server import HttpServer

ROOT = REPOSITORY
BODY = bytes(range(256)) * 4096  # 1 MiB
SHA = hashlib.sha256(BODY).hexdigest()


@dataclass
class Publisher:
    """What the server does with each request: by default, all of the file, or the range that was asked for."""

    address: str = ""
    body: bytes = BODY
    etag: str = '"one"'
    ranges: bool = True
    break_after: list[int] = field(default_factory=list)  # bytes of the answers' bodies, one answer each
    refuse: list[tuple[int, str]] = field(default_factory=list)  # status and Retry-After, one answer each
    redirect: bool = False
    asked: list[str | None] = field(default_factory=list)  # the Range of each request

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        if self.redirect and not request.path.startswith("/elsewhere"):
            request.send_response(302)
            request.send_header("Location", f"{self.address}/elsewhere{request.path}")
            request.end_headers()
            return
        self.asked.append(asked)
        if self.refuse:
            status, pause = self.refuse.pop(0)
            request.send_response(status)
            request.send_header("Retry-After", pause)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.ranges else 0
        if request.headers.get("If-Range") not in (None, self.etag):
            start = 0
        if start >= len(self.body):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(self.body)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}")
        request.send_header("Content-Length", str(len(self.body) - start))
        request.send_header("ETag", self.etag)
        request.end_headers()
        rest = self.body[start:]
        request.wfile.write(rest[: self.break_after.pop(0)] if self.break_after else rest)
        request.close_connection = True


@pytest.fixture
def publisher(http_server: HttpServer) -> Iterator[Publisher]:
    told = Publisher()
    with http_server(GET=told.answer) as told.address:
        yield told


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store, and none of the libraries' folders."""
    monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path / "store"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(download, "PAUSE", 0.0)
    return tmp_path / "store"


def _register(monkeypatch: pytest.MonkeyPatch, **entries: dict[str, object]) -> None:
    common = {"what": "a test", "for": ["tests"], "terms": "none", "sha256": SHA}
    made = {name: weights.Entry.model_validate(common | values) for name, values in entries.items()}
    monkeypatch.setattr(weights, "registry", lambda: made)


@pytest.fixture
def one(publisher: Publisher, own: Path, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    """A registry of one file, `net`, that `publisher` serves."""
    _register(monkeypatch, net={"url": f"{publisher.address}/net.pth", "size": len(BODY)})
    return publisher


# ----------------------------------------------------------------------------------------------------------- the file
def test_every_entry_says_what_from_where_and_on_which_terms() -> None:
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
    """A configuration that encodes with HuBERT, or trains with VGG-19, is a purpose of theirs, and no other is."""
    entries = weights.registry()
    for path in sorted((ROOT / "config").glob("*.yaml")):
        if path.name == "weights.yaml":
            continue
        config = load(path)
        hubert = config.features.speech.encoder.rpartition("/")[2] == "hubert-large-ls960-ft"
        assert (path.stem in entries["hubert-large-ls960-ft/weights"].purposes) == hubert, path
        assert (path.stem in entries["vgg19"].purposes) == (config.lfg.train.loss.perceptual > 0), path


def test_weights_of_packages_are_there_and_right() -> None:
    carried = [name for name, entry in weights.registry().items() if entry.package]
    assert len(carried) >= 5
    for name in carried:
        assert weights.status_of(name).state == "present", name


def test_a_registry_with_mistakes_is_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.yaml"
    for wrong in ({"sha256": "1234"}, {"url": None}, {"file": "../x"}, {"sort": 1}):
        entry = {"what": "x", "for": ["x"], "terms": "x", "sha256": None, "url": "https://a/b"} | wrong
        path.write_text(yaml.safe_dump({"net": entry}))
        weights.registry.cache_clear()
        with pytest.raises(InputError, match="no registry of weights"):
            weights.registry(path)


# ------------------------------------------------------------------------------------------------------------ fetching
def test_nothing_is_fetched_unless_asked(one: Publisher, own: Path) -> None:
    assert weights.provide(["net"]) == ["net"]
    with pytest.raises(weights.MissingWeights, match="dawn weights --for net --fetch"):
        weights.locate("net")
    assert weights.status_of("net").state == "absent"
    assert not one.asked
    assert not own.exists()


def test_a_file_comes_whole_and_is_found(one: Publisher, own: Path) -> None:
    assert weights.provide(["net"], fetch=True) == []
    assert weights.verified("net") == weights.Found(own / "net.pth", SHA)
    assert weights.locate("net").read_bytes() == BODY
    assert one.asked == [None]
    assert weights.provide(["net"], fetch=True) == []
    assert one.asked == [None]  # what is there is not fetched again
    assert {path.name for path in own.iterdir()} == {"net.pth", ".lock"}


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_connection_is_taken_up_again(one: Publisher, ranges: bool) -> None:
    one.break_after, one.ranges = [300_000, 200_000], ranges
    weights.provide(["net"], fetch=True)
    assert weights.locate("net").read_bytes() == BODY
    assert one.asked[0] is None
    assert all(asked is not None and asked.startswith("bytes=") for asked in one.asked[1:])
    assert len(one.asked) == 3


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(one: Publisher, own: Path) -> None:
    one.break_after = [400_000] + [0] * 5
    with pytest.raises(InputError, match=r"gave up after 5 tries.*call again to continue"):
        weights.provide(["net"], fetch=True)
    assert (own / ".net.pth.part").stat().st_size == 400_000
    one.asked.clear()
    weights.provide(["net"], fetch=True)
    assert one.asked == ["bytes=400000-"]
    assert weights.verified("net").sha256 == SHA


def test_a_file_that_changed_meanwhile_is_fetched_anew(one: Publisher, own: Path) -> None:
    own.mkdir()
    (own / ".net.pth.part").write_bytes(b"x" * 5000)
    (own / ".net.pth.part.version").write_text('"old"')
    weights.provide(["net"], fetch=True)
    assert weights.locate("net").read_bytes() == BODY


def test_a_beginning_of_something_else_is_given_up_for_the_whole(one: Publisher, own: Path) -> None:
    own.mkdir()
    (own / ".net.pth.part").write_bytes(b"x" * 5000)
    weights.provide(["net"], fetch=True)
    assert weights.locate("net").read_bytes() == BODY
    assert one.asked == ["bytes=5000-", None]


def test_a_part_that_was_whole_already_is_used(one: Publisher, own: Path) -> None:
    own.mkdir()
    (own / ".net.pth.part").write_bytes(BODY)
    weights.provide(["net"], fetch=True)
    assert weights.locate("net").read_bytes() == BODY
    assert one.asked == [f"bytes={len(BODY)}-"]


def test_redirects_are_followed(one: Publisher) -> None:
    one.redirect, one.break_after = True, [1000]
    weights.provide(["net"], fetch=True)
    assert weights.locate("net").read_bytes() == BODY
    assert one.asked == [None, "bytes=1000-"]


def test_busy_servers_are_waited_for(one: Publisher) -> None:
    one.refuse = [(429, "0"), (503, "0")]
    weights.provide(["net"], fetch=True)
    assert weights.verified("net").sha256 == SHA
    assert len(one.asked) == 3


def test_a_refusal_is_told_with_what_to_do(one: Publisher, own: Path) -> None:
    one.refuse = [(404, "0")]
    with pytest.raises(InputError, match=r"404 Not Found.*by hand"):
        weights.provide(["net"], fetch=True)
    assert not (own / "net.pth").exists()


def test_a_wrong_file_is_refused_with_both_hashes(
    one: Publisher, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one.body = BODY[::-1]
    got = hashlib.sha256(one.body).hexdigest()
    assert main(["weights", "--for", "tests", "--fetch"]) == 2
    told = capsys.readouterr().err
    assert got in told
    assert SHA in told
    assert {path.name for path in own.iterdir()} == {".lock"}


def test_a_longer_file_is_cut_off(one: Publisher, own: Path) -> None:
    one.body = BODY * 3
    with pytest.raises(weights.MissingWeights, match="longer than"):
        weights.provide(["net"], fetch=True)
    assert not (own / "net.pth").exists()


def test_a_server_that_is_not_there(one: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    _register(monkeypatch, net={"url": "http://127.0.0.1:1/net.pth"})
    with pytest.raises(InputError, match="gave up after 5 tries"):
        weights.provide(["net"], fetch=True)


def test_an_unknown_hash_is_trusted_once_and_then_held_to(
    one: Publisher, own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _register(monkeypatch, net={"url": f"{one.address}/net.pth", "sha256": None})
    weights.provide(["net"], fetch=True)
    assert f"recorded: {SHA}" in capsys.readouterr().out
    assert weights.status_of("net").state == "recorded"
    assert weights.verified("net").sha256 == SHA
    with pytest.raises(weights.MissingWeights, match="no hash is pinned"):
        weights.verified("net", pinned=True)
    (own / "net.pth").unlink()
    one.body = BODY[::-1]
    with pytest.raises(weights.MissingWeights, match=SHA):
        weights.provide(["net"], fetch=True)


# ------------------------------------------------------------------------------------------------- folders and archives
def test_a_mirror_comes_before_the_publisher(one: Publisher, own: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "net.pth").write_bytes(BODY)
    assert main(["weights", "--for", "net", "--mirror", str(mirror), "--fetch"]) == 0
    assert not one.asked
    assert weights.verified("net") == weights.Found(own / "net.pth", SHA)


def test_a_mirror_with_a_wrong_file_is_refused(one: Publisher, own: Path, tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(b"other")
    with pytest.raises(weights.MissingWeights, match="refused"):
        weights.provide(["net"], mirror=tmp_path)
    assert not (own / "net.pth").exists()
    with pytest.raises(InputError, match="no such folder"):
        weights.provide(["net"], mirror=tmp_path / "absent")


def test_a_mirror_without_the_file_leaves_it_absent(one: Publisher, tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    assert main(["weights", "--for", "tests", "--mirror", str(tmp_path / "mirror")]) == 2
    assert not one.asked


def test_what_a_library_keeps_is_used_where_it_lies(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _register(monkeypatch, net={"url": "http://127.0.0.1:1/net.pth", "also": ["{torch_hub}/checkpoints/net*.pth"]})
    place = tmp_path / "torch" / "hub" / "checkpoints" / "net-1.pth"
    place.parent.mkdir(parents=True)
    place.write_bytes(BODY)
    assert weights.verified("net").path == place
    place.write_bytes(b"cut")
    assert weights.status_of("net").state == "wrong hash"
    with pytest.raises(weights.MissingWeights, match=SHA):
        weights.verified("net")


def test_one_archive_gives_all_its_files(
    publisher: Publisher, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = BODY[::-1]
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as archive:
        archive.writestr("pack/a.onnx", BODY)
        archive.writestr("pack/b.onnx", other)
    publisher.body = (tmp_path / "pack.zip").read_bytes()
    shared = {"url": f"{publisher.address}/pack.zip"}
    _register(
        monkeypatch,
        a=shared | {"member": "a.onnx", "file": "pack/a.onnx"},
        b=shared | {"member": "b.onnx", "file": "pack/b.onnx", "sha256": hashlib.sha256(other).hexdigest()},
        c=shared | {"member": "c.onnx", "file": "pack/c.onnx", "url": f"{publisher.address}/other.zip"},
    )
    assert weights.provide(["a", "b"], fetch=True) == []
    assert publisher.asked == [None]
    assert (own / "pack" / "b.onnx").read_bytes() == other
    assert not list(own.glob(".pack*"))
    with pytest.raises(weights.MissingWeights, match=r"holds no c\.onnx"):
        weights.provide(["c"], fetch=True)
    publisher.body = b"<html>busy</html>"
    with pytest.raises(weights.MissingWeights, match="no zip archive"):
        weights.provide(["c"], fetch=True)


def test_a_store_that_cannot_be_written(one: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("DAWN_WEIGHTS", str(tmp_path / "taken" / "store"))
    with pytest.raises(InputError, match="DAWN_WEIGHTS"):
        weights.provide(["net"], fetch=True)


def test_a_disk_without_room(one: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr(weights.shutil, "disk_usage", lambda place: Usage)
    with pytest.raises(InputError, match="make room"):
        weights.provide(["net"], fetch=True)
    assert not one.asked


def test_two_processes_do_not_write_one_file(one: Publisher, own: Path) -> None:
    with download.locked(own, "weights"), pytest.raises(InputError, match="another process"):
        weights.provide(["net"], fetch=True)


def test_a_network_of_several_files_is_a_folder(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = {"url": "http://127.0.0.1:1/x"}
    _register(monkeypatch, a=url | {"file": "net/a.json"}, b=url | {"file": "net/b.bin"})
    (own / "net").mkdir(parents=True)
    (own / "net" / "a.json").write_text("{}")
    assert weights.folder("net") is None
    (own / "net" / "b.bin").write_text("{}")
    assert weights.folder("net") == own / "net"


def test_hubert_in_the_store_is_found_by_its_name(own: Path) -> None:
    """In the files that its publisher keeps: settings, normalisation, and a state dict that torch saved."""
    import numpy as np
    import torch
    from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

    from dawn.config import Speech
    from dawn.features.speech import encode

    place = own / "hubert-large-ls960-ft"
    place.mkdir(parents=True)
    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = HubertConfig(**sizes, conv_dim=(8,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2)
    model = HubertModel(config)
    model.config.save_pretrained(place)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(place)
    assert weights.folder("hubert-large-ls960-ft") is None
    torch.save(model.state_dict(), place / "pytorch_model.bin")
    assert weights.folder("hubert-large-ls960-ft") == place
    sound = np.random.default_rng(0).normal(size=16000).astype(np.float32)
    assert encode(sound, 25, Speech(encoder="facebook/hubert-large-ls960-ft", dim=24)).shape == (25, 24)


def test_vgg19_is_asked_for_by_its_name(own: Path) -> None:
    from dawn.training.lfg_losses import Perceptual

    with pytest.raises(weights.MissingWeights, match=r"dawn weights --for vgg19 --fetch.*perceptual to 0"):
        Perceptual((1.0,))


# -------------------------------------------------------------------------------------------------------------- command
def test_the_list_shows_every_state(one: Publisher, own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights"]) == 0
    assert "absent      net" in capsys.readouterr().out
    assert main(["weights", "--for", "tests"]) == 2
    assert "--fetch" in capsys.readouterr().err
    own.mkdir()
    (own / "net.pth").write_bytes(BODY)
    assert main(["weights", "--for", "net"]) == 0
    assert "present     net" in capsys.readouterr().out
    (own / "net.pth").write_bytes(b"damaged")
    assert main(["weights"]) == 2
    told = capsys.readouterr()
    assert "wrong hash" in told.out
    assert SHA in told.err
    assert main(["weights", "--for", "nothing"]) == 2
    assert "nothing" in capsys.readouterr().err
    assert not one.asked
