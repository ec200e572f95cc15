"""The audio-to-video flow diffusion model, A2V-FDM (paper 3.3 and 3.5)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from dawn.config.base import Fraction, Positive, Section, Weight
from dawn.config.schedule import Schedule


class UnetModel(Section):
    """Sizes of the 3-D U-Net (paper 3.3; published sizes are the defaults)."""

    dim: Positive = Field(64, description="channels of the first level")
    multipliers: tuple[Positive, ...] = Field((1, 2, 4, 8), description="channels of each level, in units of dim")
    heads: Positive = Field(8, description="heads of spatial and temporal attention")
    head_dim: Positive = Field(32, description="channels of each of these heads")
    cross_heads: Positive = Field(8, description="heads of the cross-attention to conditions")
    cross_head_dim: Positive = Field(8, description="channels of each of these heads")
    groups: Positive = Field(8, description="groups of the group normalisation")
    init_kernel: Positive = Field(7, description="side of the first convolution, latent pixels")
    temporal_levels: tuple[int, ...] | None = Field(
        None, description="levels with temporal attention, -1 for the stem; none: the stem and all levels (published)"
    )
    spatial_levels: tuple[int, ...] | None = Field(None, description="levels with linear spatial attention; none: all")
    relative_bias: bool = Field(
        True, description="learned relative position bias in addition to RoPE (published; paper: RoPE only)"
    )
    condition_activation: Literal["silu", "none"] = Field(
        "silu", description="activation of raw conditions before their linear maps (published: silu)"
    )
    mask_channels: tuple[Positive, Positive] = Field((8, 16), description="channels of the face-mask embedder")
    train_mask_embedder: bool = Field(
        True, description="train the face-mask embedder (paper 3.3); the published training kept its random weights"
    )

    @model_validator(mode="after")
    def _levels(self) -> UnetModel:
        for m in self.multipliers:
            if (self.dim * m) % self.groups:
                raise ValueError(f"dim * multiplier = {self.dim * m} must be a multiple of groups = {self.groups}")
        for name in ("temporal_levels", "spatial_levels"):
            for level in getattr(self, name) or ():
                if not -1 <= level < len(self.multipliers):
                    raise ValueError(f"{name} names level {level}; levels are -1 (stem) to {len(self.multipliers) - 1}")
        return self


class Diffusion(Section):
    """Gaussian diffusion on motion (paper eq. 1, 2 and 6)."""

    timesteps: Positive = Field(1000, description="diffusion steps T (published)")
    objective: Literal["noise", "clean", "v"] = Field(
        "noise", description="what the network predicts (paper eq. 2: noise)"
    )
    flow: Literal["absolute", "residual"] = Field(
        "absolute", description="the sampling grid (published), or its difference from the identity grid"
    )
    flow_range: float = Field(1.0, gt=0, description="divisor of the flow; absolute grids need 1")
    threshold_quantile: Fraction = Field(
        0.9, description="dynamic thresholding of the clean estimate, 0 for none (published: 0.9)"
    )


class A2vLoss(Section):
    lip: Weight = Field(1.0, description="w_lip of paper eq. 7 (A.2: 1; published 0.15, see lip_mean)")
    lip_mean: bool = Field(
        False, description="divide the lip term by the area of the lip mask (published), not of the frame (paper)"
    )
    eyes: Weight = Field(0.0, description="ours: the same weight for the eye boxes (paper: 0)")
    clean: Weight = Field(
        0.0, description="weight of the squared error of the clean estimate (published: 0.15; not in the paper)"
    )
    occlusion: Weight = Field(1.0, description="relative weight of the occlusion channel")


class A2vStage(Schedule):
    source: Literal["first", "random"] = Field(
        "first", description="source frame: the first of the clip, or any frame of its video (paper 3.5)"
    )
    frames_min: Positive = Field(
        20,
        description="minimum frames of a training clip (K' in stage 1, K_min in stage 2; paper 3.5, values published)",
    )
    frames_max: Positive = Field(
        20, description="maximum frames of a training clip (K' in stage 1, K_max in stage 2; paper A.4.4: 40)"
    )
    jitter: Fraction = Field(
        0.25, description="colour jitter of brightness, contrast and saturation, drawn once per clip (published: 0.25)"
    )
    step_draws: Positive = Field(
        1,
        description="the diffusion step of a clip is the largest of this many uniform draws (paper: 1): with more, "
        "training spends its steps where motion must come from speech, not from the noisy motion",
    )
    drop: Fraction = Field(0.1, description="probability of dropping the conditions of a frame (published: 0.1)")
    drop_speech: Fraction = Field(
        0.0,
        exclude_if=lambda value: value == 0,
        description="ours: probability of dropping the speech of a clip, for generate.speech_guidance (paper: 0)",
    )
    recompute: bool = Field(
        False,
        description="recompute the activations of the U-Net's layers in the backward pass: a part of the memory, a "
        "quarter more time",
    )
    compile: bool = Field(
        False, description="on CUDA: compile the step of the U-Net for each range of lengths, which takes minutes"
    )
    loss: A2vLoss = A2vLoss()

    @model_validator(mode="after")
    def _frames(self) -> A2vStage:
        if self.frames_min > self.frames_max:
            raise ValueError(f"frames_min = {self.frames_min} exceeds frames_max = {self.frames_max}")
        return self


class TwoResolutions(Section):
    """The two networks of the strategy with two temporal resolutions (paper 4.3, Harvey et al. 2022)."""

    spacing: int = Field(4, ge=2, description="frames from one keyframe to the next (ours; not in the paper)")
    train: A2vStage | None = Field(
        None, description="training of each network, which starts from A2V's weights; none: like the last stage of A2V"
    )


class A2v(Section):
    model: UnetModel = UnetModel()
    diffusion: Diffusion = Diffusion()
    pose_unit: tuple[float, float, float, float, float, float] = Field(
        (1, 1, 1, 1, 1, 1),
        description="divisors of the pose differences that condition the network (published: 1); a negative divisor "
        "inverts the axis",
    )
    blink_unit: float = Field(
        1.0, gt=0, description="divisor of the blink differences that condition the network (published: 1)"
    )
    curriculum: Literal["both", "stage1", "stage2"] = Field(
        "both",
        description="both stages (paper 3.5), or one stage trained on as many frames as both (paper 4.5)",
    )
    pose_blink: bool = Field(
        True, description="condition on pose and blink; false: no PBNet, speech alone (paper 4.5, 'w/o PBNet')"
    )
    start: str | None = Field(
        None,
        description="initial weights of the first stage: a file of another run's A2V, or pretrained:a2v_stage2 (paper: "
        "none)",
    )
    stage1: A2vStage = A2vStage(steps=1)
    stage2: A2vStage = A2vStage(steps=1, source="random", frames_min=30, frames_max=40)
    ttr: TwoResolutions = TwoResolutions()

    @model_validator(mode="after")
    def _curriculum(self) -> A2v:
        if not all(self.pose_unit):
            raise ValueError("pose_unit must not be 0 in any component")
        if self.stage2.frames_min < self.stage1.frames_max:
            raise ValueError("stage2.frames_min must not be below stage1.frames_max (paper 3.5: K_min > K')")
        if self.curriculum != "both" and (self.stage1.steps is None) != (self.stage2.steps is None):
            raise ValueError("the length of a single stage needs both stages in steps, or both in epochs")
        return self
