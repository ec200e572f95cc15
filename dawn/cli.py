"""Command line ``dawn``: generation, and every step of the workflow."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from dawn.choices import Device, Precision, Solver
from dawn.commands import ListOptionsCommand, run_app, version_option
from dawn.errors import InputError
from dawn.plan.command import app as planning
from dawn.shipping.command import app as shipping

if TYPE_CHECKING:
    from dawn.config import Config
    from dawn.paths import Paths

app = typer.Typer(
    help="DAWN: talking heads by non-autoregressive diffusion.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
baseline = typer.Typer(help="The systems that DAWN is compared with.")
app.add_typer(planning)
app.add_typer(shipping)
app.add_typer(baseline, name="baseline", rich_help_panel="Weights and baselines")

_WEIGHTS, _STEPS = "Weights and baselines", "Steps of the workflow"
_SPEED = "Speed and memory (default: the run's settings)"

DEMO = Path("config/demo.yaml")
RunFolder = Annotated[
    Path | None,
    typer.Option(
        "--run", metavar="DIR", show_default="the pre-trained run of this package", help="folder of a trained run"
    ),
]
ConfigFile = Annotated[Path, typer.Option("--config", metavar="FILE", help="configuration of the run")]
Shard = Annotated[int, typer.Option("--shard", min=0, help="which of corpus.shards, from 0")]
Published = Annotated[Path | None, typer.Option(metavar="FILE", help="use this file instead of searching DIR for it")]
BaselineName = Annotated[str, typer.Argument(metavar="NAME", help="as 'dawn baseline list' prints it")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 on success, 2 with one line on standard error for wrong usage or unusable input, 130 after Ctrl-C.
    """
    return run_app("dawn", app, arguments, extra="train")


@app.callback()
def dawn(*, version: Annotated[bool, version_option("dawn")] = False) -> None: ...


def _stages() -> tuple[str, ...]:
    from dawn.stages import SPEECH, STAGES

    return (*STAGES, SPEECH)


def _methods() -> tuple[str, ...]:
    from dawn.methods import generated_methods

    return generated_methods()


def _known_stage(stage: str) -> str:
    if stage not in _stages():
        raise typer.BadParameter(f"no stage {stage!r}; stages are {', '.join(_stages())}")
    return stage


class _MethodCommand(TyperCommand):
    """A typer command whose help lists the methods; they are discovered only when the help is printed."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.help = f"{self.help}\n\nMethods: {', '.join(_methods())}."
        super().format_help(ctx, formatter)


def _known_method(method: str) -> str:
    if method not in _methods():
        raise typer.BadParameter(f"no method {method!r}; methods are {', '.join(_methods())}")
    return method


def _setup(config: Path) -> tuple[Config, Paths]:
    from dawn.config import load
    from dawn.paths import Paths

    settings = load(config)
    return settings, Paths.of(settings)


# ---------------------------------------------------------------------------------------------------------- generation
# Heavy libraries are imported by the command that needs them, so that help and errors are immediate.
@app.command(epilog="Example: dawn generate portrait.png speech.wav -o out.mp4 --seed 1")
def generate(
    portrait: Annotated[Path, typer.Argument(metavar="PORTRAIT", help="image with one face")],
    speech: Annotated[Path, typer.Argument(metavar="SPEECH", help="sound in any format, or a video with sound")],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.mp4", help="video to write")],
    run: RunFolder = None,
    pose_from: Annotated[
        Path | None, typer.Option(metavar="VIDEO", help="use the head pose and blinks of this video")
    ] = None,
    seed: Annotated[int, typer.Option(help="random seed: another seed gives another performance")] = 0,
    device: Annotated[
        Device | None, typer.Option(rich_help_panel=_SPEED, help="auto: CUDA if there is a GPU, else MPS, else CPU")
    ] = None,
    max_memory: Annotated[
        str | None, typer.Option(rich_help_panel=_SPEED, metavar="SIZE", help="limit such as 4GiB; the video is equal")
    ] = None,
    threads: Annotated[int | None, typer.Option(rich_help_panel=_SPEED, help="CPU threads")] = None,
    steps: Annotated[
        int | None, typer.Option(rich_help_panel=_SPEED, help="sampling steps; fewer are faster and change the video")
    ] = None,
    solver: Annotated[
        Solver | None, typer.Option(rich_help_panel=_SPEED, help="dpm++ needs fewer steps than ddim")
    ] = None,
    precision: Annotated[
        Precision | None, typer.Option(rich_help_panel=_SPEED, help="of products; auto: bfloat16 on CUDA, else exact")
    ] = None,
    compile: Annotated[
        bool | None,
        typer.Option("--compile", rich_help_panel=_SPEED, help="on CUDA: compile first, which takes minutes"),
    ] = None,
) -> None:
    """Generate a talking video from a portrait and speech."""
    from dawn.seeds import checked_seed

    checked_seed(seed)
    from dawn.api import check_output, load

    check_output(output)
    talker = load(
        run,
        device,
        max_memory=max_memory,
        threads=threads,
        steps=steps,
        solver=solver,
        precision=precision,
        compile=compile,
    )
    video = talker.generate(portrait, speech, pose_from=pose_from, seed=seed, progress=True)
    clock = time.perf_counter()
    video.save(output)
    print(f"Networks: {talker.description}", file=sys.stderr)
    print(
        f"{output}: {len(video)} frames; motion {video.motion_seconds:.1f} s, "
        f"decoding {time.perf_counter() - clock:.1f} s; synthetic, marked so in its metadata"
    )


@app.command(epilog="Example: dawn doctor --run results/released128 --seconds 30")
def doctor(
    *,
    run: RunFolder = None,
    seconds: Annotated[float, typer.Option(help="length of the video to estimate for")] = 10.0,
    json: Annotated[bool, typer.Option("--json", help="print the findings as JSON")] = False,
) -> None:
    """Check whether this machine can generate with a run, and estimate how long it takes."""
    if not 0 < seconds <= 3600:
        raise InputError(f"--seconds must be between 0 and 3600, got {seconds:g}")
    from dawn.doctor import examine, report

    findings = examine(run, seconds)
    print(report(findings, as_json=json))
    if findings.reason is not None:
        raise InputError(findings.reason)


# ----------------------------------------------------------------------------------------------- weights and baselines
@app.command("import-released", rich_help_panel=_WEIGHTS, epilog="Example: dawn import-released path/to/downloads")
def import_released(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="folder of the published files")],
    *,
    config: Annotated[Path, typer.Option(metavar="FILE", help="configuration that the weights are for")] = Path(
        "config/released128.yaml"
    ),
    results: Annotated[Path, typer.Option(metavar="DIR", help="folder of the runs")] = Path("results"),
    lfg: Published = None,
    dawn: Published = None,
    pbnet_pose: Published = None,
    pbnet_eye: Published = None,
    mask_seed: Annotated[
        int,
        typer.Option(help="seed of the face-mask embedder, which no published file holds (published training: 1234)"),
    ] = 1234,
) -> None:
    """Convert the authors' published weights to a run."""
    from dawn.config import load

    settings = load(config)
    from dawn.paths import Paths
    from dawn.released.run import import_released, summary

    files = {"lfg": lfg, "dawn": dawn, "pbnet_pose": pbnet_pose, "pbnet_eye": pbnet_eye}
    named = {role: path for role, path in files.items() if path is not None}
    report = import_released(folder, settings, results, named=named, mask_seed=mask_seed)
    print(summary(report, Paths.of(settings, results=results).run))


@app.command(
    "weights", cls=ListOptionsCommand, rich_help_panel=_WEIGHTS, epilog="Example: dawn weights --for metrics --fetch"
)
def list_weights(
    *,
    purposes: Annotated[
        list[str] | None,
        typer.Option(
            "--for",
            metavar="WHAT...",
            show_default="all",
            help="only those of a configuration (hdtf128), of the metrics, or single ones; absent ones are an error",
        ),
    ] = None,
    mirror: Annotated[Path | None, typer.Option(metavar="DIR", help="folder to copy absent files from")] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="download absent files from their publishers")] = False,
) -> None:
    """List, check and download the weights of networks."""
    from dawn import weights

    names = weights.entries_for(purposes or [])
    absent = weights.provide(names, mirror, fetch)
    wrong = []
    for name in names:
        entry, status = weights.registry()[name], weights.status_of(name)
        size = f"{entry.size / 1e6:.0f} MB" if entry.size else "size unknown"
        print(f"{status.state:10}  {name}: {entry.what} ({size}; {entry.terms})")
        if status.local is not None:
            print(f"{'':12}{status.local.path}")
        elif entry.package is None:
            print(f"{'':12}{entry.url}")
        if status.state == "wrong hash" and status.local is not None:
            wrong.append(f"{status.local.path} has sha256 {status.local.sha256}, expected {status.expected}")
    print(f"{'store':10}  {weights.store()}")
    if wrong:
        raise InputError(f"wrong weights: {'; '.join(wrong)}")
    if absent and (purposes or fetch):
        raise weights.MissingWeights(
            f"absent: {', '.join(absent)}; add --fetch to fetch them, --mirror DIR to copy them from a folder"
        )


@baseline.command("list", epilog="Example: dawn baseline list")
def baseline_list() -> None:
    """List the baselines, their terms, and which are set up."""
    from dawn.baselines.declaration import declared
    from dawn.baselines.setup import Setup, missing

    for name, entry in declared().items():
        setup = Setup.of(name)
        lines, videos = missing(entry, setup), len(setup.videos())
        state = f"{len(lines)} requirements missing" if lines else "set up"
        print(f"{name:<16}{entry.citation.year}  {state}, {videos} videos supplied in {setup.home}")
        print(f"{'':<16}code: {entry.licence.code or 'not verified'}")
        print(f"{'':<16}weights: {entry.licence.weights or 'not verified'}")


@baseline.command("check", epilog="Example: dawn baseline check sadtalker")
def baseline_check(name: BaselineName) -> None:
    """Print what a baseline needs before it can run."""
    from dawn.baselines.declaration import load
    from dawn.baselines.setup import Setup, missing

    lines = missing(load(name), Setup.of(name))
    for line in lines:
        print(f"{name}: {line}")
    if lines:
        raise InputError(f"{name} is not set up; missing: {len(lines)} (docs/how-to/baseline.md)")
    print(f"{name}: set up")


@baseline.command("run", epilog="Example: dawn baseline run sadtalker --config config/hdtf128.yaml")
def baseline_run(name: BaselineName, *, config: ConfigFile = DEMO) -> None:
    """Generate the test videos of a baseline, or take those generated elsewhere."""
    from dawn.baselines.declaration import load
    from dawn.baselines.setup import Setup

    entry = load(name)
    from dawn.baselines.videos import make_videos

    make_videos(name, entry, *_setup(config), Setup.of(name))


@app.command(rich_help_panel=_WEIGHTS, epilog="Example: dawn schema > config/schema.json")
def schema() -> None:
    """Print the JSON schema of the configuration."""
    from dawn.config import schema

    print(schema(), end="")


# ----------------------------------------------------------------------------------------------- steps of the workflow
@app.command(rich_help_panel=_STEPS, epilog="Example: dawn corpus --config config/hdtf128.yaml")
def corpus(*, config: ConfigFile = DEMO) -> None:
    """Fetch or find the corpus and list its clips."""
    from dawn.features.corpus import prepare_corpus
    from dawn.features.summary import corpus_line

    settings, paths = _setup(config)
    prepare_corpus(settings, paths)
    print(corpus_line(paths))


@app.command(rich_help_panel=_STEPS, epilog="Example: dawn clips --shard 0")
def clips(*, config: ConfigFile = DEMO, shard: Shard) -> None:
    """Cut the clips of one shard of the corpus."""
    from dawn.features.shards import make_clips
    from dawn.features.summary import shard_line

    settings, paths = _setup(config)
    make_clips(settings, paths, shard)
    print(shard_line(settings, paths, "clips", shard))


@app.command(rich_help_panel=_STEPS, epilog="Example: dawn features --shard 0")
def features(*, config: ConfigFile = DEMO, shard: Shard) -> None:
    """Extract the features of the clips of one shard."""
    from dawn.features.shards import make_features
    from dawn.features.summary import shard_line

    settings, paths = _setup(config)
    make_features(settings, paths, shard)
    print(shard_line(settings, paths, "features", shard))


@app.command(rich_help_panel=_STEPS, epilog="Example: dawn pack --shard 0")
def pack(*, config: ConfigFile = DEMO, shard: Shard) -> None:
    """Pack the training clips of one shard into the file that training reads."""
    from dawn.features.pack import pack as pack_shard
    from dawn.features.summary import pack_line

    settings, paths = _setup(config)
    pack_shard(settings, paths, shard)
    print(pack_line(settings, paths, shard))


@app.command(rich_help_panel=_STEPS, epilog="Example: dawn dataset")
def dataset(*, config: ConfigFile = DEMO) -> None:
    """Gather clips and features of all shards into the dataset."""
    from dawn.features.dataset import gather
    from dawn.features.summary import dataset_line

    settings, paths = _setup(config)
    gather(settings, paths)
    print(dataset_line(paths))


@app.command(rich_help_panel=_STEPS, epilog="Example: dawn train a2v_stage1 --config config/hdtf128.yaml")
def train(
    stage: Annotated[
        str,
        typer.Argument(
            callback=_known_stage,
            autocompletion=_stages,
            help="lfg, pbnet, a2v_stage1, a2v_stage2, ttr_sparse, ttr_dense or speech",
        ),
    ],
    *,
    config: ConfigFile = DEMO,
) -> None:
    """Train one stage; a stage that was interrupted continues."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic matrix products on a GPU
    from dawn.training.train import train_stage

    train_stage(*_setup(config), stage)


@app.command(rich_help_panel=_STEPS, epilog="Example: dawn testset")
def testset(*, config: ConfigFile = DEMO) -> None:
    """Choose the test clips that are evaluated."""
    from dawn.generation.clip_selection import choose_clips

    choose_clips(*_setup(config))


@app.command(
    cls=_MethodCommand, rich_help_panel=_STEPS, epilog="Example: dawn videos dawn --config config/hdtf128.yaml"
)
def videos(
    method: Annotated[
        str,
        typer.Argument(
            callback=_known_method,
            autocompletion=_methods,
            help="dawn, a control such as still, or a strategy such as sar",
        ),
    ],
    *,
    config: ConfigFile = DEMO,
    shard: Annotated[
        int | None, typer.Option(min=0, help="only this share of the clips, of evaluate.shards, from 0")
    ] = None,
    gather: Annotated[bool, typer.Option("--gather", help="only write the report, from those of all shards")] = False,
) -> None:
    """Generate the test videos of one method."""
    settings, paths = _setup(config)
    if shard is not None and (gather or shard >= settings.evaluate.shards):
        raise InputError(
            f"--shard {shard}: evaluate.shards is {settings.evaluate.shards}; give a shard below it, without --gather"
        )
    from dawn.generation.testset import gather_videos, generate_videos

    if gather:
        gather_videos(settings, paths, method)
    else:
        generate_videos(settings, paths, method, shard)


@app.command("time-strategies", rich_help_panel=_STEPS, epilog="Example: dawn time-strategies")
def time_strategies(*, config: ConfigFile = DEMO) -> None:
    """Measure the generation time of DAWN and the other strategies."""
    from dawn.generation.timing import time_strategies

    time_strategies(*_setup(config))


@app.command(rich_help_panel=_STEPS, epilog="Example: dawn reconstruct")
def reconstruct(*, config: ConfigFile = DEMO) -> None:
    """Measure the reconstruction of test clips by the latent flow generator."""
    from dawn.generation.reconstruct import reconstruct

    reconstruct(*_setup(config))


@app.command("head-motion", rich_help_panel=_STEPS, epilog="Example: dawn head-motion")
def head_motion(*, config: ConfigFile = DEMO) -> None:
    """Sample the head motion of test clips with several seeds."""
    from dawn.generation.head_motion import sample_head_motion

    sample_head_motion(*_setup(config))


if __name__ == "__main__":
    sys.exit(main())
