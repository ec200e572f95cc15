"""Registry of metrics: one object per metric, defined in one file of `eval.metrics`.

A module of this package that defines ``METRICS``, a tuple of :class:`Metric`, adds them to the registry; nothing else
has to be edited. Modules import numpy and scipy only: networks and media libraries are imported inside functions, so
that names, titles and table notes are available at once.

>>> METRICS["fvd16"].title
'FVD16'
>>> get_metric("blink_per_s").name
'blink'
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dawn.errors import InputError
from dawn.plugins import check_distinct, load_plugin, plugin_names

if TYPE_CHECKING:
    from eval.extract.spec import FeatureSpec
    from eval.metrics.clip_set import ClipSet, MetricResult

PRESETS_FILE = Path(__file__).with_name("presets.yaml")
DISCOVERS = ("*.py",)  # fingerprints include their computations where they are called: see clip_set
UP, DOWN = 1, -1  # directions of `Metric.follows`
_PACKAGE = "eval.metrics"
_NO_METRICS = ("clip_set", "registry")  # modules of this package that define none


@dataclass(frozen=True)
class Metric:
    """Definition of one metric: its columns, its protocol, its input features and its computation.

    name: in reports, presets and on the command line.
    title, tex: heading of its column, plain and in LaTeX (default: the title).
    better: ``up``, ``down``, ``near`` (nearest to the real videos) or ``zero``.
    digits: decimals in tables.
    note: what it measures, for the notes below a table.
    protocol: the choices that change its value, in words, for reports.
    backbone: network or detector that measures it; recorded in scores. Empty for numbers that are not computed here.
    column: key in ``scores.json``, tables and ``paper.csv`` (default: the name).
    order: position among the columns of a table, increasing; metrics of equal order by file name.
    real, fake: features needed of each real and each generated video.
    compute: clip set -> result; None for a metric that is not computed from videos.
    per_clip: True if it is a mean over clips, so that each clip has a value; False for distances between sets.
    clip_columns: further columns of a table with one row per clip (``MetricResult.columns``).
    parameters: constants that change its value and are not configuration keys, by group; recorded in scores.
    follows: perturbation (:mod:`eval.studies.perturb`) -> the direction, UP or DOWN, in which it should change.
    module: name of the module of this package that defines it; set by :func:`discover`.
    """

    name: str
    title: str
    better: Literal["up", "down", "near", "zero"]
    note: str = ""
    protocol: str = ""
    tex: str = ""
    digits: int = 3
    backbone: str = ""
    column: str = ""
    order: int = 1000
    real: tuple[FeatureSpec, ...] = ()
    fake: tuple[FeatureSpec, ...] = ()
    compute: Callable[[ClipSet], MetricResult] | None = field(default=None, repr=False)
    per_clip: bool = False
    clip_columns: tuple[str, ...] = ()
    parameters: Callable[[], dict[str, Any]] = field(default=dict, repr=False)
    follows: Mapping[str, int] = field(default_factory=dict)
    module: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tex", self.tex or self.title)
        object.__setattr__(self, "column", self.column or self.name)

    @property
    def specs(self) -> tuple[FeatureSpec, ...]:
        """Features of both sides, each once."""
        return tuple({spec.name: spec for spec in (*self.real, *self.fake)}.values())


class Registry(Mapping[str, Metric]):
    """Mapping of names to metrics in the order of table columns; the modules are imported at the first access."""

    @functools.cached_property
    def _metrics(self) -> dict[str, Metric]:
        return discover()

    def __getitem__(self, name: str) -> Metric:
        return self._metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._metrics)

    def __len__(self) -> int:
        return len(self._metrics)


def discover() -> dict[str, Metric]:
    """Import the metrics of every module of this package.

    Raises InputError for a module without ``METRICS`` or with another type, and for a name or column that two metrics
    have.
    """
    modules = [module for module in plugin_names(_PACKAGE) if module not in _NO_METRICS]
    found = [replace(metric, module=module) for module in modules for metric in _metrics_of(module)]
    keys = ((metric.module, key) for metric in found for key in {metric.name, metric.column})
    check_distinct(_PACKAGE, "metrics", keys)
    return {metric.name: metric for metric in sorted(found, key=lambda metric: metric.order)}


def _metrics_of(module: str) -> tuple[Metric, ...]:
    metrics: tuple[Metric, ...] = load_plugin(_PACKAGE, module, "METRICS", tuple)
    for metric in metrics:
        if not isinstance(metric, Metric):
            raise InputError(f"eval/metrics/{module}.py: METRICS contains {metric!r}, which is not a Metric")
    return metrics


METRICS: Mapping[str, Metric] = Registry()


def get_metric(key: str) -> Metric:
    """Return the metric of a name or a column key. Raises InputError for an unknown key."""
    if key in METRICS:
        return METRICS[key]
    for metric in METRICS.values():
        if metric.column == key:
            return metric
    raise InputError(f"no metric is called {key!r}; 'dawn-eval list' names them")


def computed(keys: Iterable[str]) -> list[Metric]:
    """Return the metrics of names or column keys, each once, all of which must be computable from videos.

    Raises InputError for an unknown one, and for one that is not computed from videos (opinion scores, generation
    time).
    """
    metrics = {metric.name: metric for metric in map(get_metric, keys)}
    for name, metric in metrics.items():
        if metric.compute is None:
            raise InputError(f"metric {name!r} is not computed from videos; 'dawn-eval list' names those that are")
    return list(metrics.values())


def modules_of(keys: Iterable[str]) -> frozenset[str]:
    """Names of the modules of this package that define the metrics of names or column keys.

    Raises InputError for an unknown one.
    """
    return frozenset(get_metric(key).module for key in keys)


@functools.cache
def presets() -> dict[str, Any]:
    """Load the named sets of metrics (``presets.yaml``): name -> ``about`` and ``metrics``."""
    import yaml

    found: dict[str, Any] = yaml.safe_load(PRESETS_FILE.read_text(encoding="utf-8"))
    return found


def of_preset(name: str) -> list[str]:
    """Return the names of a preset's metrics. Raises InputError for an unknown preset."""
    if name not in presets():
        raise InputError(f"no preset is called {name!r}; there are {', '.join(presets())}")
    return list(presets()[name]["metrics"])
