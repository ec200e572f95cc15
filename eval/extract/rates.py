"""Rates at which every measured video is sampled; other rates are resampled to these (:mod:`eval.extract.video`)."""

from __future__ import annotations

FPS = 25  # frames a second
SAMPLE_RATE = 16000  # audio samples a second, mono
SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
