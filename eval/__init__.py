"""Talking-head metrics of generated videos against real ones, with confidence intervals and provenance.

Videos of the same name in two folders are pairs::

    import eval

    report = eval.evaluate("real/", "generated/", metrics=["fvd16", "csim_dlib", "blink"])
    print(report.metrics[["value", "low", "high", "n"]])  # one row per metric
    print(report.clips["csim_dlib"])                      # one row per video
    report.save("report/")                                # report.json, report.csv, clips.csv

:func:`evaluate` is documented at :func:`eval.studies.evaluate.evaluate`, its result at
:class:`eval.studies.metric_report.Report`. :data:`METRICS` maps names to :class:`eval.metrics.registry.Metric`.
``dawn-eval`` is the command-line interface. Importing this package loads none of the libraries that metrics need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eval.metrics.registry import METRICS as METRICS
    from eval.studies.evaluate import evaluate as evaluate
    from eval.studies.metric_report import Report as Report

__all__ = ["METRICS", "Report", "evaluate"]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use."""
    if name == "METRICS":
        from eval.metrics.registry import METRICS

        return METRICS
    if name == "evaluate":
        from eval.studies.evaluate import evaluate

        return evaluate
    if name == "Report":
        from eval.studies.metric_report import Report

        return Report
    raise AttributeError(f"module 'eval' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
