"""Allowed values of settings, command-line options and arguments of the Python interface. Imports no other module."""

from __future__ import annotations

from typing import Literal

Device = Literal["auto", "cpu", "cuda", "mps"]  # auto: CUDA if there is a GPU, else MPS, else CPU
MeasuringDevice = Literal["auto", "cpu", "cuda"]  # auto: CUDA if there is a GPU, else CPU
Solver = Literal["ddim", "dpm++"]
Precision = Literal["auto", "exact", "tf32", "bfloat16"]  # of matrix products and convolutions; see dawn.precision
StoreFormat = Literal["raw", "jpeg"]  # of packed frames; see dawn.features.frame_store
