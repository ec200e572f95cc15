"""Entry modules of the code that prepared files depend on. No heavy imports: the workflow reads it."""

from __future__ import annotations

CORPUS = ("dawn.corpora.prepare",)
CLIPS = (*CORPUS, "dawn.features.portrait")
FEATURES = ("dawn.features.extract",)
