"""Measures the engine against the plain path, on this machine: ``python -m benchmarks.dawn``."""
