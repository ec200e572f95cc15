"""``dawn``: every step of the workflow, and generation, as a command."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from dawn.commands import run_command
from dawn.config import Config, Device, load, schema
from dawn.errors import InputError
from dawn.methods import generated_methods
from dawn.paths import Paths
from dawn.stages import STAGES
from dawn.version import VERSION


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 on success, 2 with one line on standard error for input that cannot be used."""
    return run_command("dawn", _parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dawn", description="Talking heads by non-autoregressive diffusion.")
    parser.add_argument("--version", action="version", version=f"dawn {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    generate = commands.add_parser("generate", help="a portrait and speech to a video")
    generate.add_argument("portrait", type=Path, help="an image with one face")
    generate.add_argument("speech", type=Path, help="sound in any format, or a video with sound")
    generate.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.mp4")
    generate.add_argument(
        "--run", type=Path, default=Path("results/demo"), help="folder of a trained run (default: %(default)s)"
    )
    generate.add_argument("--pose-from", type=Path, metavar="VIDEO", help="take head pose and blinks from this video")
    generate.add_argument(
        "--seed", type=int, default=0, help="another seed, another performance (default: %(default)s)"
    )
    engine = generate.add_argument_group("speed and memory", "the run's settings where not given")
    engine.add_argument("--device", choices=get_args(Device), help="auto: CUDA if there is one, else MPS, else CPU")
    engine.add_argument("--max-memory", metavar="SIZE", help="keep to this, such as 4GiB; the video is the same")
    engine.add_argument("--threads", type=int, help="CPU threads")
    engine.add_argument("--steps", type=int, help="sampling steps; fewer are faster and change the video")
    engine.add_argument("--solver", choices=("ddim", "dpm++"), help="dpm++ needs fewer steps than ddim")
    engine.add_argument("--precision", choices=("float32", "bfloat16"), help="bfloat16 is faster and inexact")
    engine.add_argument("--compile", action="store_true", default=None, help="compile first, which takes minutes")
    generate.set_defaults(run_command=_generate)

    released = commands.add_parser("import-released", help="the authors' published weights to a run")
    released.add_argument("folder", type=Path, metavar="DIR", help="folder that holds the published files")
    released.add_argument(
        "--config",
        type=Path,
        default=Path("config/released128.yaml"),
        help="what the weights are for (default: %(default)s)",
    )
    released.add_argument("--results", type=Path, default=Path("results"), help="where runs lie (default: %(default)s)")
    for role in ("lfg", "dawn", "pbnet-pose", "pbnet-eye"):
        released.add_argument(f"--{role}", type=Path, metavar="FILE", help="take this file, whatever else is in DIR")
    released.add_argument(
        "--mask-seed",
        type=int,
        default=1234,
        help="seed of the face-mask embedder, which was never published (default: %(default)s, as published training)",
    )
    released.set_defaults(run_command=_import_released)

    doctor = commands.add_parser("doctor", help="can this machine generate, and how long would it take")
    doctor.add_argument(
        "--run", type=Path, default=Path("results/demo"), help="folder of a trained run (default: %(default)s)"
    )
    doctor.add_argument(
        "--seconds", type=float, default=10.0, help="length of the video to estimate for (default: %(default)s)"
    )
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    doctor.set_defaults(run_command=_doctor)

    for name, function, text in (
        ("corpus", _corpus, "list the clips of the corpus"),
        ("dataset", _dataset, "gather clips and features into the dataset"),
        ("testset", _testset, "choose the test clips that are measured"),
        ("time-strategies", _time_strategies, "time DAWN and the strategies that it is compared with"),
        ("reconstruct", _reconstruct, "measure the latent flow generator on test clips"),
    ):
        _workflow_step(commands.add_parser(name, help=text), function)
    for name, function, text in (
        ("clips", _clips, "make the clips of one shard"),
        ("features", _features, "extract the features of one shard"),
    ):
        step = _workflow_step(commands.add_parser(name, help=text), function)
        step.add_argument("--shard", type=int, required=True, help="which of corpus.shards, from 0")
    train = _workflow_step(commands.add_parser("train", help="train one stage"), _train)
    train.add_argument("stage", choices=STAGES)
    videos = _workflow_step(commands.add_parser("videos", help="make the test videos of one method"), _videos)
    videos.add_argument("method", choices=generated_methods())
    weights = commands.add_parser("weights", help="list, check and fetch the weights of networks")
    weights.add_argument(
        "--for",
        dest="purposes",
        nargs="+",
        default=[],
        metavar="WHAT",
        help="only those of a configuration (hdtf128), of the metrics, or one by its name; absent ones are an error",
    )
    weights.add_argument("--mirror", type=Path, metavar="DIR", help="folder to copy absent files from")
    weights.add_argument("--fetch", action="store_true", help="fetch absent files from their publishers")
    weights.set_defaults(run_command=_weights)
    _baseline_commands(commands.add_parser("baseline", help="the systems that DAWN is compared with"))
    commands.add_parser("schema", help="print the JSON schema of the configuration").set_defaults(
        run_command=lambda _: print(schema(), end="")
    )
    return parser


def _baseline_commands(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="which there are, their terms, and which are set up")
    listing.set_defaults(run_command=_baseline_list)
    check = commands.add_parser("check", help="what running one still needs")
    check.set_defaults(run_command=_baseline_check)
    run = _workflow_step(commands.add_parser("run", help="make or take the test videos of one"), _baseline_run)
    for one in (check, run):
        one.add_argument("name", metavar="NAME", help="as 'dawn baseline list' names it")


def _workflow_step(
    parser: argparse.ArgumentParser, function: Callable[[argparse.Namespace], None]
) -> argparse.ArgumentParser:
    parser.add_argument(
        "--config", type=Path, default=Path("config/demo.yaml"), help="configuration (default: %(default)s)"
    )
    parser.set_defaults(run_command=function)
    return parser


def _setup(options: argparse.Namespace) -> tuple[Config, Paths]:
    config = load(options.config)
    return config, Paths.of(config)


def _weights(options: argparse.Namespace) -> None:
    from dawn import weights

    names = weights.entries_for(options.purposes)
    absent = weights.provide(names, options.mirror, options.fetch)
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
    if absent and (options.purposes or options.fetch):
        raise weights.MissingWeights(
            f"absent: {', '.join(absent)}; add --fetch to fetch them, --mirror DIR to copy them from a folder"
        )


# Heavy libraries are imported by the command that needs them, so that `dawn --help` and errors answer at once.
def _generate(options: argparse.Namespace) -> None:
    from dawn.api import check_output
    from dawn.api import load as load_run

    check_output(options.output)
    keys = ("device", "max_memory", "threads", "steps", "solver", "precision", "compile")
    talker = load_run(options.run, **{key: getattr(options, key) for key in keys})
    video = talker.generate(
        options.portrait, options.speech, pose_from=options.pose_from, seed=options.seed, progress=True
    )
    clock = time.perf_counter()
    video.save(options.output)
    print(
        f"{options.output}: {len(video)} frames; motion {video.motion_seconds:.1f} s, "
        f"decoding {time.perf_counter() - clock:.1f} s; synthetic, marked so in its metadata"
    )


def _import_released(options: argparse.Namespace) -> None:
    config = load(options.config)
    from dawn.released.run import import_released, summary

    given = {role: getattr(options, role) for role in ("lfg", "dawn", "pbnet_pose", "pbnet_eye")}
    named = {role: path for role, path in given.items() if path is not None}
    report = import_released(options.folder, config, options.results, named=named, mask_seed=options.mask_seed)
    print(summary(report, Paths.of(config, results=options.results).run))


def _doctor(options: argparse.Namespace) -> None:
    if not 0 < options.seconds <= 3600:
        raise InputError(f"--seconds must be between 0 and 3600, got {options.seconds:g}")
    from dawn.doctor import examine, report

    findings = examine(options.run, options.seconds)
    print(report(findings, as_json=options.json))
    if findings.reason is not None:
        raise InputError(findings.reason)


def _corpus(options: argparse.Namespace) -> None:
    from dawn.features.corpus import prepare_corpus

    prepare_corpus(*_setup(options))


def _clips(options: argparse.Namespace) -> None:
    from dawn.features.shards import make_clips

    make_clips(*_setup(options), options.shard)


def _features(options: argparse.Namespace) -> None:
    from dawn.features.shards import make_features

    make_features(*_setup(options), options.shard)


def _dataset(options: argparse.Namespace) -> None:
    from dawn.features.dataset import gather

    gather(*_setup(options))


def _testset(options: argparse.Namespace) -> None:
    from dawn.generation.clip_selection import choose_clips

    choose_clips(*_setup(options))


def _time_strategies(options: argparse.Namespace) -> None:
    from dawn.generation.timing import time_strategies

    time_strategies(*_setup(options))


def _train(options: argparse.Namespace) -> None:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic matrix products on a GPU
    from dawn.training.train import train_stage

    train_stage(*_setup(options), options.stage)


def _videos(options: argparse.Namespace) -> None:
    from dawn.generation.testset import generate_videos

    generate_videos(*_setup(options), options.method)


def _baseline_list(_: argparse.Namespace) -> None:
    from dawn.baselines.declaration import declared
    from dawn.baselines.setup import Setup, missing

    for name, baseline in declared().items():
        setup = Setup.of(name)
        lines, videos = missing(baseline, setup), len(setup.videos())
        state = f"{len(lines)} requirements missing" if lines else "set up"
        print(f"{name:<16}{baseline.citation.year}  {state}, {videos} videos supplied in {setup.home}")
        print(f"{'':<16}code: {baseline.licence.code or 'not verified'}")
        print(f"{'':<16}weights: {baseline.licence.weights or 'not verified'}")


def _baseline_check(options: argparse.Namespace) -> None:
    from dawn.baselines.declaration import load as load_baseline
    from dawn.baselines.setup import Setup, missing

    lines = missing(load_baseline(options.name), Setup.of(options.name))
    for line in lines:
        print(f"{options.name}: {line}")
    if lines:
        raise InputError(f"{options.name} is not set up; missing: {len(lines)} (docs/how-to/baseline.md)")
    print(f"{options.name}: set up")


def _baseline_run(options: argparse.Namespace) -> None:
    from dawn.baselines.declaration import load as load_baseline
    from dawn.baselines.setup import Setup

    baseline = load_baseline(options.name)
    from dawn.baselines.videos import make_videos

    make_videos(options.name, baseline, *_setup(options), Setup.of(options.name))


def _reconstruct(options: argparse.Namespace) -> None:
    from dawn.generation.reconstruct import reconstruct

    reconstruct(*_setup(options))


if __name__ == "__main__":
    sys.exit(main())
