"""Measurements that plans are computed from: of ``measured.yaml``, and of tables that the benchmarks write."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from dawn.config import Config, LfgModel, PbnetModel, Section, UnetModel
from dawn.errors import InputError
from dawn.fingerprint import fingerprint
from dawn.media.csv_files import read_rows

Products = Literal["exact", "tf32", "bfloat16"]  # as dawn.precision.Products, which needs torch
PUBLISHED = "published"  # network of the published sizes

_DATA = Path(__file__).with_name("measured.yaml")
_NEAREST: dict[Products, tuple[Products, ...]] = {  # precisions whose step stands for another's, in order
    "bfloat16": ("bfloat16", "tf32", "exact"),
    "tf32": ("tf32", "exact", "bfloat16"),
    "exact": ("exact", "tf32", "bfloat16"),
}


class StepMeasurement(Section):
    """Time and memory of one training step on one GPU."""

    device: str = Field(min_length=1)  # as torch.cuda.get_device_name
    torch: str
    code: str  # commit
    stage: str
    network: str  # see network_of
    side: int = Field(ge=1)  # of the clips, pixels
    batch: int = Field(ge=1)  # samples
    frames: float = Field(gt=0)  # of a sample
    precision: Products
    compiled: bool = False
    recompute: bool = False
    seconds: float = Field(gt=0)  # of the step
    drawing: float = Field(0.0, ge=0)  # of these, seconds that the training process drew the batch
    peak_gib: float | None = Field(None, gt=0)  # peak memory of the GPU


class Passes(Section):
    """Seconds of a denoiser's pass of a video at two lengths, replayed from a CUDA graph."""

    precision: Products
    frames: tuple[int, int]
    seconds: tuple[float, float]


class Generation(Section):
    """Generation of one video on one GPU, at `side` pixels."""

    device: str
    side: int
    passes: tuple[Passes, ...]
    decoding: float  # seconds per frame
    pose_blink: float  # seconds per video


class StoreLoading(Section):
    """Loading from clips that are packed in one way (``data.store``)."""

    frame_bytes: int  # of a frame, without features
    lfg: float  # core-seconds to draw and load a sample
    a2v: float
    a2v_frames: int  # of a sample, the source frame included
    packing: float  # core-seconds to pack a frame


class Loading(Section):
    """Loading of samples from packed clips of `side` pixels, by one core."""

    side: int
    pbnet: float  # core-seconds to draw and load a sample, which has no frames of the video
    pbnet_frames: int  # of a sample
    stores: dict[str, StoreLoading]  # by data.store


class Processors(Section):
    """Seconds of one CPU core."""

    clip_and_face: float  # per frame: cutting a clip and detecting its face
    pose_3ddfa: float  # per frame, in addition
    encoder: float  # per second of sound
    scores: float  # per frame of a method, without SyncNet
    scores_syncnet: float  # per frame of a method: SyncNet of full width at syncnet_side pixels
    syncnet_side: int


class Counts(Section):
    """Quantities that were counted, not timed."""

    kernels: dict[str, int]  # of a pass of a training step, by stage
    kernel_seconds: float  # to launch one
    gflop_a_sample: dict[str, float]  # of a training step, by stage
    pbnet_frames: int  # of its sample
    fixed_gib: dict[str, float]  # weights, gradients, optimiser and frozen networks, by stage
    kept_gib_a_frame: float  # that an A2V step keeps per frame of a sample, at kept_side pixels
    recomputing_gib_a_frame: float  # the same with recompute
    kept_side: int


class Declared(Section):
    """Factors that are assumptions, neither measured nor counted."""

    usable_memory: float  # share of a card's memory that tensors may take
    recompute_time: float  # factor of a step's time with recompute
    exchange_efficiency: float  # of several GPUs, for the exchange of gradients


class Measurements(Section):
    """All of ``measured.yaml``."""

    steps: tuple[StepMeasurement, ...]
    generation: Generation
    loading: Loading
    processors: Processors
    counts: Counts
    declared: Declared


def network_of(config: Config, stage: str) -> str:
    """Name the sizes of the networks of a stage: ``published``, or a fingerprint of other sizes."""
    models: list[tuple[Section, Section]] = [(config.lfg.model, LfgModel())]
    if stage == "pbnet":  # the number of rotated channels takes no time
        models = [(config.pbnet.model, PbnetModel(rope_dim=config.pbnet.model.rope_dim))]
    elif stage != "lfg":  # nor does the training of the mask embedder
        models.append((config.a2v.model, UnetModel(train_mask_embedder=config.a2v.model.train_mask_embedder)))
    if all(own == published for own, published in models):
        return PUBLISHED
    return fingerprint([own.model_dump(mode="json") for own, _ in models])[:12]


@functools.cache
def measurements() -> Measurements:
    """Read ``measured.yaml``."""
    tree = yaml.safe_load(_DATA.read_text(encoding="utf-8"))
    steps = [run["common"] | row for run in tree["steps"] for row in run["rows"]]
    return Measurements.model_validate(tree | {"steps": steps})


def read_steps(path: Path) -> tuple[StepMeasurement, ...]:
    """Read the table ``stages.csv`` of ``python -m benchmarks engine --only stages``.

    Raises InputError naming the row and column of the first value that is none of such a table.
    """
    rows = read_rows(path)
    found = []
    for number, row in enumerate(rows, start=2):
        try:
            found.append(StepMeasurement.model_validate({key: value for key, value in row.items() if value}))
        except ValidationError as error:
            first = error.errors()[0]
            column = ".".join(str(part) for part in first["loc"])
            raise InputError(
                f"{path}: row {number}, column {column}: {first['msg']}; give the table stages.csv of "
                "'python -m benchmarks engine --only stages --device cuda'"
            ) from None
    if not found:
        raise InputError(f"{path}: no measured step")
    if len({step.device for step in found}) > 1:
        raise InputError(f"{path}: steps of several devices; give one file of one device")
    return tuple(found)


def step_for(
    config: Config, stage: str, precision: Products, compiled: bool, *sources: Sequence[StepMeasurement]
) -> StepMeasurement | None:
    """Return the measured step that is nearest to that of a stage, of the first of `sources` that has one.

    The networks must have the same sizes. Of these, the nearest precision counts, then the same `compiled`, then the
    nearest frame size.
    """
    network = network_of(config, stage)
    for steps in sources:
        fitting = [step for step in steps if (step.stage, step.network) == (stage, network)]
        if fitting:
            order = _NEAREST[precision]
            return min(
                fitting,
                key=lambda step: (
                    order.index(step.precision),
                    step.compiled != compiled,
                    abs(step.side - config.corpus.resolution),
                ),
            )
    return None
