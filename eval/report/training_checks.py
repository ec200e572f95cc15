"""Training checks of a run (``quality.json``) as text, for pages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dawn.baselines.methods import label_of
from dawn.errors import InputError
from dawn.media.json_files import read_json

PASSED, FAILED = "✓ passed", "✗ not passed"


def training_checks(path: Path) -> dict[str, Any]:
    """Return the name, `result` and `checks` of the run of a ``<run>/quality.json``.

    Each of the `checks` has name, value, baseline, `baseline_is`, required, result and `reason`, and both the run and
    its checks the `style` ``passed`` or ``failed``. Raises InputError for another file.
    """
    report = read_json(path)
    try:
        checks = [_check(name, check) for name, check in report.items() if isinstance(check, dict)]
        passed = sum(check["passed"] for check in report.values() if isinstance(check, dict))
        return {
            "name": path.parent.name,
            "result": f"{PASSED if report['passed'] else FAILED} ({passed} of {len(checks)} checks)",
            "style": _style(report["passed"]),
            "checks": checks,
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(f"{path}: not a report of 'dawn-eval quality'; write it again") from None


def _check(name: str, check: Mapping[str, Any]) -> dict[str, str]:
    metric = f" ({check['metric']})" if "metric" in check else ""
    required = check["required"]
    return {
        "name": name + metric,
        "value": _number(check["value"], check.get("interval")),
        "baseline": _number(check["baseline"], check.get("baseline_interval")),
        "baseline_is": label_of(check["baseline_is"]),  # a method, or words
        "required": required if isinstance(required, str) else f"at least {required:.3g}",
        "result": PASSED if check["passed"] else FAILED,
        "reason": check.get("reason", ""),
        "style": _style(check["passed"]),
    }


def _style(passed: bool) -> str:
    return "passed" if passed else "failed"


def _number(value: float | None, interval: tuple[float, float] | None = None) -> str:
    """Format a value with three significant digits, ``1.23 [1.00, 1.50]``; a dash for None."""
    if value is None:
        return "-"
    low_high = f" [{_digits(interval[0])}, {_digits(interval[1])}]" if interval else ""
    return _digits(value) + low_high


def _digits(value: float) -> str:
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(decimals, 3)}f}"
