"""What an edit re-runs: the rules whose closure has the edited file, and no others."""

from __future__ import annotations

import re

import pytest

from dawn.config import Config
from dawn.fingerprint import Sources, Use
from dawn.methods import STRATEGIES, generated_methods, get_method
from dawn.stages import STAGES
from dawn.training.plan import code_modules
from eval.backbones.cards import CARDS
from eval.metrics.registry import METRICS, modules_of
from tests.support.repository import REPOSITORY

RULES = REPOSITORY / "workflow/rules"
# Modules named by functions instead of in the rules.
NAMED_ELSEWHERE = {
    **{f"train {stage}": code_modules(stage) for stage in STAGES},
    "corpus": ("dawn.corpora.prepare", "dawn.corpora.kinds.demo"),
    "clips": ("dawn.corpora.prepare", "dawn.corpora.kinds.demo", "dawn.features.portrait"),
    "features": ("dawn.features.extract",),
    "pack": ("dawn.features.pack",),
    "videos": ("dawn.generation.testset",),
    "videos_shard": ("dawn.generation.testset",),
}


# Plug-ins of the rules that use some only: those of the default configuration.
PLUGINS = {
    "videos": {STRATEGIES: get_method("dawn").modules},
    "videos_shard": {STRATEGIES: get_method("dawn").modules},
    "score": {"eval.metrics": modules_of(Config().evaluate.scored)},
}


def _modules_of_rules() -> dict[str, tuple[str, ...]]:
    """Rule -> the modules whose closure its code is."""
    rules = dict(NAMED_ELSEWHERE)
    for path in sorted(RULES.glob("*.smk")):
        text = path.read_text()
        for rule, body in re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", text, re.M | re.S):
            named = re.search(r'code=(?:lambda wildcards: )?code_fingerprint\(\s*((?:"[\w.]+"(?:,\s*)?)+)', body)
            if named:
                rules[rule] = tuple(re.findall(r'"([\w.]+)"', named[1]))
    return rules


MODULES = _modules_of_rules()
SOURCES = Sources()
CLOSURES = {rule: SOURCES.closure(*modules, plugins=PLUGINS.get(rule)) for rule, modules in MODULES.items()}
FINGERPRINTS = {rule: SOURCES.fingerprint(*modules, plugins=PLUGINS.get(rule)) for rule, modules in MODULES.items()}
FILES = sorted({place for closure in CLOSURES.values() for place in closure})
PYTHON = [place for place in FILES if place.endswith(".py")]
DATA = [place for place in FILES if not place.endswith(".py")]


def changed_by(place: str, content: str | bytes) -> set[str]:
    """The rules whose fingerprint changes when `place` has this content."""
    edited = SOURCES.edited(place, content.encode() if isinstance(content, str) else content)
    changed = {rule: edited.fingerprint(*modules, plugins=PLUGINS.get(rule)) for rule, modules in MODULES.items()}
    return {rule for rule in MODULES if changed[rule] != FINGERPRINTS[rule]}


def text_of(place: str) -> str:
    return (REPOSITORY / place).read_text(encoding="utf-8")


def test_every_rule_with_code_is_covered() -> None:
    """Rules that copy files, or write the configuration, run no code of the packages."""
    rules = {name for path in RULES.glob("*.smk") for name in re.findall(r"^rule (\w+):", path.read_text(), re.M)}
    without_code = {"resolve", "copy_weights", "publish"}
    assert rules - without_code == {rule.partition(" ")[0] for rule in MODULES}


@pytest.mark.parametrize("place", PYTHON)
def test_an_edit_of_a_module_changes_the_rules_of_its_closure_and_no_others(place: str) -> None:
    text = text_of(place)
    statement = changed_by(place, f"{text}\n\n_edited = print()\n")
    assert statement == {rule for rule, closure in CLOSURES.items() if place in closure}
    function = changed_by(place, f"{text}\n\ndef _edited():\n    return 1\n")
    assert function == {rule for rule, closure in CLOSURES.items() if closure.get(place) is Use.ALL}
    documented = text.replace('"""', '"""Edited. ', 1) if text.startswith('"""') else text
    assert changed_by(place, f"{documented}\n# edited\n") == set()


@pytest.mark.parametrize("place", DATA)
def test_an_edit_of_a_data_file_changes_the_rules_that_read_it(place: str) -> None:
    assert changed_by(place, (REPOSITORY / place).read_bytes() + b"\n") == {
        rule for rule, closure in CLOSURES.items() if place in closure
    }


@pytest.mark.parametrize(
    ("place", "rule"),
    [
        ("eval/metrics/opinion.py", "comparison"),  # Table 6
        ("eval/report/paper.csv", "table1"),
        ("eval/report/paper.csv", "comparison"),
        ("eval/stats/bootstrap.py", "claims"),
        ("eval/metrics/registry.py", "table1"),
        ("dawn/media/video.py", "samples"),
        ("dawn/features/mfcc.py", "features"),
        ("dawn/features/landmarks.py", "reenactment"),
    ],
)
def test_what_hand_written_lists_had_left_out_counts(place: str, rule: str) -> None:
    assert CLOSURES[rule].get(place) is Use.ALL


@pytest.mark.parametrize(
    ("rules", "without"),
    [
        ("train", r"eval/|dawn/(generation|corpora/kinds|demo|baselines)/|dawn/(paths|methods|cli)\.py|.*video_writer"),
        ("train pbnet", r"dawn/models/(unet3d|lfg|diffusion)\.py"),
        ("train lfg", r"dawn/models/(unet3d|pbnet|diffusion)\.py"),
        ("score", r"dawn/(models|training|generation)/|eval/(report|figures)/"),
        ("table1", r"dawn/(models|training)/|eval/(backbones|figures)/"),
        ("comparison", r"dawn/(models|training)/|eval/(backbones|figures)/"),
        ("samples", r"dawn/(models|training)/|eval/(backbones|extract|report)/"),
        ("quality", r"dawn/(models|training|generation)/|eval/(report|figures|metrics)/"),
        ("head_motion", r"eval/|dawn/(training|corpora/kinds|baselines)/|dawn/generation/(strategies|testset|outputs)"),
        ("testset", r"eval/|dawn/(models|training|features)/[a-z]"),
        ("clips", r"eval/|dawn/(models|training|generation)/|dawn/corpora/kinds/(hdtf|crema)"),
    ],
)
def test_closures_are_narrow(rules: str, without: str) -> None:
    for rule, closure in CLOSURES.items():
        if rule == rules or rule.startswith(f"{rules} "):
            used = [place for place, use in closure.items() if use is Use.ALL]
            assert not [place for place in used if re.match(without, place)], rule


@pytest.mark.parametrize("method", generated_methods())
def test_videos_of_a_method_depend_on_its_strategy_alone(method: str) -> None:
    closure = SOURCES.closure(*MODULES["videos"], plugins={STRATEGIES: get_method(method).modules})
    folder = "dawn/generation/strategies"
    assert {place for place in closure if place.startswith(folder)} == {
        f"{folder}/__init__.py",
        *(f"{folder}/{name}.py" for name in get_method(method).modules),
    }


def test_scores_depend_on_the_modules_of_their_metrics_alone() -> None:
    metrics = ["csim_dlib", "lse_c_own"]
    closure = SOURCES.closure(*MODULES["score"], plugins={"eval.metrics": modules_of(metrics)})
    assert modules_of(metrics) == {"csim", "lse"}
    assert closure["eval/metrics/csim.py"] is closure["eval/metrics/lse.py"] is Use.ALL
    assert not {f"eval/metrics/{name}.py" for name in modules_of(METRICS) - {"csim", "lse"}} & closure.keys()


def test_features_and_scores_depend_on_the_networks_that_compute_them() -> None:
    networks = {f"eval/backbones/{card.module}.py" for card in CARDS.values()}
    for modules in (("eval.extract.features",), MODULES["score"], ("eval.studies.evaluate",)):
        closure = SOURCES.closure(*modules)
        assert {closure.get(place) for place in networks} == {Use.ALL}


@pytest.mark.parametrize(
    ("place", "old", "new"),
    [
        ("eval/metrics/fvd.py", 'title=f"FVD', 'title=f"X-FVD'),
        ("eval/metrics/bas.py", 'better="near"', 'better="up"'),
    ],
)
def test_tables_depend_on_the_titles_and_directions_of_metrics(place: str, old: str, new: str) -> None:
    assert old in text_of(place)
    assert {"table1", "comparison", "page"} <= changed_by(place, text_of(place).replace(old, new))
