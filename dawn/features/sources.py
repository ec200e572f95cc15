"""Fingerprints of the code that the files of a corpus depend on. No heavy imports: the workflow needs them."""

from __future__ import annotations

from dawn.config import CORPUS_KINDS
from dawn.fingerprint import code_fingerprint


def corpus_code(kind: str) -> str:
    """Of the code that lists and writes the clips of a corpus of this kind, other kinds excluded."""
    return code_fingerprint("dawn.corpora.prepare", f"{CORPUS_KINDS}.{kind}")


def clips_code(kind: str) -> str:
    """Of the code that writes the clips of a corpus of this kind, face detection included."""
    return code_fingerprint("dawn.corpora.prepare", f"{CORPUS_KINDS}.{kind}", "dawn.features.portrait")


def features_code() -> str:
    """Of the code that extracts the features of a clip."""
    return code_fingerprint("dawn.features.extract")
