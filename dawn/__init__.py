"""DAWN, reproduced: non-autoregressive diffusion for talking heads, from videos to tables."""

__version__ = "0.1.0"
