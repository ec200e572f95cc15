"""Markdown page of the paper's claims (``claims.md``), from their tests in ``claims.json``
(:mod:`eval.studies.claims`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from dawn.config import Config
from dawn.media.files import atomic_path
from dawn.media.json_files import read_json
from eval.metrics.registry import get_metric
from eval.studies.verdicts import MARGIN, UNDECIDED, Verdict, overall

_HEADER = ("Metric", "Difference", "Verdict", "Remark")


def write_claims_page(config: Config, tests_file: Path, out: Path) -> None:
    """Write `out` (Markdown): each claim with its verdict and a table of its tests."""
    tests = read_json(tests_file)
    size = f"{config.corpus.resolution} x {config.corpus.resolution} pixels"
    coverage = f"{100 * config.evaluate.interval:g} %"
    sections = [
        "# The paper's claims, tested on our scores",
        f"Run {config.name}, corpus {config.corpus.name}, {size}. A positive difference agrees with the paper. "
        f"Brackets: its {coverage} interval over resampled clips, the same clips for both rows. "
        "*Supported*: the interval is above 0; *contradicted*: it is below 0; otherwise we *cannot tell*. A claim of "
        f"stability is supported where the interval of the relative change lies within ±{MARGIN:g}. At 95 %, one in "
        "twenty claims without any effect is supported or contradicted by chance.",
    ]
    for claim, section, verdict in claim_verdicts(tests):
        own = [test for test in tests if (test["claim"], test["section"]) == (claim, section)]
        sections += [
            f"## {claim} ({section}): {verdict}",
            f"{own[0]['better']} compared with {own[0]['worse']}.",
            tabulate(
                [_row(test) for test in own], _HEADER, tablefmt="pipe", colalign=("left", "right", "left", "left")
            ),
        ]
    if not any(test["section"] == "4.2, Table 1" for test in tests):
        sections += [
            f"## DAWN is better than seven other systems (4.2, Table 1): {UNDECIDED}",
            "None of these systems has scores here.",
        ]
    if config.compare.ratings is None:
        sections += [
            f"## People prefer DAWN (A.4, Table 6): {UNDECIDED}",
            "There are no ratings (setting compare.ratings).",
        ]
    with atomic_path(out) as aside:
        aside.write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def claim_verdicts(tests: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, Verdict]]:
    """Aggregate the tests (content of ``claims.json``) to claim, section of the paper and overall verdict, in their
    order."""
    claims = dict.fromkeys((test["claim"], test["section"]) for test in tests)
    return [
        (*claim, overall([test["verdict"] for test in tests if (test["claim"], test["section"]) == claim]))
        for claim in claims
    ]


def _row(test: Mapping[str, Any]) -> tuple[str, str, str, str]:
    difference = "-"
    if test["low"] is not None:
        difference = f"{test['difference']:+.3g} [{test['low']:+.3g}, {test['high']:+.3g}]"
    return get_metric(test["metric"]).title, difference, test["verdict"], test["remark"]
