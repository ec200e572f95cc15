"""Face embeddings of dlib's network (:mod:`dawn.features.identity`), as a backbone."""

from __future__ import annotations

from dawn.features.identity import SIDE, DlibFace
from eval.backbones.cards import Card

__all__ = ["NAME", "SIDE", "DlibFace", "make"]

NAME = "dlib-resnet-v1-128"


def make(card: Card) -> DlibFace:
    """The networks of `card`. Raises MissingWeights."""
    return DlibFace()
