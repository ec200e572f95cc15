"""Values that settings, command lines and the Python interface take, in one place that imports nothing."""

from __future__ import annotations

from typing import Literal

Device = Literal["auto", "cpu", "cuda", "mps"]  # auto: CUDA if there is a GPU, else MPS, else CPU
Solver = Literal["ddim", "dpm++"]
Precision = Literal["float32", "bfloat16"]
