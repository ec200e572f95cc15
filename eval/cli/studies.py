"""Commands of the workflow that compute scores and studies of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dawn.commands import ListOptionsCommand
from dawn.errors import InputError
from eval.cli.options import (
    DEFAULT_CONFIG,
    CacheFolder,
    ClipList,
    ConfigFile,
    RealFolder,
    SyncnetFile,
    VideoFolder,
    cache_at,
    named_folders,
)

app = typer.Typer()
_PANEL = "Scores and studies of a run (steps of the workflow)"


# Heavy libraries are imported by the command that needs them, so that help and errors are immediate.
@app.command(
    "fit-syncnet",
    rich_help_panel=_PANEL,
    epilog="Example: dawn-eval fit-syncnet --out results/demo/syncnet.safetensors",
)
def fit_syncnet(
    *,
    config: ConfigFile = DEFAULT_CONFIG,
    out: Annotated[Path, typer.Option(metavar="WEIGHTS.safetensors", help="weights to write")],
) -> None:
    """Train SyncNet, the lip-sync metric's network, on the corpus' training split."""
    from dawn.config import load

    settings = load(config)
    from dawn.paths import Paths
    from eval.studies.train_syncnet import fit

    fit(settings, Paths.of(settings), out)


@app.command(
    "score",
    rich_help_panel=_PANEL,
    cls=ListOptionsCommand,
    epilog="Example: dawn-eval score --clips results/demo/test.csv --real data/demo/64/clips "
    "--fake results/demo/videos --syncnet results/demo/syncnet.safetensors --method dawn "
    "--out results/demo/scores/dawn",
)
def score(
    *,
    config: ConfigFile = DEFAULT_CONFIG,
    real: RealFolder,
    fake: Annotated[
        Path | None, typer.Option(metavar="DIR", help="folder of the generated videos; not needed for method gt")
    ] = None,
    clips: ClipList,
    syncnet: SyncnetFile,
    method: Annotated[str, typer.Option(metavar="NAME", help="name of the method; gt scores the true videos")],
    metrics: Annotated[
        list[str] | None, typer.Option(metavar="METRIC...", show_default="all", help="compute these metrics only")
    ] = None,
    cache: CacheFolder = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="folder for scores.json and clips.csv")],
) -> None:
    """Compute the scores of one method's videos against the true videos."""
    from dawn.config import load

    settings = load(config)
    from eval.studies.clip_list import read_names
    from eval.studies.run_scores import measure
    from eval.studies.run_settings import TRUE

    if fake is None and method != TRUE:
        raise InputError(f"--fake is missing: give the folder of the videos of {method!r}")
    measure(
        settings,
        real=real,
        fake=fake or real,
        names=read_names(clips),
        syncnet=syncnet,
        method=method,
        out=out,
        cache=cache_at(cache),
        metrics=metrics or None,
    )


@app.command(
    "extract",
    rich_help_panel=_PANEL,
    cls=ListOptionsCommand,
    epilog="Example: dawn-eval extract --clips results/demo/test.csv --videos results/demo/videos "
    "--syncnet results/demo/syncnet.safetensors --shard 0 --out results/demo/scores/dawn/features/0.json",
)
def extract(
    *,
    config: ConfigFile = DEFAULT_CONFIG,
    clips: ClipList,
    videos: VideoFolder,
    syncnet: SyncnetFile,
    metrics: Annotated[
        list[str] | None, typer.Option(metavar="METRIC...", show_default="all", help="features of these metrics only")
    ] = None,
    shard: Annotated[int, typer.Option(min=0, help="share of the videos, of evaluate.shards, from 0")],
    cache: CacheFolder = None,
    out: Annotated[Path, typer.Option(metavar="FILE.json", help="list of the share's videos, written at the end")],
) -> None:
    """Extract the features of a share of videos into the cache, for 'score'."""
    from dawn.config import load

    settings = load(config)
    if shard >= settings.evaluate.shards:
        raise InputError(f"--shard {shard}: evaluate.shards is {settings.evaluate.shards}; shards count from 0")
    from eval.studies.clip_list import read_names
    from eval.studies.run_scores import fill_cache

    fill_cache(
        settings,
        videos=videos,
        names=read_names(clips),
        syncnet=syncnet,
        out=out,
        cache=cache_at(cache),
        shard=shard,
        metrics=metrics or None,
    )


@app.command(
    "quality",
    rich_help_panel=_PANEL,
    cls=ListOptionsCommand,
    epilog="Example: dawn-eval quality --clips results/demo/test.csv --truth data/demo/64/features "
    "--videos results/demo/videos --commanded results/demo/controls/commanded "
    "--head-motion results/demo/head_motion.safetensors --reconstruction results/demo/reconstruction.json "
    "--scores dawn=results/demo/scores/dawn other_speech=... still=... --out results/demo/quality.json",
)
def quality(
    *,
    config: ConfigFile = DEFAULT_CONFIG,
    clips: ClipList,
    truth: Annotated[Path, typer.Option(metavar="DIR", help="folder of the true clips' features")],
    videos: Annotated[Path, typer.Option(metavar="DIR", help="folder of the videos of 'dawn'")],
    commanded: Annotated[Path, typer.Option(metavar="DIR", help="folder of the videos of 'commanded'")],
    head_motion: Annotated[Path, typer.Option(metavar="FILE", help="output of 'dawn head-motion'")],
    reconstruction: Annotated[Path, typer.Option(metavar="FILE", help="reconstruction.json of 'dawn reconstruct'")],
    scores: Annotated[
        list[str],
        typer.Option(metavar="NAME=DIR...", help="output folders of 'score' for dawn, other_speech and still"),
    ],
    out: Annotated[Path, typer.Option(metavar="QUALITY.json", help="report to write")],
) -> None:
    """Report the training checks of a run: each measure next to its baseline and the required level."""
    from dawn.config import load

    settings = load(config)
    from dawn.media.json_files import write_json
    from eval.studies.clip_list import read_names
    from eval.studies.learned import quality as quality_of

    report = quality_of(
        settings,
        read_names(clips),
        truth=truth,
        videos=videos,
        commanded=commanded,
        head_motion=head_motion,
        reconstruction=reconstruction,
        scores={name: folder / "scores.json" for name, folder in named_folders(scores).items()},
    )
    write_json(out, report)


@app.command(
    "corpus",
    rich_help_panel=_PANEL,
    epilog="Example: dawn-eval corpus --out results/demo/corpus.md",
)
def corpus(
    *,
    config: ConfigFile = DEFAULT_CONFIG,
    syncnet: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="SyncNet weights for the audio-video offsets (default: none are measured)"),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="CORPUS.md", help="report to write, with .json and .png")],
) -> None:
    """Describe a prepared corpus: counts, ranges, offsets, rejected clips, contact sheet."""
    from dawn.config import load

    settings = load(config)
    from dawn.paths import Paths
    from eval.studies.corpus_report import report

    report(settings, Paths.of(settings), syncnet, out)


@app.command(
    "reenactment",
    rich_help_panel=_PANEL,
    epilog="Example: dawn-eval reenactment --clips results/demo/test.csv --videos results/demo/controls/reenact "
    "--out results/demo/reenactment.json",
)
def reenactment(
    *,
    config: ConfigFile = DEFAULT_CONFIG,
    clips: ClipList,
    videos: Annotated[Path, typer.Option(metavar="DIR", help="folder of the videos of 'reenact'")],
    out: Annotated[Path, typer.Option(metavar="REENACTMENT.json", help="report to write, with .csv")],
) -> None:
    """Correlation of generated head motion with the clip that drives it."""
    from dawn.config import load

    settings = load(config)
    from eval.studies.clip_list import read_names
    from eval.studies.reenactment import measure_reenactment

    measure_reenactment(settings, read_names(clips), videos, out)


@app.command(
    "portraits",
    rich_help_panel=_PANEL,
    cls=ListOptionsCommand,
    epilog="Example: dawn-eval portraits videos/ --portraits ana.png ben.jpg --out report/",
)
def portraits(
    videos: Annotated[Path, typer.Argument(metavar="DIR", help="folder of the videos, PORTRAIT-RECORDING.mp4")],
    *,
    images: Annotated[list[Path], typer.Option("--portraits", metavar="IMAGE...", help="image files of the portraits")],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="folder for the measurements, frames.png and the cropped portraits"),
    ],
) -> None:
    """Check videos of portraits without true clips: identity, mouth against the sound, head motion."""
    from eval.figures.frames import spoken_portraits
    from eval.studies.portraits import measure_portraits

    report = measure_portraits(videos, images, out)
    spoken_portraits(out, videos, out / "frames.png")
    for name, check in report.items():
        if isinstance(check, dict):
            print(f"{name}: {check['value']}, required {check['required']}{'' if check['passed'] else ': not reached'}")


@app.command(
    "perturb",
    rich_help_panel=_PANEL,
    epilog="Example: dawn-eval perturb blur --strength 2 --clips list.txt --videos videos/ --out blurred/",
)
def perturb(
    perturbation: Annotated[str, typer.Argument(help="blur, reencode, dim, swap, freeze, shuffle, pitch or delay")],
    *,
    strength: Annotated[float, typer.Option(help="0 changes nothing; units: docs/explanation/evaluation.md")],
    clips: ClipList,
    videos: VideoFolder,
    out: Annotated[Path, typer.Option(metavar="DIR", help="folder to write")],
) -> None:
    """Write copies of videos with a perturbation of known strength."""
    from eval.studies.clip_list import read_names
    from eval.studies.perturb import perturb_folder

    perturb_folder(perturbation, strength, videos, read_names(clips), out)


@app.command(
    "sensitivity",
    rich_help_panel=_PANEL,
    epilog="Example: dawn-eval sensitivity --clips results/demo/test.csv --real data/demo/64/clips "
    "--syncnet results/demo/syncnet.safetensors --out sensitivity.csv --picture sensitivity.png",
)
def sensitivity(
    *,
    config: ConfigFile = DEFAULT_CONFIG,
    clips: ClipList,
    real: RealFolder,
    syncnet: SyncnetFile,
    count: Annotated[int, typer.Option(help="clips used")] = 8,
    out: Annotated[Path, typer.Option(metavar="TABLE.csv", help="table to write")],
    picture: Annotated[Path, typer.Option(metavar="PICTURE.png", help="picture to write")],
) -> None:
    """Response of each metric to perturbations of increasing strength, as a table and a picture."""
    from dawn.config import load

    settings = load(config)
    from eval.figures.sensitivity import draw_sensitivity
    from eval.studies.clip_list import read_names
    from eval.studies.sensitivity import sensitivity as measure_curves
    from eval.studies.sensitivity import write_curves

    curves = measure_curves(settings, read_names(clips), real, syncnet, clips=count)
    write_curves(curves, out)
    draw_sensitivity(out, picture)
