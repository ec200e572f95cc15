"""Sampling (paper 3.6 and 4.1)."""

from __future__ import annotations

from pydantic import Field, model_validator

from dawn.choices import Device, Precision, Solver
from dawn.config.base import Fraction, Positive, Section


class Sar(Section):
    """Semi-autoregressive generation, a strategy that the paper compares (4.3; the lengths are ours)."""

    segment: Positive = Field(40, description="frames sampled at once, like the longest training clip")
    overlap: Positive = Field(10, description="last frames of a segment that condition the next one")

    @model_validator(mode="after")
    def _advances(self) -> Sar:
        if self.overlap >= self.segment:
            raise ValueError(f"overlap = {self.overlap} must be below segment = {self.segment}")
        return self


class Ttr(Section):
    """Generation in two temporal resolutions, a strategy that the paper compares (4.3; the length is ours)."""

    gaps: Positive = Field(10, description="gaps between keyframes filled at once")


class Ar(Section):
    """Autoregressive generation in image space, a strategy that the paper compares (1 and A.3)."""

    chunk: Positive = Field(1, description="frames generated from one image; 1: frame by frame (Diffused Heads)")


class Generate(Section):
    """Sampling (paper 3.6 and 4.1)."""

    steps: Positive = Field(20, description="DDIM steps (published)")
    eta: Fraction = Field(1.0, description="DDIM eta: 1 stochastic (published), 0 deterministic")
    guidance: float = Field(1.0, ge=0, description="classifier-free guidance scale (published: 1, none)")
    speech_guidance: float | None = Field(
        None,
        ge=0,
        exclude_if=lambda value: value is None,
        description="ours: guidance scale of speech alone, for networks trained with drop_speech: mouths of unknown "
        "faces move more, heads do not (published: that of guidance)",
    )
    window: Positive | None = Field(
        80, description="width of A2V's local attention, frames, half on either side (paper 4.1)"
    )
    pbnet_window: Positive | None = Field(400, description="width of PBNet's local attention, frames (paper 4.1)")
    solver: Solver = Field(
        "ddim",
        description="DDIM (published), or DPM-Solver++ 2M, which adds no noise after the start and needs fewer steps",
    )
    precision: Precision = Field(
        "auto",
        description="precision of matrix products and convolutions in U-Net and decoder; auto: bfloat16 on CUDA, else "
        "exact",
    )
    compile: bool = Field(
        False,
        description="on CUDA: compile the U-Net at the first video of each range of lengths, which takes minutes",
    )
    device: Device = Field("auto", description="auto: CUDA if there is one, else MPS, else CPU")
    max_memory: str | None = Field(
        None,
        pattern=r"^\d+(\.\d+)? ?(MiB|GiB|MB|GB)$",
        description="maximum memory of the process, such as 4GiB (on a GPU: its memory); work is divided to fit",
    )
    batch_frames: Positive | None = Field(
        None, description="frames decoded at once; affects speed and memory only; null: what suits the device"
    )
    threads: Positive = Field(2, description="CPU threads")
    sar: Sar = Sar()
    ttr: Ttr = Ttr()
    ar: Ar = Ar()

    @model_validator(mode="after")
    def _even(self) -> Generate:
        for name in ("window", "pbnet_window"):
            value = getattr(self, name)
            if value is not None and value % 2:
                raise ValueError(f"{name} must be even, got {value}")
        return self
