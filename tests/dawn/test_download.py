"""Downloads over unreliable connections: resumed, verified, and refused with the reason and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawn import download, weights
from dawn.errors import InputError
from tests.support.publisher import BODY, SHA, Publisher, Register


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_connection_is_resumed(publisher: Publisher, ranges: bool) -> None:
    publisher.break_after, publisher.ranges = [300_000, 200_000], ranges
    weights.provide(["net"], fetch=True)
    assert weights.locate("net").read_bytes() == BODY
    assert publisher.requests[0] is None
    assert all(value is not None and value.startswith("bytes=") for value in publisher.requests[1:])
    assert len(publisher.requests) == 3


def test_a_later_call_resumes_where_an_earlier_one_gave_up(publisher: Publisher, store: Path) -> None:
    publisher.break_after = [400_000] + [0] * 5
    with pytest.raises(InputError, match=r"gave up after 5 tries.*call again to continue"):
        weights.provide(["net"], fetch=True)
    assert (store / ".net.pth.part").stat().st_size == 400_000
    publisher.requests.clear()
    weights.provide(["net"], fetch=True)
    assert publisher.requests == ["bytes=400000-"]
    assert weights.verified("net").sha256 == SHA


def test_a_changed_file_is_fetched_from_its_beginning(publisher: Publisher, store: Path) -> None:
    store.mkdir()
    (store / ".net.pth.part").write_bytes(b"x" * 5000)
    (store / ".net.pth.part.version").write_text('"old"')
    weights.provide(["net"], fetch=True)
    assert weights.locate("net").read_bytes() == BODY


def test_a_partial_file_of_another_file_is_replaced(publisher: Publisher, store: Path) -> None:
    store.mkdir()
    (store / ".net.pth.part").write_bytes(b"x" * 5000)
    weights.provide(["net"], fetch=True)
    assert weights.locate("net").read_bytes() == BODY
    assert publisher.requests == ["bytes=5000-", None]


def test_a_complete_partial_file_is_used(publisher: Publisher, store: Path) -> None:
    store.mkdir()
    (store / ".net.pth.part").write_bytes(BODY)
    weights.provide(["net"], fetch=True)
    assert weights.locate("net").read_bytes() == BODY
    assert publisher.requests == [f"bytes={len(BODY)}-"]


def test_redirects_are_followed(publisher: Publisher) -> None:
    publisher.redirect, publisher.break_after = True, [1000]
    weights.provide(["net"], fetch=True)
    assert weights.locate("net").read_bytes() == BODY
    assert publisher.requests == [None, "bytes=1000-"]


def test_busy_servers_are_retried(publisher: Publisher) -> None:
    publisher.refuse = [(429, "0"), (503, "0")]
    weights.provide(["net"], fetch=True)
    assert weights.verified("net").sha256 == SHA
    assert len(publisher.requests) == 3


def test_a_refusal_names_the_remedy(publisher: Publisher, store: Path) -> None:
    publisher.refuse = [(404, "0")]
    with pytest.raises(InputError, match=r"404 Not Found.*by hand"):
        weights.provide(["net"], fetch=True)
    assert not (store / "net.pth").exists()


def test_a_longer_file_is_refused(publisher: Publisher, store: Path) -> None:
    publisher.body = BODY * 3
    with pytest.raises(weights.MissingWeights, match="longer than"):
        weights.provide(["net"], fetch=True)
    assert not (store / "net.pth").exists()


def test_an_unreachable_server_is_an_input_error(publisher: Publisher, register: Register) -> None:
    register(net={"url": "http://127.0.0.1:1/net.pth"})
    with pytest.raises(InputError, match="gave up after 5 tries"):
        weights.provide(["net"], fetch=True)


def test_a_full_disk_is_an_input_error_before_the_first_request(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr("dawn.media.files.shutil.disk_usage", lambda path: Usage)
    with pytest.raises(InputError, match="make room"):
        weights.provide(["net"], fetch=True)
    assert not publisher.requests


def test_two_processes_do_not_write_the_same_file(publisher: Publisher, store: Path) -> None:
    with download.locked(store, "weights"), pytest.raises(InputError, match="another process"):
        weights.provide(["net"], fetch=True)
