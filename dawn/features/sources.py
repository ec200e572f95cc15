"""Which sources prepared files depend on. No heavy imports: the workflow reads it."""

from __future__ import annotations

CORPORA = ("dawn/corpora", "dawn/demo", "dawn/media")
CLIPS = (*CORPORA, *(f"dawn/features/{name}.py" for name in ("boxes", "landmarks", "portrait")))
FEATURES = ("dawn/features", "dawn/media")
