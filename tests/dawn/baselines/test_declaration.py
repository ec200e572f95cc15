"""Declarations of the seven systems, and bad ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from dawn.baselines.declaration import FOLDER, declared, load
from dawn.errors import InputError
from tests.support.stand_ins import STAND_INS


# ------------------------------------------------------------------------------------------------------ declarations
def test_the_seven_systems_of_the_paper_are_declared() -> None:
    assert set(declared()) == set(STAND_INS)
    assert [name for name, baseline in declared().items() if not baseline.ranked] == ["wav2lip"]
    aligned = {name for name, baseline in declared().items() if baseline.crop.rule == "aligned"}
    assert aligned == {"dreamtalk", "echomimic"}
    for baseline in declared().values():
        assert baseline.upstream.commit is None or len(baseline.upstream.commit) == 40


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"titel": "x"}, "titel: unknown key"),
        ({"upstream": {"repository": "https://a.example/b", "commit": "main"}}, "upstream.commit"),
        ({"upstream": {"repository": "git@a.example:b", "commit": None}}, "upstream.repository"),
        ({"command": ["{python}", "x.py", "{portrait}"]}, "neither command nor files use {speech}"),
        ({"command": ["{python}", "{portrait}", "{speach}"]}, "unknown placeholder {speach}"),
        ({"command": ["{python}", "{portrait", "{speech}"]}, "unmatched brace"),
        ({"output": "{where}/*.mp4"}, "unknown placeholder {where}"),
        ({"weights": [{"file": "../secret", "source": "x"}]}, "leaves the checkout"),
        ({"crop": {"rule": "aligned", "side": 256}}, "face belongs to rule: aligned"),
        ({"crop": {"rule": "square", "side": 256}}, "crop.rule"),
        ({"licence": {"code": "MIT"}}, "licence.weights: Field required"),
        ({"ranked": "perhaps"}, "ranked"),
    ],
)
def test_a_bad_declaration_is_refused_with_file_and_key(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    tree = yaml.safe_load((FOLDER / "hallo.yaml").read_text()) | change
    (tmp_path / "hallo.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(InputError) as caught:
        load("hallo", tmp_path)
    assert "hallo.yaml" in str(caught.value) and message in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_name_and_a_file_that_is_no_yaml_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are: audio2head"):
        load("../hallo")
    (tmp_path / "broken.yaml").write_text("title: [")
    with pytest.raises(InputError, match="cannot be read as YAML"):
        load("broken", tmp_path)
