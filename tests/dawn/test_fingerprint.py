"""Fingerprints: which files the closure of a module contains, and which edits of them change its fingerprint."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawn.fingerprint import Sources, Use, code_fingerprint, fingerprint

TREE = {
    "dawn/__init__.py": '''"""Top."""
__version__ = "1"


def load():
    from dawn.api import talk

    return talk
''',
    "dawn/api.py": "def talk():\n    pass\n",
    "dawn/config/__init__.py": "from dawn.config.tree import Config\n",
    "dawn/config/tree.py": "class Config:\n    pass\n",
    "dawn/low.py": "LIMIT = 3\n",
    "dawn/rooms/__init__.py": """from dawn.low import LIMIT


def choose():
    from dawn.rooms import other

    return other
""",
    "dawn/rooms/work.py": '''"""Work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dawn.config import Config
from . import near
from .near import half

if TYPE_CHECKING:
    from dawn.rooms.types import Kind

READS = ("numbers.csv", "plugins/*.py")
DISCOVERS = ("kinds/*.py",)


def run(x, config: Config):
    """Run."""
    from dawn.rooms.lazy import late  # only here

    return late(x[: half(x)])


class Settings:
    """Settings."""

    steps: int = Field(3, description="how many")
''',
    "dawn/rooms/near.py": "def half(x):\n    return len(x) // 2\n",
    "dawn/rooms/lazy.py": "def late(x):\n    return x\n",
    "dawn/rooms/other.py": "A = 1\n",
    "dawn/rooms/types.py": "class Kind:\n    pass\n",
    "dawn/rooms/user.py": "from dawn.rooms import choose\n",
    "dawn/rooms/numbers.csv": "a,b\n1,2\n",
    "dawn/rooms/plugins/__init__.py": "",
    "dawn/rooms/plugins/first.py": "from dawn.rooms.plugins.helper import h\n",
    "dawn/rooms/plugins/helper/__init__.py": "h = 1\n",
    "dawn/rooms/kinds/first.py": """LABEL = 'First'
TITLE = named(3, run=print)


def run():
    from dawn.api import talk
    return talk


def named(number, run):
    return shown(number) + 'title'


def shown(number):
    return f'No. {number}'
""",
}
WORK = "dawn/rooms/work.py"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for place, text in TREE.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text)
    return tmp_path


def test_a_fingerprint_of_values_is_independent_of_the_order_of_keys_and_of_nothing_else() -> None:
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert fingerprint([1, 2]) != fingerprint([2, 1])


def test_a_closure_holds_imports_data_files_and_plugins_but_no_settings(root: Path) -> None:
    assert Sources(root).closure("dawn.rooms.work") == {
        "dawn/__init__.py": Use.RUN,
        "dawn/low.py": Use.RUN,
        "dawn/rooms/__init__.py": Use.RUN,
        "dawn/rooms/work.py": Use.ALL,
        "dawn/rooms/near.py": Use.ALL,
        "dawn/rooms/lazy.py": Use.ALL,
        "dawn/rooms/numbers.csv": Use.ALL,
        "dawn/rooms/plugins/__init__.py": Use.ALL,
        "dawn/rooms/plugins/first.py": Use.ALL,
        "dawn/rooms/plugins/helper/__init__.py": Use.ALL,
        "dawn/rooms/kinds/first.py": Use.DECLARE,
    }


def test_a_package_above_counts_for_what_runs_at_import_and_a_used_one_wholly(root: Path) -> None:
    above = {"dawn/__init__.py": Use.RUN, "dawn/rooms/__init__.py": Use.RUN, "dawn/low.py": Use.RUN}
    assert Sources(root).closure("dawn.rooms.near") == above | {"dawn/rooms/near.py": Use.ALL}
    used = {f"dawn/{name}.py": Use.ALL for name in ("low", "rooms/__init__", "rooms/other", "rooms/user")}
    assert Sources(root).closure("dawn.rooms.user") == above | used
    assert "dawn/api.py" in Sources(root).closure("dawn")


@pytest.mark.parametrize(
    ("place", "old", "new"),
    [
        (WORK, '"""Run."""', '"""Run, in other words."""'),
        (WORK, '"""Work."""', ""),
        (WORK, "  # only here", "  # here alone\n"),
        (WORK, "how many", "how many steps"),
        (WORK, "late(x[: half(x)])", "late(\n        x[: half(x)]\n    )"),
        (WORK, "from dawn.rooms.types import Kind", "from dawn.rooms.other import Kind"),
        ("dawn/__init__.py", '"1"', '"2"'),
        ("dawn/__init__.py", "return talk", "return talk()"),
        ("dawn/api.py", "pass", "return 1"),
        ("dawn/rooms/kinds/first.py", "return talk", "return talk()"),
        ("dawn/low.py", "3", "4"),
        ("dawn/config/tree.py", "pass", "steps = 1"),
        ("dawn/rooms/types.py", "pass", "kind = 1"),
    ],
)
def test_what_changes_no_result_changes_no_fingerprint(root: Path, place: str, old: str, new: str) -> None:
    assert TREE[place].count(old) == 1
    edited = Sources(root).edited(place, TREE[place].replace(old, new).encode())
    assert edited.fingerprint("dawn.rooms.work") == Sources(root).fingerprint("dawn.rooms.work")


@pytest.mark.parametrize(
    ("place", "old", "new"),
    [
        (WORK, "x[: half(x)]", "x[half(x) :]"),
        (WORK, "Field(3", "Field(3.0"),
        (WORK, "return late", "assert x\n    return late"),
        ("dawn/__init__.py", '"""Top."""', "import os\nos.umask(0)"),
        ("dawn/low.py", "3", "int(4)"),
        ("dawn/rooms/near.py", "// 2", "// 3"),
        ("dawn/rooms/lazy.py", "return x", "return x + 1"),
        ("dawn/rooms/kinds/first.py", "'First'", "'Other'"),
        ("dawn/rooms/kinds/first.py", "'title'", "'Title'"),
        ("dawn/rooms/kinds/first.py", "No. ", "Number "),
        ("dawn/__init__.py", '__version__ = "1"', 'load.version = "1"'),
        ("dawn/rooms/numbers.csv", "1,2", "1,3"),
        ("dawn/rooms/plugins/first.py", "import h", "import h as g"),
        ("dawn/rooms/plugins/helper/__init__.py", "1", "True"),
    ],
)
def test_what_may_change_a_result_changes_the_fingerprint(root: Path, place: str, old: str, new: str) -> None:
    assert TREE[place].count(old) == 1
    edited = Sources(root).edited(place, TREE[place].replace(old, new).encode())
    assert edited.fingerprint("dawn.rooms.work") != Sources(root).fingerprint("dawn.rooms.work")


def test_a_new_plugin_counts_and_so_does_the_name_of_a_file(root: Path) -> None:
    before = Sources(root).fingerprint("dawn.rooms.work")
    (root / "dawn/rooms/plugins/second.py").write_text("")
    added = Sources(root).fingerprint("dawn.rooms.work")
    (root / "dawn/rooms/plugins/second.py").rename(root / "dawn/rooms/plugins/third.py")
    assert len({before, added, Sources(root).fingerprint("dawn.rooms.work")}) == 3


def test_plugins_that_a_result_does_not_use_count_only_where_they_are_imported(root: Path) -> None:
    (root / "dawn/rooms/plugins/second.py").write_text("from dawn.rooms.plugins import third\n")
    used = {"dawn.rooms.plugins": ["second"], "dawn.rooms.kinds": []}
    before = Sources(root).fingerprint("dawn.rooms.work", plugins=used)
    for name in ("third", "fourth"):
        (root / f"dawn/rooms/plugins/{name}.py").write_text("")
        (root / f"dawn/rooms/kinds/{name}.py").write_text("")
        closure = Sources(root).closure("dawn.rooms.work", plugins=used)
        places = {place for place in closure if place.startswith(("dawn/rooms/plugins", "dawn/rooms/kinds"))}
        assert places == {f"dawn/rooms/plugins/{name}.py" for name in ("__init__", "second", "third")}
    (root / "dawn/rooms/plugins/third.py").unlink()
    assert Sources(root).fingerprint("dawn.rooms.work", plugins=used) == before
    with pytest.raises(ValueError, match=r"dawn\.rooms\.plugins lacks one of the modules absent"):
        Sources(root).closure("dawn.rooms.work", plugins={"dawn.rooms.plugins": ["absent"]})


def test_a_missing_module_or_data_file_is_an_error(root: Path) -> None:
    with pytest.raises(ValueError, match=r"dawn\.absent: no such module"):
        Sources(root).fingerprint("dawn.absent")
    (root / "dawn/rooms/numbers.csv").unlink()
    with pytest.raises(ValueError, match=r"dawn/rooms/work\.py: no file matches the declared 'numbers\.csv'"):
        Sources(root).fingerprint("dawn.rooms.work")


def test_the_repository_is_the_default() -> None:
    assert code_fingerprint("dawn.media.video") == Sources().fingerprint("dawn.media.video")
    assert code_fingerprint("dawn.media.video") != code_fingerprint("dawn.media.video", "dawn.media.audio")
