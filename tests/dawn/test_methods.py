"""The registry of methods: what it discovers, and that it is cheap to read."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from dawn.baselines.methods import all_methods, label_of
from dawn.config import Config
from dawn.errors import InputError
from dawn.methods import Method, generated_methods, get_method, methods, networks_of_method, strategies, videos_folder
from dawn.paths import Paths
from dawn.stages import STAGES, TTR_STAGES, networks_of
from tests.support.repository import REPOSITORY


def test_strategies_are_discovered_with_dawns_own_first() -> None:
    assert list(strategies()) == ["nar", "ar", "sar", "ttr"]
    assert [method.name for method in strategies().values()] == ["dawn", "ar", "sar", "ttr"]


def test_default_and_on_demand_methods_are_the_generated_ones() -> None:
    assert generated_methods(on_demand=False) == ("dawn", "still", "other_speech", "commanded")
    assert set(generated_methods(on_demand=True)) == {"sar", "ttr", "ar", "reenact", "styled"}
    assert set(generated_methods()) == {*generated_methods(on_demand=False), *generated_methods(on_demand=True)}


@pytest.mark.parametrize("name", ["gt", "wav2lip", "nothing"])
def test_methods_without_generated_videos_are_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match=f"no method '{name}'; methods are dawn, still"):
        get_method(name)


def test_rows_have_the_labels_of_the_tables() -> None:
    labels = {name: method.label for name, method in methods().items()}
    assert labels["gt"] == "True videos" and labels["ttr"] == "Two temporal resolutions (TTR)"
    references = {name for name, method in methods().items() if not method.ranked}
    assert references == {"gt", "still", "other_speech", "commanded"}
    assert label_of("wav2lip") == all_methods()["wav2lip"].label != "wav2lip"
    assert label_of("unknown") == "unknown"


def test_networks_are_those_of_the_strategy() -> None:
    config = Config()
    assert networks_of_method(config, "still") == ()
    assert networks_of_method(config, "commanded") == networks_of(config)
    assert networks_of_method(config, "ttr") == (*networks_of(config), *TTR_STAGES)
    assert set(STAGES) >= {stage for name in generated_methods() for stage in networks_of_method(config, name)}


def test_videos_of_methods_and_baselines_have_folders_of_their_own() -> None:
    paths = Paths.of(Config())
    assert videos_folder(paths, "dawn") == paths.run / "videos"
    assert videos_folder(paths, "sar") == paths.run / "controls/sar"
    assert videos_folder(paths, "wav2lip") == paths.baseline_videos("wav2lip") == paths.run / "baselines/wav2lip"


def test_labels_are_read_without_torch() -> None:
    code = "import sys; from dawn.methods import methods; methods(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            {"nar": "dawn", "zz": "dawn"},
            "two strategies are called 'dawn', in nar.py and zz.py of dawn/generation/strategies",
        ),
        ({"nar": "dawn", "zz": "still"}, "zz.py in dawn/generation/strategies: 'still' is a control or a table row"),
        ({"zz": "zz"}, "no module whose METHOD is named 'dawn'"),
    ],
)
def test_a_strategy_with_the_name_of_another_method_is_an_error(
    names: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dawn.methods.plugin_names", lambda package: tuple(names))
    monkeypatch.setattr("dawn.methods.load_plugin", lambda package, module, *_: Method(names[module], "Label"))
    with pytest.raises(InputError, match=re.escape(message)):
        strategies.__wrapped__()
