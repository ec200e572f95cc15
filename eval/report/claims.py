"""The paper's claims, each tested on our numbers: supported, contradicted, or cannot tell.

Two rows are compared on the same clips: clips are resampled, the same ones for both (``eval.stats.bootstrap``), and the
interval of the difference decides. Times are no measure of clips: the interval of their difference is put together
from those of the two rows, which is wider than it need be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawn.baselines.methods import label_of
from dawn.comparisons import Experiments
from dawn.config import Config
from dawn.media.files import atomic_path
from dawn.media.json_files import write_json
from dawn.variants import Row
from eval.metrics.degradation import LENGTHS
from eval.metrics.registry import get_metric
from eval.report.consistency import Measured, judge_of, read_together
from eval.report.paper_tables import seconds
from eval.stats import bootstrap
from eval.studies.resampled import ResampledScore, resampled_score

if TYPE_CHECKING:
    from eval.extract.cache import FeatureCache

MARGIN = 0.2  # "stable": within a fifth
_DEGRADATION = tuple(f"dr{length}_efficientnet" for length in LENGTHS)
_PICTURE = ("fd_efficientnet", "fvd16", "fvd32")
_SYNC = ("lse_c_own", "lse_d_own")
VERDICTS = ("supported", "contradicted", "cannot tell")


@dataclass(frozen=True)
class Claim:
    """`better` is better than `worse` in `metrics` (rows of `table`, by place); or as good, where it is `stable`."""

    says: str
    where: str
    table: str
    better: int
    worse: int
    metrics: tuple[str, ...]
    stable: bool = False


@dataclass(frozen=True)
class Tested:
    """One claim in one metric. `difference` above 0 is as the claim says, NaN where nothing was measured."""

    says: str
    where: str
    metric: str
    better: str
    worse: str
    difference: float
    low: float
    high: float
    verdict: str
    why: str = ""


def claims_of(experiments: Experiments) -> list[Claim]:
    """What the paper claims about the rows of its Tables 2 to 5, 7 and 8."""
    claims = []
    methods = [row.method for row in experiments.rows("table2")]
    for method, name in (("sar", "semi-autoregressive"), ("ttr", "two-resolution")):
        if method in methods:
            pair = (methods.index("dawn"), methods.index(method))
            says = f"Non-autoregressive generation beats {name} generation in quality"
            claims.append(Claim(says, "4.3, Table 2", "table2", *pair, (*_PICTURE, *_SYNC)))
            claims.append(Claim(f"... and takes less time than {name}", "4.3, Table 2", "table2", *pair, ("time_s",)))
    if "sar" in methods:
        pair = (methods.index("dawn"), methods.index("sar"))
        says = "Semi-autoregressive generation degrades, non-autoregressive does not"
        claims.append(Claim(says, "4.3, Table 2", "table2", *pair, _DEGRADATION))
    claims += [
        Claim("Quality is stable from the shortest to the longest inference", "4.4, Table 3", "table3", 4, 0,
              _PICTURE, stable=True),
        Claim("Longer inference makes lips more precise", "4.4, Table 3", "table3", 4, 0, _SYNC),
        Claim("Two stages beat stage 1 alone, but for single frames", "4.5, Table 4", "table4", 2, 0,
              ("fvd16", "fvd32", *_SYNC)),
        Claim("Stage 1 alone makes the best single frames", "4.5, Table 4", "table4", 0, 2, ("fd_efficientnet",)),
        Claim("Two stages beat stage 2 alone", "4.5, Table 4", "table4", 2, 1, (*_PICTURE, *_SYNC)),
        Claim("PBNet improves every metric", "4.5, Table 4", "table4", 4, 3, (*_PICTURE, *_SYNC)),
    ]  # fmt: skip
    long = experiments.rows("table5")
    for first, name in ((0, "non-autoregressive"), (3, "frame-by-frame")):
        if len(long) > first:
            falls = name == "frame-by-frame"
            claims.append(Claim(
                f"Degradation of {name} generation {'rises' if falls else 'does not rise'} with length",
                "A.3.1, Table 5", "table5", *((first, first + 2) if falls else (first + 2, first)), _DEGRADATION,
                stable=not falls,
            ))  # fmt: skip
    if len(long) > 5:
        says = "At the longest inference frame-by-frame generation degrades more"
        claims.append(Claim(says, "A.3.1, Table 5", "table5", 2, 5, _DEGRADATION))
    claims += [
        Claim("Higher resolution keeps identity", "A.4.2, Table 7", "table7", 3, 1, ("csim_dlib",), stable=True),
        Claim("A window of twice the training clip beats one of half of it", "A.4.4, Table 8", "table8", 2, 0,
              (*_PICTURE, *_SYNC)),
        Claim("... and one of its length", "A.4.4, Table 8", "table8", 2, 1, (*_PICTURE, *_SYNC)),
        Claim("... and none", "A.4.4, Table 8", "table8", 2, 4, (*_PICTURE, *_SYNC)),
        Claim("No window costs less than one too small", "A.4.4, Table 8", "table8", 4, 0, (*_PICTURE, *_SYNC)),
    ]  # fmt: skip
    return claims


def write_claims(experiments: Experiments, rivals: Sequence[str], out: Path, cache: FeatureCache) -> list[Tested]:
    """Write ``<out>.md`` and ``<out>.json``; `rivals` are measured baselines. Raises InputError as tables do."""
    base = experiments.runs.base
    tests: list[Tested] = []
    for rival in rivals:
        rows = [Row("DAWN", base.name, "dawn", {}), Row(label_of(rival), base.name, rival, {})]
        says = f"DAWN beats {rows[1].name}"
        tests += _tests(experiments, rows, Claim(says, "4.2, Table 1", "table1", 0, 1, (*_PICTURE, "csim_dlib")), cache)
    for claim in claims_of(experiments):
        tests += _tests(experiments, experiments.rows(claim.table), claim, cache)
    write_json(out.with_suffix(".json"), [_plain(test) for test in tests])
    with atomic_path(out.with_suffix(".md")) as aside:
        aside.write_text(_markdown(base, tests, rivals), encoding="utf-8")
    return tests


def _tests(experiments: Experiments, rows: Sequence[Row], claim: Claim, cache: FeatureCache) -> list[Tested]:
    pair = [rows[claim.better], rows[claim.worse]]
    measured = [Measured(experiments.runs.configs[row.run], row.method) for row in pair]
    scores = read_together(measured)
    return [
        _test(experiments, claim, [row.name for row in pair], measured, scores, metric, cache)
        for metric in claim.metrics
    ]


def _test(
    experiments: Experiments,
    claim: Claim,
    names: Sequence[str],
    pair: Sequence[Measured],
    scores: Sequence[Mapping[str, Any]],
    metric: str,
    cache: FeatureCache,
) -> Tested:
    """The difference of a pair in one metric, above 0 as the claim says, with its interval and verdict."""

    def result(value: float, low: float, high: float, why: str = "") -> Tested:
        better = (low > -MARGIN and high < MARGIN) if claim.stable else low > 0
        worse = (high < -MARGIN or low > MARGIN) if claim.stable else high < 0
        if claim.stable and metric in _DEGRADATION:  # a rise is what is denied; a fall is none
            better, worse = low > -MARGIN, high < 0
        verdict = VERDICTS[0] if better else VERDICTS[1] if worse else VERDICTS[2]
        return Tested(claim.says, claim.where, metric, names[0], names[1], value, low, high, verdict, why)

    if metric == "time_s":
        times = [seconds(row) for row in pair]
        if any(time is None for time in times):
            return result(math.nan, math.nan, math.nan, "not measured")
        a, b = (time for time in times if time is not None)
        low, high = b["low"] - a["high"], b["high"] - a["low"]
        return result(b["value"] - a["value"], low, high, "from the intervals of both")
    if scores[0]["provenance"]["clips"] != scores[1]["provenance"]["clips"]:
        return result(math.nan, math.nan, math.nan, "not the same clips")
    samples = [
        resampled_score(row.config, row.paths, row.method, metric, judge_of(experiments.runs, row.config), cache)
        for row in pair
    ]
    if any(sample is None for sample in samples):
        return result(math.nan, math.nan, math.nan, "not measured, or clips too short")
    first, second = (sample for sample in samples if sample is not None)
    sign = 1 if get_metric(metric).better == "up" else -1
    relative = claim.stable and metric not in _DEGRADATION
    scale = abs(second.value) if relative else 1.0
    low, high = bootstrap.interval(
        sign * (first.resampled - second.resampled) / scale, pair[0].config.evaluate.interval
    )
    why = "relative" if relative else _distances(first, second, lengths=pair[0].method == pair[1].method)
    return result(sign * (first.value - second.value) / scale, low, high, why)


def _distances(first: ResampledScore, second: ResampledScore, *, lengths: bool) -> str:
    """Where two rates of degradation come from, in words; of two `lengths`, what part of one loss the other is."""
    if "start" not in first.entry or "start" not in second.entry:
        return ""
    ends = [(score.entry["start"], score.entry["end"]) for score in (first, second)]
    words = "; ".join(f"distance {start:.3g} to {end:.3g}" for start, end in ends)
    lost = [end - start for start, end in ends]
    if lengths and min(lost) > 0:
        words += f"; the first has {100 * lost[0] / lost[1]:.0f} % of the second's loss"
    return words


def _plain(test: Tested) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value for key, value in asdict(test).items()
    }


def _markdown(base: Config, tests: Sequence[Tested], rivals: Sequence[str]) -> str:
    coverage = f"{100 * base.evaluate.interval:g} %"
    lines = [
        "# The paper's claims on our numbers",
        "",
        f"Run {base.name}, corpus {base.corpus.name}, {base.corpus.resolution} by {base.corpus.resolution} pixels. A "
        f"difference above 0 is as the paper says. Brackets: its {coverage} interval over resampled clips, the same "
        "for both rows. *Supported*: all of it above 0; *contradicted*: all of it below; else we *cannot tell*. That "
        f"something is stable is supported where the relative change lies within {MARGIN:g} of none, whatever its sign."
        " At 95 %, one test in twenty of claims without substance comes out on either side by chance.",
        "",
    ]
    for says, where, verdict in verdicts([_plain(test) for test in tests]):
        own = [test for test in tests if (test.says, test.where) == (says, where)]
        lines += [f"## {says} ({where}): {verdict}", ""]
        lines += [f"{own[0].better} against {own[0].worse}.", ""]
        lines += ["| Metric | Difference | Verdict | |", "| --- | ---: | --- | --- |"]
        for test in own:
            number = "-" if math.isnan(test.low) else f"{test.difference:+.3g} [{test.low:+.3g}, {test.high:+.3g}]"
            lines.append(f"| {get_metric(test.metric).title} | {number} | {test.verdict} | {test.why} |")
        lines.append("")
    if not rivals:
        lines += [
            "## DAWN against seven systems (4.2, Table 1): cannot tell",
            "",
            "None of them was measured here.",
            "",
        ]
    if base.compare.ratings is None:
        lines += [
            "## People prefer DAWN (A.4, Table 6): cannot tell",
            "",
            "No ratings are given (compare.ratings).",
            "",
        ]
    return "\n".join(lines)


def verdicts(tests: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Claim, its place in the paper, and the verdict of its tests, which are as ``claims.json`` holds them."""
    claims = dict.fromkeys((test["says"], test["where"]) for test in tests)
    return [
        (*claim, overall([test["verdict"] for test in tests if (test["says"], test["where"]) == claim]))
        for claim in claims
    ]


def overall(verdicts: Sequence[str]) -> str:
    """Of a claim's tests: supported where all are, contradicted where some are and none is supported."""
    if set(verdicts) == {VERDICTS[0]}:
        return VERDICTS[0]
    return VERDICTS[1] if VERDICTS[1] in verdicts and VERDICTS[0] not in verdicts else VERDICTS[2]
