"""``dawn-eval REAL FAKE``: the suite from the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from dawn.commands import run_command
from dawn.errors import InputError

PRESETS = Path(__file__).parent / "metrics" / "presets.yaml"
_COMMANDS = ("measure", "verify", "compare", "follow", "opinion")
_DIFFERENT = 1  # exit code of verify where something differs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 on success, 1 where verify finds a difference, 2 with one line for unusable input."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] not in (*_COMMANDS, "-h", "--help", "--list"):
        given.insert(0, "measure")
    found: list[int] = []
    ended = run_command("dawn-eval", _parser(found), given)
    return ended or max(found, default=0)


def presets() -> dict[str, Any]:
    """What ``presets.yaml`` says: name -> about and metrics."""
    found: dict[str, Any] = yaml.safe_load(PRESETS.read_text(encoding="utf-8"))
    return found


def _parser(ended: list[int]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dawn-eval",
        description="Talking-head metrics on any two folders of videos. 'dawn-eval REAL FAKE' measures; the commands "
        "below work on the reports that it writes.",
    )
    parser.add_argument("--list", action=_List, help="name the metrics and presets, and which can be computed here")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    measure = commands.add_parser("measure", prog="dawn-eval", help="measure FAKE against REAL (may be left out)")
    measure.add_argument("real", type=Path, metavar="REAL", help="folder of the true videos, or one video")
    measure.add_argument("fake", type=Path, metavar="FAKE", help="folder of the generated videos; pairs by name")
    measure.add_argument("--metrics", help="names with commas between; see --list")
    measure.add_argument("--preset", help="a named set of metrics (default: default); with --metrics, both")
    measure.add_argument("--out", type=Path, help="folder for report.json, report.csv and clips.csv")
    measure.add_argument("--syncnet", type=Path, help="weights for lse_d_own, lse_c_own, offset_own")
    measure.add_argument("--resamples", type=_positive, default=1000, help="for intervals (default: %(default)s)")
    measure.add_argument("--seed", type=int, default=0, help="of the resamples (default: %(default)s)")
    measure.add_argument("--coverage", type=_share, default=0.95, help="of the intervals (default: %(default)s)")
    measure.add_argument("--detect-side", type=_positive, default=256, help=argparse.SUPPRESS)
    measure.add_argument("--shard", type=_shard, metavar="I/N", help="only fill the cache, with share I of N (from 1)")
    _shared(measure)
    measure.set_defaults(run_command=_measure)

    verify = commands.add_parser("verify", help="compute a report again; say exactly what differs (exit code 1)")
    verify.add_argument("report", type=Path, metavar="REPORT.json", help="a report, or table1.json of a run")
    verify.add_argument("--run", type=Path, help="of a table: the run's folder (default: the table's own)")
    verify.add_argument("--metrics", help="only these, with commas between")
    verify.add_argument("--fresh", action="store_true", help="compute features again, too, whatever the cache has")
    _shared(verify)
    verify.set_defaults(run_command=lambda options: ended.append(_verify(options)))

    compare = commands.add_parser("compare", help="two methods on the same true videos: paired differences")
    compare.add_argument("first", type=Path, metavar="REPORT_A.json")
    compare.add_argument("second", type=Path, metavar="REPORT_B.json")
    compare.add_argument("--out", type=Path, metavar="DIFFERENCES.csv", help="write them, too, one metric a row")
    _shared(compare)
    compare.set_defaults(run_command=_compare)

    follow = commands.add_parser("follow", help="does a portrait move as the video that drives it: correlations")
    follow.add_argument("driver", type=Path, metavar="DRIVER", help="the video that pose and blinks were taken from")
    follow.add_argument("videos", type=Path, nargs="+", metavar="VIDEO", help="made with its motion, frame by frame")
    follow.add_argument("--out", type=Path, metavar="FOLLOWED.csv", help="write them, too, one video a row")
    _shared(follow)
    follow.set_defaults(run_command=_follow)

    opinion = commands.add_parser("opinion", help="mean opinion scores of a user study")
    opinion.add_argument("ratings", type=Path, metavar="RATINGS.csv", help="rater, video, method, question, score")
    opinion.add_argument("--out", type=Path, required=True, metavar="OPINIONS.csv")
    opinion.set_defaults(run_command=_opinion)
    return parser


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cache", type=Path, help="folder of the videos' features (default: the user's cache)")
    parser.add_argument("--threads", type=_positive, default=2, help="CPU threads (default: %(default)s)")


class _List(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, **rest: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **rest)

    def __call__(self, parser: argparse.ArgumentParser, *given: object) -> None:
        from eval.extract.features import Choices
        from eval.extract.reading import available
        from eval.metrics.registry import METRICS

        print("Metrics:")
        for one in METRICS.values():
            _, missing = available((*one.real, *one.fake), Choices())
            print(f"  {one.name:22} {one.title}: {one.about}")
            for why in dict.fromkeys(missing.values()):
                print(f"  {'':22} not here: {why}")
        print("Presets:")
        for name, preset in presets().items():
            print(f"  {name:22} {preset['about']} {', '.join(preset['metrics'])}")
        parser.exit(0)


# Heavy libraries are imported by the command that needs them, so that help and errors answer at once.
def _measure(options: argparse.Namespace) -> None:
    names = _names(options.metrics, options.preset)
    from eval.extract.cache import Cache, default_folder
    from eval.extract.features import Choices
    from eval.studies.evaluate import evaluate, table, write

    report = evaluate(
        options.real,
        options.fake,
        names,
        Choices(options.detect_side, options.syncnet),
        Cache(options.cache or default_folder()),
        resamples=options.resamples,
        seed=options.seed,
        coverage=options.coverage,
        shard=options.shard,
        threads=options.threads,
    )
    if options.shard is not None:
        print(
            f"share {options.shard[0] + 1} of {options.shard[1]} is in the cache; measure without --shard when all are"
        )
        return
    print(table(report))
    if options.out is not None:
        write(report, options.out)


def _verify(options: argparse.Namespace) -> int:
    import tempfile

    import torch

    from eval.extract.cache import Cache, default_folder
    from eval.studies.evaluate import load
    from eval.studies.verify import verify, verify_table

    torch.set_num_threads(options.threads)
    run = options.run or options.report.parent
    table = (run / "config.yaml").is_file()
    report = None if table else load(options.report)
    only = [name for name in (options.metrics or "").split(",") if name]
    with tempfile.TemporaryDirectory(prefix="dawn-eval-") as empty:
        cache = Cache(Path(empty) if options.fresh else options.cache or default_folder())
        lines = verify_table(options.report, run, cache, only) if report is None else verify(report, cache, only)
    print("\n".join(lines) if lines else f"{options.report}: the same")
    return _DIFFERENT if lines else 0


def _compare(options: argparse.Namespace) -> None:
    import torch

    from eval.extract.cache import Cache, default_folder
    from eval.studies.compare import compare, table, write
    from eval.studies.evaluate import load

    torch.set_num_threads(options.threads)
    first, second = load(options.first), load(options.second)
    found = compare(first, second, Cache(options.cache or default_folder()))
    print(f"first: {first['fake']}\nsecond: {second['fake']}\n")
    print(table(found, first["made"]["coverage"]))
    if options.out is not None:
        write(found, options.out)


def _follow(options: argparse.Namespace) -> None:
    import torch

    from eval.extract.cache import Cache, default_folder
    from eval.studies.follow import follow, table, write

    torch.set_num_threads(options.threads)
    found = follow(options.driver, options.videos, Cache(options.cache or default_folder()))
    print(table(found))
    if options.out is not None:
        write(found, options.out)


def _opinion(options: argparse.Namespace) -> None:
    from eval.metrics.opinion import opinions, read_ratings, write_opinions

    found = opinions(read_ratings(options.ratings))
    write_opinions(options.out, found)
    for one in found:
        print(
            f"{one.method}, {one.question}: {one.mean:.2f} [{one.low:.2f}, {one.high:.2f}], "
            f"{one.scores} scores, {one.raters} raters, {one.videos} videos"
        )


def _names(metrics: str | None, preset: str | None) -> list[str]:
    """The metrics that are asked for. Raises InputError for a name that is none."""
    from eval.metrics.registry import metric

    names: list[str] = []
    if preset is not None or metrics is None:
        known = presets()
        chosen = preset or "default"
        if chosen not in known:
            raise InputError(f"no preset is called {chosen!r}; there are {', '.join(known)}")
        names += known[chosen]["metrics"]
    names += [name.strip() for name in (metrics or "").split(",") if name.strip()]
    if not names:
        raise InputError("--metrics names none; 'dawn-eval --list' shows them")
    return [metric(name).name for name in dict.fromkeys(names)]


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError("must be between 0 and 1")
    return value


def _shard(text: str) -> tuple[int, int]:
    index, slash, count = text.partition("/")
    if not (slash and index.isdigit() and count.isdigit() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r}: give I/N, such as 1/4")
    return int(index) - 1, int(count)


if __name__ == "__main__":
    sys.exit(main())
