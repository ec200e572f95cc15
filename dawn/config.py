"""Every knob of the project, typed and validated, in one tree.

A run is reproducible from its resolved configuration alone: :func:`load` reads a YAML file into a :class:`Config`, and
``Config.dump`` writes it back with every default filled in. Each key states its unit and where its value comes from;
"paper" is the DAWN paper (section or appendix), "published" the authors' released code where it differs from the paper.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dawn.errors import InputError


class ConfigError(InputError):
    """A configuration that cannot be used: names the file, the key and what is allowed."""


Positive = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Device = Literal["auto", "cpu", "cuda", "mps"]


class Section(BaseModel):
    """Base of every section: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


# --------------------------------------------------------------------------------------------------------------- data
class DemoCorpus(Section):
    """The embedded corpus: drawn people who speak (``dawn/corpora/demo``)."""

    train_identities: Positive = Field(24, description="people in the training split")
    test_identities: Positive = Field(8, description="people in the test split, never trained on")
    train_utterances: Positive = Field(4, description="utterances of each training person")
    test_utterances: Positive = Field(2, description="utterances of each test person")
    seconds: float = Field(3.0, gt=0.9, le=60, description="seconds of each clip")


class FolderCorpus(Section):
    """Videos that a person already has on disk."""

    root: str = Field("data/raw", description="folder of videos, searched recursively")
    identity: str = Field(
        r"^(?P<identity>[^/]+)/",
        description="regular expression on the path below root; its group 'identity' names the person",
    )
    test_list: str | None = Field(None, description="text file naming the test clips, one stem a line")
    test_fraction: Fraction = Field(
        0.1, description="share of identities in the test split without a list (paper 4.1: 9:1)"
    )
    min_seconds: float = Field(1.0, gt=0, description="shorter videos are rejected, seconds")


class CremaCorpus(Section):
    """CREMA-D, fetched from its publisher (``dawn/corpora/crema.py``)."""

    root: str = Field("data/raw/crema", description="folder that the videos are fetched to")
    servers: tuple[str, ...] = Field(
        (
            "https://github.com/CheyneyComputerScience/CREMA-D.git",
            "https://gitlab.com/cs-cooper-lab/crema-d-mirror.git",
        ),
        min_length=1,
        description="repositories whose Git LFS storage has the videos, asked in this order",
    )
    test_actors: tuple[int, ...] = Field(
        (1015, 1020, 1021, 1030, 1033, 1052, 1062, 1081, 1082, 1089),
        description="actors of the test split: 820 clips (paper 4.1: as Diffused Heads)",
    )


class Fetching(Section):
    """How files come from the net."""

    jobs: Positive = Field(4, description="files fetched at once")


class Corpus(Section):
    name: str = Field("demo", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="names the folder data/<name>")
    kind: Literal["demo", "folder", "crema"] = Field("demo", description="where clips come from")
    resolution: int = Field(
        64, ge=32, le=1024, description="side of the square clips, pixels (paper 4.1: 128; A.4.2: 256)"
    )
    fps: Literal[25] = Field(25, description="frames a second (paper 4.1)")
    sample_rate: Literal[16000] = Field(16000, description="speech samples a second, Hz (what HuBERT takes)")
    shards: Positive = Field(2, description="jobs that share clip and feature extraction")
    seed: int = Field(1234, ge=0, description="seed of the drawn people, and of the split of a folder")
    demo: DemoCorpus = DemoCorpus()
    folder: FolderCorpus = FolderCorpus()
    crema: CremaCorpus = CremaCorpus()
    fetch: Fetching = Fetching()

    @model_validator(mode="after")
    def _sizes(self) -> Corpus:
        if self.resolution % 32:
            raise ValueError(f"resolution must be a multiple of 32, got {self.resolution}")
        return self


class Speech(Section):
    """One vector of speech features for each video frame (paper 3.3)."""

    encoder: str = Field(
        "logmel",
        min_length=1,
        description="'logmel', or a transformers speech encoder by hub name or local folder (paper: HuBERT)",
    )
    dim: Positive = Field(256, description="channels of the feature; 1024 for HuBERT large")
    mels: Positive = Field(32, description="logmel: mel bands")
    context: Positive = Field(8, description="logmel: 10 ms hops stacked for each frame, centred on it")
    chunk_seconds: float = Field(20.0, gt=1, description="encoder: seconds encoded at once (published: 20)")

    @model_validator(mode="after")
    def _dim(self) -> Speech:
        if self.encoder == "logmel" and self.dim != self.mels * self.context:
            raise ValueError(f"dim must be mels * context = {self.mels * self.context} for logmel, got {self.dim}")
        return self


class Features(Section):
    speech: Speech = Speech()
    detect_side: int = Field(
        256, ge=64, description="frames are enlarged to this side for the landmark detector, pixels"
    )
    min_face_share: Fraction = Field(
        0.9, description="a clip whose face is found in a smaller share of frames is rejected"
    )


# ------------------------------------------------------------------------------------------------------------ training
class Schedule(Section):
    """How long a stage trains: optimiser steps, or epochs over the training clips."""

    steps: Positive | None = Field(None, description="optimiser steps; exclusive with epochs")
    epochs: Positive | None = Field(None, description="passes over the training clips (paper A.2)")
    repeats: Positive = Field(1, description="samples drawn from each clip in an epoch (paper A.2: 25 on HDTF)")
    batch: Positive = Field(8, description="samples in an optimiser step")
    lr: float = Field(1e-3, gt=0, description="peak learning rate of Adam")
    lr_final: float = Field(1e-5, ge=0, description="learning rate at the end of the cosine")
    warmup: int = Field(0, ge=0, description="steps of linear warm-up")
    betas: tuple[float, float] = Field((0.9, 0.99), description="Adam's betas")
    weight_decay: Weight = Field(0.0, description="decoupled weight decay (AdamW)")
    clip_norm: Weight = Field(2.0, description="gradient norm limit, 0 for none (published: 2.0)")
    ema: Fraction = Field(0.0, description="decay of the averaged weights, 0 for none")
    checkpoint_every: Positive = Field(500, description="steps between checkpoints")
    keep: Positive = Field(1, description="checkpoints kept")
    log_every: Positive = Field(20, description="steps between log lines")
    threads: Positive = Field(2, description="CPU threads of a process; part of the result to the last bit")
    processes: Positive = Field(
        1, description="processes that share each batch on this machine, one GPU each; a launcher's number comes first"
    )
    accumulate: Positive = Field(
        1, description="passes in which a process computes its share of a batch, to fit its memory"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of what may be computed less exactly (published: half precision on GPUs)"
    )

    @model_validator(mode="after")
    def _length(self) -> Schedule:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give exactly one of steps and epochs")
        return self

    def total_steps(self, clips: int) -> int:
        """Optimiser steps for a training split of `clips` clips."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return max(1, self.epochs * self.repeats * clips // self.batch)


# ----------------------------------------------------------------------------------------------------------------- LFG
class Hourglass(Section):
    expansion: Positive = Field(64, description="channels after the first block are twice this")
    max_features: Positive = Field(1024, description="channels at most")
    blocks: Positive = Field(5, description="down (and up) blocks")
    scale: float = Field(0.25, gt=0, le=1, description="the image is reduced by this before it enters")


class LfgModel(Section):
    """Sizes of the latent flow generator (paper 3.2; published sizes are the defaults)."""

    expansion: Positive = Field(64, description="channels after the first convolution; the latent has 4 times as many")
    max_features: Positive = Field(512, description="channels at most in encoder and decoder")
    bottleneck_blocks: Positive = Field(6, description="residual blocks in the latent space")
    regions: Positive = Field(10, description="regions K")
    temperature: float = Field(0.1, gt=0, description="softmax temperature of the region heat maps")
    aligned_sampling: bool = Field(
        False,
        description="sample where grids point, so that the identity grid is no motion (published: no; enlarges by 4/S)",
    )
    region_predictor: Hourglass = Hourglass(expansion=32)
    background_predictor: Hourglass = Hourglass(expansion=32, scale=1.0)
    flow_predictor: Hourglass = Hourglass()


class LfgLoss(Section):
    """Weights of the LFG loss (paper eq. 5; the terms that the paper does not name are published ones or our own)."""

    pyramid: Weight = Field(0.0, description="mean absolute error, summed over image scales; needs no weights")
    perceptual: Weight = Field(
        10.0, description="VGG-19 feature distance, summed over image scales (paper eq. 5; published 10)"
    )
    scales: tuple[float, ...] = Field((1.0, 0.5, 0.25, 0.125), description="image scales of both (published)")
    mouth: Weight = Field(0.0, description="our own: mean absolute error inside the mouth box; 0 in the paper")
    eyes: Weight = Field(0.0, description="our own: mean absolute error inside the eye boxes; 0 in the paper")
    equivariance_shift: Weight = Field(10.0, description="published; not in the paper")
    equivariance_affine: Weight = Field(10.0, description="published; not in the paper")
    landmark_guidance: Weight = Field(
        0.0,
        description="our own: draws region k to the k-th group of landmarks, which shortens training; 0 in the paper",
    )
    guidance_until: Fraction = Field(
        1.0,
        description="share of training after which landmark_guidance falls to a tenth: landmarks are found with an "
        "error, which regions would keep",
    )


class LfgTrain(Schedule):
    loss: LfgLoss = LfgLoss()
    jitter: Fraction = Field(
        0.1, description="colour jitter of brightness, contrast, saturation and hue (published: 0.1)"
    )
    flip: Fraction = Field(
        0.25, description="probability of a horizontal flip (published: .5 of the half not time-reversed)"
    )
    blinks: Fraction = Field(
        0.0,
        description="our own: share of pairs whose driving frame is from the eighth of the clip with the most closed "
        "eyes",
    )


class Lfg(Section):
    model: LfgModel = LfgModel()
    train: LfgTrain = LfgTrain(steps=1)


# ------------------------------------------------------------------------------------------------------------- A2V-FDM
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
        None, description="levels with temporal attention, -1 the stem; none given: the stem and all levels (published)"
    )
    spatial_levels: tuple[int, ...] | None = Field(
        None, description="levels with linear spatial attention; none given: all"
    )
    relative_bias: bool = Field(
        True, description="learned relative position bias beside RoPE (published; the paper names RoPE only)"
    )
    condition_activation: Literal["silu", "none"] = Field(
        "silu", description="applied to raw conditions before their linear maps (published: silu)"
    )
    mask_channels: tuple[Positive, Positive] = Field((8, 16), description="channels of the face-mask embedder")
    train_mask_embedder: bool = Field(True, description="paper 3.3; the published training left it at its random start")

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
        "absolute", description="sampling grid itself (published), or its difference to the identity grid"
    )
    flow_range: float = Field(1.0, gt=0, description="flow is divided by this; absolute grids need 1")
    threshold_quantile: Fraction = Field(
        0.9, description="dynamic thresholding of the clean estimate, 0 for none (published: 0.9)"
    )


class A2vLoss(Section):
    lip: Weight = Field(1.0, description="w_lip of paper eq. 7 (A.2: 1; published 0.15, see lip_mean)")
    lip_mean: bool = Field(
        False, description="divide the lip term by the area of the lip mask (published), not of the frame (paper)"
    )
    eyes: Weight = Field(0.0, description="our own: the same weight for the eye boxes; 0 in the paper")
    clean: Weight = Field(0.0, description="squared error of the clean estimate (published 0.15; not in the paper)")
    occlusion: Weight = Field(1.0, description="relative weight of the occlusion channel")


class A2vStage(Schedule):
    source: Literal["first", "random"] = Field(
        "first", description="source frame: the clip's first, or any of its video (paper 3.5)"
    )
    frames_min: Positive = Field(
        20, description="frames drawn at least (K' in stage 1, K_min in stage 2; paper 3.5, numbers published)"
    )
    frames_max: Positive = Field(
        20, description="frames drawn at most (K' in stage 1, K_max in stage 2; paper A.4.4: 40)"
    )
    jitter: Fraction = Field(
        0.25, description="colour jitter of brightness, contrast and saturation, one draw a clip (published: 0.25)"
    )
    drop: Fraction = Field(0.1, description="probability that the conditions of a frame are dropped (published: 0.1)")
    loss: A2vLoss = A2vLoss()

    @model_validator(mode="after")
    def _frames(self) -> A2vStage:
        if self.frames_min > self.frames_max:
            raise ValueError(f"frames_min = {self.frames_min} exceeds frames_max = {self.frames_max}")
        return self


class A2v(Section):
    model: UnetModel = UnetModel()
    diffusion: Diffusion = Diffusion()
    pose_unit: tuple[float, float, float, float, float, float] = Field(
        (1, 1, 1, 1, 1, 1),
        description="pose differences are divided by these before the network sees them (published: raw); a negative "
        "unit turns the axis round",
    )
    blink_unit: float = Field(1.0, gt=0, description="blink differences are divided by this (published: raw)")
    stage1: A2vStage = A2vStage(steps=1)
    stage2: A2vStage = A2vStage(steps=1, source="random", frames_min=30, frames_max=40)

    @model_validator(mode="after")
    def _curriculum(self) -> A2v:
        if not all(self.pose_unit):
            raise ValueError("pose_unit must not be 0 in any component")
        if self.stage2.frames_min < self.stage1.frames_max:
            raise ValueError("stage2.frames_min must not be below stage1.frames_max (paper 3.5: K_min > K')")
        return self


# --------------------------------------------------------------------------------------------------------------- PBNet
class PbnetModel(Section):
    """Sizes of the transformer VAE (paper 3.4; published sizes are the defaults)."""

    latent: Positive = Field(64, description="width of pose embeddings and of the decoder")
    audio_latent: Positive = Field(256, description="width of the audio embedding and of the latent code h")
    feed_forward: Positive = Field(128, description="width of the feed-forward layers")
    layers: Positive = Field(2, description="layers of encoder and decoder")
    heads: Positive = Field(4, description="attention heads")
    head_dim: Positive = Field(32, description="channels of each decoder head")
    rope_dim: Positive = Field(32, description="rotated channels of each decoder head (published: 4)")
    relative_bias: bool = Field(
        True, description="learned relative position bias beside RoPE (published; the paper names RoPE only)"
    )
    buckets: Positive = Field(128, description="buckets of that bias")
    max_distance: Positive = Field(128, description="frames at which they saturate")
    dropout: Fraction = Field(0.1, description="dropout in training (published)")
    latent_correlation: tuple[Weight, ...] = Field(
        (),
        description="deviations of Gaussian filters, frames, that channels of the latent noise take in turn; "
        "none: independent from frame to frame (paper 3.4)",
    )


class PbnetLoss(Section):
    """Weights of paper eq. 13."""

    reconstruction: Weight = Field(1.0, description="lambda_rec (paper A.2)")
    gan: Weight = Field(0.6, description="lambda_GAN (paper A.2; published 1)")
    kl: Weight = Field(0.01, description="lambda_KL at the end (paper A.2; published 0.004)")
    kl_start: Fraction = Field(
        0.25, description="share of training before lambda_KL starts to rise (paper A.2: 400 of 1600 epochs)"
    )


class PbnetTrain(Schedule):
    frames: Positive = Field(200, description="frames of a training sequence (paper 4.1)")
    loss: PbnetLoss = PbnetLoss()


class Pbnet(Section):
    joint: bool = Field(True, description="one network for pose and blink (paper 3.4), or one each (published)")
    pose_min: tuple[float, float, float, float, float, float] = Field(
        (-90, -90, -90, 0, 0, 0), description="pose that becomes 0 in PBNet (yaw, pitch, roll in degrees, scale, x, y)"
    )
    pose_max: tuple[float, float, float, float, float, float] = Field(
        (90, 90, 90, 1, 720, 1080), description="pose that becomes 1 (published)"
    )
    blink_max: float = Field(1.0, gt=0, description="eye aspect ratio that becomes 1 (published: 1, not normalised)")
    model: PbnetModel = PbnetModel()
    train: PbnetTrain = PbnetTrain(steps=1)

    @model_validator(mode="after")
    def _range(self) -> Pbnet:
        if any(low == high for low, high in zip(self.pose_min, self.pose_max, strict=True)):
            raise ValueError("pose_min must differ from pose_max in every component")
        return self


# ------------------------------------------------------------------------------------------------ generation, measures
class Generate(Section):
    """Sampling (paper 3.6 and 4.1)."""

    steps: Positive = Field(20, description="DDIM steps (published)")
    eta: Fraction = Field(1.0, description="DDIM eta: 1 stochastic (published), 0 deterministic")
    guidance: float = Field(1.0, ge=0, description="classifier-free guidance scale (published: 1, none)")
    window: Positive | None = Field(
        80, description="A2V local attention, frames; each frame sees half on either side (paper 4.1)"
    )
    pbnet_window: Positive | None = Field(400, description="PBNet local attention, frames (paper 4.1)")
    solver: Literal["ddim", "dpm++"] = Field(
        "ddim",
        description="DDIM (published), or DPM-Solver++ 2M, which draws no noise after the start and needs fewer steps",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of products in U-Net and decoder; bfloat16 is faster and inexact"
    )
    compile: bool = Field(
        False, description="compile the U-Net for this machine first: takes minutes, needs a C++ compiler on a CPU"
    )
    device: Device = Field("auto", description="auto: CUDA if there is one, else MPS, else CPU")
    max_memory: str | None = Field(
        None,
        pattern=r"^\d+(\.\d+)? ?(MiB|GiB|MB|GB)$",
        description="memory of the process at most, such as 4GiB (of the GPU, on one); work is split to keep to it",
    )
    batch_frames: Positive = Field(4, description="frames decoded at once; changes speed and memory, never the video")
    threads: Positive = Field(2, description="CPU threads")

    @model_validator(mode="after")
    def _even(self) -> Generate:
        for name in ("window", "pbnet_window"):
            value = getattr(self, name)
            if value is not None and value % 2:
                raise ValueError(f"{name} must be even, got {value}")
        return self


class SyncnetModel(Section):
    """The lip-sync judge: structure of the original SyncNet, trained by the pipeline on the corpus' training split."""

    side: Positive = Field(224, description="side of the mouth crop, pixels (original: 224)")
    width: float = Field(1.0, gt=0, description="channels relative to the original's")
    train: Schedule = Schedule(steps=1)


METRICS = ("fvd16", "fvd32", "lse_c_own", "lse_d_own", "csim_dlib", "bas", "blink_per_s", "fd_efficientnet")


class Evaluate(Section):
    metrics: tuple[str, ...] = Field(METRICS, description="columns of the table, in order")
    max_clips: Positive | None = Field(
        None, description="test clips measured at most, spread over identities; none: all"
    )
    inference_frames: Positive | None = Field(
        None, description="frames generated for each test clip (paper 4.1: 200 on HDTF); none: as the true clip"
    )
    bootstrap: int = Field(1000, ge=10, description="resamples over clips")
    interval: float = Field(0.95, gt=0, lt=1, description="coverage of the intervals")
    seed: int = Field(1234, ge=0, description="seed of the bootstrap")
    threads: Positive = Field(2, description="CPU threads of the measuring networks")
    syncnet: SyncnetModel = SyncnetModel()
    paper_dataset: Literal["crema", "hdtf"] | None = Field(
        None, description="which of the paper's rows stand beside ours; none: both"
    )

    @model_validator(mode="after")
    def _known(self) -> Evaluate:
        unknown = [m for m in self.metrics if m not in METRICS]
        if unknown:
            raise ValueError(f"unknown metric {unknown[0]!r}; known: {', '.join(METRICS)}")
        return self


class Config(Section):
    """The whole tree."""

    name: str = Field("demo", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="names the folder results/<name>")
    seed: int = Field(1234, ge=0, description="seed of training and generation (published: 1234)")
    corpus: Corpus = Corpus()
    features: Features = Features()
    lfg: Lfg = Lfg()
    pbnet: Pbnet = Pbnet()
    a2v: A2v = A2v()
    generate: Generate = Generate()
    evaluate: Evaluate = Evaluate()

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        down = 2 ** (len(self.a2v.model.multipliers) - 1)
        if self.latent_side % down:
            raise ValueError(
                f"corpus.resolution = {self.corpus.resolution} gives motion of side {self.latent_side}, "
                f"not divisible by {down}, which a2v.model.multipliers needs"
            )
        return self

    @property
    def latent_side(self) -> int:
        """Side h = w of the motion, latent pixels (a quarter of the image; paper 3.2)."""
        return self.corpus.resolution // 4

    def dump(self) -> str:
        """YAML with every default filled in; ``load`` of it gives this configuration."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def parse(tree: Any, origin: str = "configuration") -> Config:
    """A validated :class:`Config` from a plain dictionary. Raises :class:`ConfigError` naming the first bad key."""
    if not isinstance(tree, dict):
        raise ConfigError(f"{origin}: expected keys and values, found {type(tree).__name__}")
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top level)"
        if first["type"] == "extra_forbidden":
            problem = f"unknown key; {_known_keys(first['loc'][:-1])}"
        else:
            problem = first["msg"].removeprefix("Value error, ")
            value = first.get("input")
            if isinstance(value, str | int | float | bool | None | list):
                problem += f" (found {value!r})"
        raise ConfigError(f"{origin}: {key}: {problem}") from None


def load(path: str | os.PathLike[str]) -> Config:
    """Read one YAML file. Raises :class:`ConfigError` when it is missing, is not YAML or holds a bad key."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error.__class__.__name__})") from None
    return loads(text, str(path))


def loads(text: str, origin: str = "configuration") -> Config:
    """A validated :class:`Config` from YAML text, such as :meth:`Config.dump` gives. Raises :class:`ConfigError`."""
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin}: not YAML: {' '.join(str(error).split())}") from None
    return parse(tree, origin)


def schema() -> str:
    """The JSON schema of the tree, as kept in ``config/schema.json``."""
    return json.dumps(Config.model_json_schema(), indent=1) + "\n"


def _known_keys(location: tuple[int | str, ...]) -> str:
    node: Any = Config
    for part in location:
        field = getattr(node, "model_fields", {}).get(part)
        node = field.annotation if field is not None else None
    names = getattr(node, "model_fields", None)
    return f"known keys: {', '.join(names)}" if names else "it has no such section"
