"""Commands that evaluate folders of videos, and commands on the reports that they write."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dawn.choices import MeasuringDevice
from dawn.errors import InputError
from dawn.media.files import check_writable
from eval.cli.options import CacheFolder, Threads, cache_at, fraction, shard_of

_DIFFERENT = 1  # exit code of verify where something differs

app = typer.Typer()


# Heavy libraries are imported by the command that needs them, so that help and errors are immediate.
@app.command("measure", epilog="Example: dawn-eval measure real/ generated/ --metrics fid,fvd16 --out report/")
def measure(
    real: Annotated[Path, typer.Argument(metavar="REAL", help="folder of the true videos, or one video")],
    fake: Annotated[Path, typer.Argument(metavar="FAKE", help="folder of the generated videos, paired by name")],
    *,
    metrics: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="metric names, comma-separated; see 'dawn-eval list'")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", show_default="the preset 'default'", help="named set of metrics; added to --metrics"
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="folder for report.json, report.csv and clips.csv")
    ] = None,
    syncnet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="SyncNet weights for lse_d_own, lse_c_own and offset_own")
    ] = None,
    resamples: Annotated[int, typer.Option(min=1, help="bootstrap resamples for the intervals")] = 1000,
    seed: Annotated[int, typer.Option(help="seed of the resamples")] = 0,
    coverage: Annotated[float, typer.Option(callback=fraction, help="coverage of the intervals")] = 0.95,
    detect_side: Annotated[int, typer.Option(min=1, hidden=True)] = 256,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="only fill the cache, with shard I of N (from 1)"),
    ] = None,
    cache: CacheFolder = None,
    threads: Threads = 2,
    device: Annotated[MeasuringDevice, typer.Option(help="of the networks; auto: a CUDA GPU if there is one")] = "auto",
) -> None:
    """Compute metrics of FAKE against REAL."""
    names = _selected(metrics, preset)
    part = None if shard is None else shard_of(shard)
    if out is not None:
        check_writable(out / "report.json")
    from eval.studies.evaluate import evaluate

    report = evaluate(
        real,
        fake,
        names,
        syncnet=syncnet,
        detect_side=detect_side,
        cache=cache,
        resamples=resamples,
        seed=seed,
        coverage=coverage,
        shard=part,
        threads=threads,
        device=device,
    )
    if part is not None:
        print(f"shard {part[0] + 1} of {part[1]} is in the cache; run without --shard once all are")
        return
    print(report.table())
    if out is not None:
        report.save(out)


@app.command("verify", epilog="Example: dawn-eval verify results/demo/table1.json")
def verify(
    report: Annotated[Path, typer.Argument(metavar="REPORT.json", help="a report, or table1.json of a run")],
    *,
    run: Annotated[
        Path | None, typer.Option(metavar="DIR", show_default="the table's folder", help="folder of the table's run")
    ] = None,
    metrics: Annotated[str | None, typer.Option(metavar="NAME,...", help="only these metrics, comma-separated")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="recompute the features too, ignoring the cache")] = False,
    cache: CacheFolder = None,
    threads: Threads = 2,
) -> int:
    """Recompute a report and print exactly what differs (exit code 1)."""
    import tempfile

    import torch

    from eval.studies.metric_report import Report
    from eval.studies.verify import verify as verify_report
    from eval.studies.verify import verify_table

    torch.set_num_threads(threads)
    run = run or report.parent
    of_table = not Report.is_saved_at(report)
    if of_table and not (run / "config.yaml").is_file():
        raise InputError(
            f"{report}: not a report of dawn-eval, and for a table of a run {run}/config.yaml is missing; "
            "give the run's folder (--run)"
        )
    names = [name for name in (metrics or "").split(",") if name]
    with tempfile.TemporaryDirectory(prefix="dawn-eval-") as empty:
        features = Path(empty) if fresh else cache_at(cache).folder
        if of_table:
            lines = verify_table(report, run, features, names)
        else:
            lines = verify_report(Report.load(report), features, names)
    print("\n".join(lines) if lines else f"{report}: the same")
    return _DIFFERENT if lines else 0


@app.command("compare", epilog="Example: dawn-eval compare report_a report_b --out differences.csv")
def compare(
    first: Annotated[Path, typer.Argument(metavar="REPORT_A.json", help="report of the first method")],
    second: Annotated[Path, typer.Argument(metavar="REPORT_B.json", help="report of the second method")],
    *,
    out: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="also write the table, one row a metric")] = None,
    cache: CacheFolder = None,
    threads: Threads = 2,
) -> None:
    """Paired differences of two methods on the same true videos."""
    import torch

    from eval.studies.compare import compare as compare_reports
    from eval.studies.compare import table, write
    from eval.studies.metric_report import Report

    torch.set_num_threads(threads)
    reports = Report.load(first), Report.load(second)
    differences = compare_reports(*reports, cache_at(cache).folder)
    print(f"first: {reports[0].data['fake']}\nsecond: {reports[1].data['fake']}\n")
    print(table(differences, reports[0].data["made"]["coverage"]))
    if out is not None:
        write(differences, out)


@app.command("follow", epilog="Example: dawn-eval follow driver.mp4 generated.mp4")
def follow(
    driver: Annotated[Path, typer.Argument(metavar="DRIVER", help="the video that pose and blinks were taken from")],
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO...", help="videos generated with its motion")],
    *,
    out: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="also write the table, one row a video")] = None,
    cache: CacheFolder = None,
    threads: Threads = 2,
) -> None:
    """Correlation of head pose and blinks, frame by frame, with the driving video."""
    import torch

    from eval.studies.follow import follow as correlate
    from eval.studies.follow import table, write

    torch.set_num_threads(threads)
    correlations = correlate(driver, videos, cache_at(cache).folder)
    print(table(correlations))
    if out is not None:
        write(correlations, out)


@app.command("opinion", epilog="Example: dawn-eval opinion ratings.csv --out opinions.csv")
def opinion(
    ratings: Annotated[
        Path, typer.Argument(metavar="RATINGS.csv", help="columns rater, video, method, question, score")
    ],
    *,
    out: Annotated[Path, typer.Option(metavar="OPINIONS.csv", help="table to write, one row a method and question")],
) -> None:
    """Mean opinion scores of a user study."""
    from eval.metrics.opinion import opinions, read_ratings, write_opinions

    scores = opinions(read_ratings(ratings))
    write_opinions(out, scores)
    for score in scores:
        print(
            f"{score.method}, {score.question}: {score.mean:.2f} [{score.low:.2f}, {score.high:.2f}], "
            f"{score.scores} scores, {score.raters} raters, {score.videos} videos"
        )


@app.command("list", epilog="Example: dawn-eval list")
def list_metrics() -> None:
    """List metrics and presets, and which metrics this machine lacks weights for."""
    from eval.extract.spec import ExtractorOptions, resolve
    from eval.metrics.registry import METRICS, presets

    print("Metrics:")
    for metric in METRICS.values():
        if metric.compute is None:
            continue
        _, missing = resolve(metric.specs, ExtractorOptions())
        print(f"  {metric.name:22} {metric.title}: {metric.protocol}")
        for reason in dict.fromkeys(missing.values()):
            print(f"  {'':22} not here: {reason}")
    print("Presets:")
    for name, preset in presets().items():
        print(f"  {name:22} {preset['about']} {', '.join(preset['metrics'])}")


def _selected(metrics: str | None, preset: str | None) -> list[str]:
    """Return the names of the selected metrics, without repetition.

    Raises InputError for an unknown metric or preset.
    """
    from eval.metrics.registry import computed, of_preset

    names: list[str] = []
    if preset is not None or metrics is None:
        names += of_preset(preset or "default")
    names += [name.strip() for name in (metrics or "").split(",") if name.strip()]
    if not names:
        raise InputError("--metrics names none; 'dawn-eval list' shows them")
    return [metric.name for metric in computed(names)]
