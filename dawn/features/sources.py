"""Fingerprints of the code that the files of a corpus depend on. The workflow imports this module: no heavy imports."""

from __future__ import annotations

from dawn.config import CORPUS_KINDS
from dawn.fingerprint import code_fingerprint


def corpus_code(kind: str) -> str:
    """Compute the fingerprint of the code that lists and writes the clips of a corpus of this kind."""
    return code_fingerprint("dawn.corpora.prepare", f"{CORPUS_KINDS}.{kind}")


def clips_code(kind: str) -> str:
    """Compute the fingerprint of the code that writes the clips of a corpus of this kind, including face detection."""
    return code_fingerprint("dawn.corpora.prepare", f"{CORPUS_KINDS}.{kind}", "dawn.features.portrait")


def pack_code() -> str:
    """Compute the fingerprint of the code that packs the clips that training reads."""
    return code_fingerprint("dawn.features.pack")


def features_code() -> str:
    """Compute the fingerprint of the code that extracts the features of a clip."""
    return code_fingerprint("dawn.features.extract")
