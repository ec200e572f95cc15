"""GPUs with their published memory and bandwidth."""

from __future__ import annotations

import functools
from pathlib import Path

import yaml
from pydantic import Field

from dawn.config import Section
from dawn.errors import InputError

_DATA = Path(__file__).with_name("cards.yaml")


class Card(Section):
    """A GPU. Without `bandwidth`, only steps that were measured on it apply to it."""

    title: str
    device: str  # as torch.cuda.get_device_name
    memory: float | None = Field(None, gt=0)  # GB
    bandwidth: float | None = Field(None, gt=0)  # of its memory, GB/s
    source: str


@functools.cache
def cards() -> dict[str, Card]:
    """Read ``cards.yaml``, by name."""
    tree = yaml.safe_load(_DATA.read_text(encoding="utf-8"))
    return {str(name): Card.model_validate(values) for name, values in tree.items()}


def card_named(name: str) -> Card:
    """Return a known card. Raises InputError that lists the known ones."""
    found = cards().get(name.lower())
    if found is None:
        raise InputError(
            f"no card {name!r}; known are {', '.join(cards())}. For another, measure its steps and give --measured"
        )
    return found


def card_of(device: str) -> Card:
    """Return the card with the device name `device`; one that is not known has neither memory nor bandwidth."""
    known = next((card for card in cards().values() if card.device == device), None)
    return known or Card(title=device, device=device, source="measured steps")


def slowdown(measured: Card, card: Card) -> float | None:
    """Return the factor of a step's time on `card` against the card that measured it: the ratio of their bandwidths.

    None where a bandwidth is not known.
    """
    if measured.device == card.device:
        return 1.0
    if measured.bandwidth is None or card.bandwidth is None:
        return None
    return measured.bandwidth / card.bandwidth
