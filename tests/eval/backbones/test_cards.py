"""Cards of the networks: complete, with registered weights only, and an error where weights are absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawn import weights
from dawn.errors import InputError
from eval.backbones import cards
from eval.metrics.fid import SUITES

CARRIED = ("i3d-kinetics400-logits", "dlib-resnet-v1-128", "efficientnet-lite0-1280")


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without downloaded weights."""
    for variable in ("DAWN_WEIGHTS", "TORCH_HOME", "HF_HOME", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    return tmp_path / "DAWN_WEIGHTS"


def test_cards_name_weights_that_are_registered() -> None:
    for card in cards.CARDS.values():
        assert card.weights, card.name
        assert set(card.weights) <= set(weights.registry()), card.name
        assert card.preprocessing
        assert card.dimension > 0
    assert set(CARRIED) <= set(cards.CARDS)
    assert {network for _, network in SUITES.values()} <= set(cards.CARDS)


def test_files_that_can_hold_code_have_a_pinned_hash() -> None:
    for card in cards.CARDS.values():
        for name in card.weights:
            entry = weights.registry()[name]
            assert card.executable == (entry.file.endswith(".pt")), card.name
            assert entry.sha256, card.name


@pytest.mark.parametrize("name", CARRIED)
def test_networks_in_packages_load_without_downloads(name: str, empty: Path) -> None:
    card = cards.card(name)
    assert card.missing() is None
    assert cards.load(name) is not None
    assert set(card.files()) == set(card.weights)


@pytest.mark.parametrize("name", sorted(set(cards.CARDS) - set(CARRIED)))
def test_absent_weights_are_an_error_and_no_other_network_is_loaded(name: str, empty: Path) -> None:
    card = cards.card(name)
    reason = card.missing()
    assert reason is not None
    assert "dawn weights --for" in reason
    with pytest.raises(weights.MissingWeights, match="not on this machine"):
        cards.load(name)
    with pytest.raises(weights.MissingWeights):
        card.fingerprint()


@pytest.mark.parametrize("name", sorted(set(cards.CARDS) - set(CARRIED)))
def test_wrong_weights_are_refused_before_they_are_opened(name: str, empty: Path) -> None:
    for entry in (weights.registry()[part] for part in cards.card(name).weights):
        (empty / entry.file).parent.mkdir(parents=True, exist_ok=True)
        (empty / entry.file).write_bytes(b"something else")
    assert cards.card(name).missing() is None
    with pytest.raises(weights.MissingWeights, match="expected"):
        cards.load(name)


def test_fingerprints_depend_on_network_preprocessing_and_weights(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {cards.card(name).fingerprint() for name in CARRIED}
    assert len(keys) == len(CARRIED)
    card = cards.card(CARRIED[0])
    before = card.fingerprint()
    assert before == card.fingerprint()
    monkeypatch.setattr(cards, "verified", lambda name, pinned: weights.LocalWeights(Path(name), "another"))
    assert card.fingerprint() != before
    clean, plain = cards.card("inception-fid-clean"), cards.card("inception-fid")
    assert clean.weights == plain.weights
    assert clean.fingerprint() != plain.fingerprint()


def test_an_unknown_network_is_an_error_that_names_it() -> None:
    with pytest.raises(InputError, match=r"arcface-r1.*known"):
        cards.load("arcface-r1")
