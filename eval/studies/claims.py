"""Tests of the paper's claims on our scores; the verdict is ``supported``, ``contradicted`` or ``cannot tell``.

A claim compares two rows of a table in some metrics. Both rows are resampled with the same clips
(:mod:`eval.stats.bootstrap`), and the interval of the difference decides. Generation times are not measured per clip:
the interval of their difference is combined from those of both rows, which widens it more than necessary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawn.baselines.methods import label_of
from dawn.comparisons import Experiments
from dawn.media.json_files import write_json
from dawn.variants import Row
from eval.metrics.registry import get_metric
from eval.stats import bootstrap
from eval.studies import verdicts
from eval.studies.consistency import ScoreFile, read_consistent, syncnet_of
from eval.studies.resampled import ResampledScore, resampled_score
from eval.studies.timing import generation_time

if TYPE_CHECKING:
    from eval.extract.cache import FeatureCache

_DEGRADATION = ("dr25_efficientnet", "dr50_efficientnet")
_QUALITY = ("fd_efficientnet", "fvd16", "fvd32")
_LIP_SYNC = ("lse_c_own", "lse_d_own")


@dataclass(frozen=True)
class Claim:
    """Claim that row `better` of `table` is better than row `worse` (indices) in `metrics`; with `stable`, as good."""

    claim: str
    section: str  # of the paper
    table: str
    better: int
    worse: int
    metrics: tuple[str, ...]
    stable: bool = False


@dataclass(frozen=True)
class ClaimTest:
    """Test of a claim in one metric.

    difference: of row `better` from row `worse`, positive where `better` is better, with its interval; relative to the
    value of `worse` where the remark says so; NaN where there are no values. remark: how the difference was computed,
    or why there is none.
    """

    claim: str
    section: str
    metric: str
    better: str
    worse: str
    difference: float
    low: float
    high: float
    verdict: verdicts.Verdict
    remark: str = ""


def claims_of(experiments: Experiments) -> list[Claim]:
    """Return the paper's claims about the rows of Tables 2 to 5, 7 and 8."""
    claims = []
    methods = [row.method for row in experiments.rows("table2")]
    for method, name in (("sar", "semi-autoregressive"), ("ttr", "two-resolution")):
        if method in methods:
            pair = (methods.index("dawn"), methods.index(method))
            claims += [
                Claim(
                    f"Non-autoregressive generation has better quality than {name} generation",
                    "4.3, Table 2", "table2", *pair, (*_QUALITY, *_LIP_SYNC),
                ),
                Claim(
                    f"Non-autoregressive generation takes less time than {name} generation",
                    "4.3, Table 2", "table2", *pair, ("time_s",),
                ),
            ]  # fmt: skip
    if "sar" in methods:
        pair = (methods.index("dawn"), methods.index("sar"))
        claim = "Semi-autoregressive generation degrades over time, non-autoregressive generation does not"
        claims.append(Claim(claim, "4.3, Table 2", "table2", *pair, _DEGRADATION))
    claims += [
        Claim("Quality is stable from the shortest to the longest inference", "4.4, Table 3", "table3", 4, 0, _QUALITY,
              stable=True),
        Claim("Longer inference improves lip sync", "4.4, Table 3", "table3", 4, 0, _LIP_SYNC),
        Claim("Two stages are better than stage 1 alone, except for single frames", "4.5, Table 4", "table4", 2, 0,
              ("fvd16", "fvd32", *_LIP_SYNC)),
        Claim("Stage 1 alone has the best single frames", "4.5, Table 4", "table4", 0, 2, ("fd_efficientnet",)),
        Claim("Two stages are better than stage 2 alone", "4.5, Table 4", "table4", 2, 1, (*_QUALITY, *_LIP_SYNC)),
        Claim("PBNet improves every metric", "4.5, Table 4", "table4", 4, 3, (*_QUALITY, *_LIP_SYNC)),
    ]  # fmt: skip
    lengths = experiments.rows("table5")
    if lengths:
        claim = "Degradation of non-autoregressive generation does not increase with length"
        claims.append(Claim(claim, "A.3.1, Table 5", "table5", 2, 0, _DEGRADATION, stable=True))
    if len(lengths) > 3:
        claim = "Degradation of frame-by-frame generation increases with length"
        claims.append(Claim(claim, "A.3.1, Table 5", "table5", 3, 5, _DEGRADATION))
    if len(lengths) > 5:
        claim = "At the longest inference, frame-by-frame generation degrades more than non-autoregressive generation"
        claims.append(Claim(claim, "A.3.1, Table 5", "table5", 2, 5, _DEGRADATION))
    windows = ("A.4.4, Table 8", "table8")
    claims += [
        Claim("Higher resolution preserves identity", "A.4.2, Table 7", "table7", 3, 1, ("csim_dlib",), stable=True),
        Claim("A window of twice the training clip is better than one of half of it", *windows, 2, 0,
              (*_QUALITY, *_LIP_SYNC)),
        Claim("A window of twice the training clip is better than one of its length", *windows, 2, 1,
              (*_QUALITY, *_LIP_SYNC)),
        Claim("A window of twice the training clip is better than none", *windows, 2, 4, (*_QUALITY, *_LIP_SYNC)),
        Claim("Generation without a window is better than with one that is too short", *windows, 4, 0,
              (*_QUALITY, *_LIP_SYNC)),
    ]  # fmt: skip
    return claims


def evaluate_claims(experiments: Experiments, baselines: Sequence[str], cache: FeatureCache) -> list[ClaimTest]:
    """Test all claims.

    baselines: systems that have scores in the main run, with which DAWN is compared. Raises InputError for missing
    scores and for scores that cannot be compared.
    """
    base = experiments.runs.base
    tests: list[ClaimTest] = []
    for baseline in baselines:
        rows = [Row("DAWN", base.name, "dawn", {}), Row(label_of(baseline), base.name, baseline, {})]
        claim = f"DAWN is better than {rows[1].name}"
        tests += _test(experiments, rows, Claim(claim, "4.2, Table 1", "table1", 0, 1, (*_QUALITY, "csim_dlib")), cache)
    for claim_of_table in claims_of(experiments):
        tests += _test(experiments, experiments.rows(claim_of_table.table), claim_of_table, cache)
    return tests


def write_claim_tests(tests: Sequence[ClaimTest], out: Path) -> None:
    """Write the tests as a JSON list; NaN becomes null."""
    write_json(out, [{key: _finite(value) for key, value in asdict(test).items()} for test in tests])


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _test(experiments: Experiments, rows: Sequence[Row], claim: Claim, cache: FeatureCache) -> list[ClaimTest]:
    pair = [rows[claim.better], rows[claim.worse]]
    files = [ScoreFile(experiments.runs.configs[row.run], row.method) for row in pair]
    scores = read_consistent(files)
    tests = []
    for metric in claim.metrics:
        value, low, high, remark = _difference(experiments, claim, files, scores, metric, cache)
        verdict = verdicts.of_difference(low, high)
        if claim.stable and metric in _DEGRADATION:  # the claim denies an increase; a decrease does not contradict it
            verdict = verdicts.of_no_decrease(low, high)
        elif claim.stable:
            verdict = verdicts.of_stability(low, high)
        better, worse = (row.name for row in pair)
        tests.append(ClaimTest(claim.claim, claim.section, metric, better, worse, value, low, high, verdict, remark))
    return tests


def _difference(
    experiments: Experiments,
    claim: Claim,
    files: Sequence[ScoreFile],
    scores: Sequence[Mapping[str, Any]],
    metric: str,
    cache: FeatureCache,
) -> tuple[float, float, float, str]:
    """Compute the difference of a pair in one metric, positive where the first is better, its interval, and a
    remark."""
    if metric == "time_s":
        first, second = (generation_time(file) for file in files)
        if first is None or second is None:
            return math.nan, math.nan, math.nan, "not measured"
        interval = (second["low"] - first["high"], second["high"] - first["low"])
        return second["value"] - first["value"], *interval, "interval combined from both"
    if scores[0]["provenance"]["clips"] != scores[1]["provenance"]["clips"]:
        return math.nan, math.nan, math.nan, "different clips"
    better, worse = (
        resampled_score(file.config, file.paths, file.method, metric, syncnet_of(experiments.runs, file.config), cache)
        for file in files
    )
    if better is None or worse is None:
        return math.nan, math.nan, math.nan, "not measured, or clips too short"
    sign = 1 if get_metric(metric).better == "up" else -1
    relative = claim.stable and metric not in _DEGRADATION
    scale = abs(worse.value) if relative else 1.0
    differences = sign * (better.resampled - worse.resampled) / scale
    low, high = bootstrap.interval(differences, files[0].config.evaluate.interval)
    remark = "relative" if relative else _distances(better, worse, same_method=files[0].method == files[1].method)
    return sign * (better.value - worse.value) / scale, low, high, remark


def _distances(first: ResampledScore, second: ResampledScore, *, same_method: bool) -> str:
    """Describe the distances at both ends behind two degradation rates; of one method, also the ratio of their
    increases."""
    if "start" not in first.entry or "start" not in second.entry:
        return ""
    ends = [(score.entry["start"], score.entry["end"]) for score in (first, second)]
    remark = "; ".join(f"distance {start:.3g} to {end:.3g}" for start, end in ends)
    increases = [end - start for start, end in ends]
    if same_method and min(increases) > 0:
        remark += f"; the first increases by {100 * increases[0] / increases[1]:.0f} % of the second's increase"
    return remark
