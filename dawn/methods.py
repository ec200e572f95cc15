"""Methods: how the test videos that are evaluated are generated, and how their table rows are labelled.

Three kinds have an entry here: DAWN and the other generation strategies, one module each in
``dawn/generation/strategies``; the controls that DAWN's scores are compared with; and table rows without generated
videos. Baselines, systems of other authors, are declared in ``config/baselines`` (see ``dawn.baselines.methods``).

A strategy is added by a module ``dawn/generation/strategies/<name>.py`` that defines ``METHOD``, a :class:`Method`, and
``generate``, a :class:`dawn.generation.strategies.Generate`. It imports torch inside functions only, so that labels are
available without torch.

>>> get_method("dawn").label
'DAWN'
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from dawn.config import Config
from dawn.errors import InputError
from dawn.paths import Paths
from dawn.plugins import check_distinct, load_plugin, plugin_names
from dawn.stages import networks_of

DISCOVERS = ("generation/strategies/*.py",)
STRATEGIES = "dawn.generation.strategies"  # package of the plug-ins
SCORED_METHODS = ("gt", "dawn", "still", "other_speech")  # methods of Table 1, before baselines


@dataclass(frozen=True)
class Method:
    """One method: its rows in tables, and the inputs that its test video of a clip is generated from."""

    name: str  # in file names and on the command line
    label: str  # in tables
    ranked: bool = True  # whether tables compare it with the others; False for references
    on_demand: bool = False  # True: generated only when a table, a figure or a user needs it
    generated: bool = True  # False: no command generates its videos
    remark: str = ""  # note below a table that shows it

    # The test video of a clip; "other" stands for the next test clip of another person.
    strategy: str | None = "nar"  # module in dawn/generation/strategies, set for its METHOD; None: no networks
    speech: Literal["clip", "other"] = "clip"  # speech features that condition the networks
    sound: Literal["clip", "other"] = "clip"  # sound track, which also sets the length
    pose_blink: Literal["pbnet", "clip", "other"] = "pbnet"  # where head pose and blink come from
    styled: bool = False  # whether the source frame is restyled (paper Figure 3)
    stages: tuple[str, ...] = ()  # training stages of its networks in addition to DAWN's

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of the modules of :data:`STRATEGIES` that generate its videos: its strategy, or none."""
        return () if self.strategy is None else (self.strategy,)


_CONTROLS = (
    Method("still", "Still image", ranked=False, strategy=None),
    Method("other_speech", "DAWN, other speech", ranked=False, speech="other"),
    Method("commanded", "DAWN, true pose and blink", ranked=False, pose_blink="clip"),
    Method("reenact", "DAWN, reenacting", on_demand=True, speech="other", sound="other", pose_blink="other"),
    Method("styled", "DAWN, restyled portraits", on_demand=True, styled=True),
)
_ROWS_ONLY = (
    Method("gt", "True videos", ranked=False, generated=False),
    Method("only_stage1", "DAWN, only stage 1", generated=False),
    Method("only_stage2", "DAWN, only stage 2", generated=False),
    Method("no_pbnet", "DAWN without PBNet", generated=False),
)


@functools.cache
def strategies() -> dict[str, Method]:
    """Return the strategies by module name, DAWN's first."""
    methods: dict[str, Method] = {
        name: replace(load_plugin(STRATEGIES, name, "METHOD", Method), strategy=name)
        for name in plugin_names(STRATEGIES)
    }
    check_distinct(STRATEGIES, "strategies", ((module, method.name) for module, method in methods.items()))
    for method in (*_CONTROLS, *_ROWS_ONLY):
        if taken := [module for module, strategy in methods.items() if strategy.name == method.name]:
            raise InputError(
                f"{taken[0]}.py in dawn/generation/strategies: {method.name!r} is a control or a table row"
            )
    if "dawn" not in (method.name for method in methods.values()):
        raise InputError("dawn/generation/strategies has no module whose METHOD is named 'dawn'")
    return dict(sorted(methods.items(), key=lambda item: item[1].name != "dawn"))


@functools.cache
def methods() -> dict[str, Method]:
    """Return all methods except baselines, by name: DAWN, its controls, other strategies, rows without videos."""
    dawn, *others = strategies().values()
    return {method.name: method for method in (dawn, *_CONTROLS, *others, *_ROWS_ONLY)}


def generated_methods(*, on_demand: bool | None = None) -> tuple[str, ...]:
    """Return the names of the methods that ``dawn videos`` generates.

    `on_demand` selects those generated only when needed (True) or always (False); None selects all.
    """
    return tuple(
        name for name, method in methods().items() if method.generated and on_demand in (None, method.on_demand)
    )


def get_method(name: str) -> Method:
    """Return the generated method `name`. Raises InputError listing the known ones for another name."""
    if name not in generated_methods():
        raise InputError(f"no method {name!r}; methods are {', '.join(generated_methods())}")
    return methods()[name]


def networks_of_method(config: Config, method: str) -> tuple[str, ...]:
    """Return the training stages whose networks generate the videos of a method."""
    found = get_method(method)
    return () if found.strategy is None else (*networks_of(config), *found.stages)


def videos_folder(paths: Paths, method: str) -> Path:
    """Return the folder of the test videos of a method or baseline."""
    return paths.videos(method) if method in methods() else paths.baseline_videos(method)
