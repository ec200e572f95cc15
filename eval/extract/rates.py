"""Frame rate and sample rate of measured videos; other rates are resampled to these (:mod:`eval.extract.video`)."""

from __future__ import annotations

FPS = 25  # frames per second
SAMPLE_RATE = 16000  # audio samples per second, mono
SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
