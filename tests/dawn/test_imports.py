"""Imports: what each room needs installed, and how cheap the entry points are."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import fresh
from tests.support.repository import REPOSITORY

# What networks and generation may import at module level; media, face and logging libraries are imported where used.
ALLOWED = (
    "torch",
    "numpy",
    "einops",
    "pydantic",
    "pydantic_core",
    "annotated_types",
    "typing_extensions",
    "typing_inspection",
    "safetensors",
    "yaml",
)
CODE = """
import importlib, pathlib, sys

third_party = {name.partition(".")[0] for name in sys.modules} | set(%(allowed)r)


class Blocked:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in third_party and top not in sys.stdlib_module_names and top not in ("dawn", "eval"):
            raise ImportError(f"{name} is imported at module level")


sys.meta_path.insert(0, Blocked())
for room in %(rooms)r:
    package = importlib.import_module(room)
    for path in sorted(pathlib.Path(package.__file__).parent.rglob("*.py")) if hasattr(package, "__path__") else ():
        relative = path.relative_to(pathlib.Path(package.__file__).parent).with_suffix("")
        parts = [part for part in relative.parts if part != "__init__"]
        importlib.import_module(".".join([room, *parts]))
"""


@pytest.mark.parametrize("rooms", [("dawn.models",), ("dawn.generation",), ("dawn.api",)])
def test_networks_and_generation_import_without_media_and_face_libraries(rooms: tuple[str, ...]) -> None:
    assert fresh.run(CODE % {"allowed": ALLOWED, "rooms": rooms}) == ""


@pytest.mark.parametrize("module", ["dawn", "dawn.cli", "dawn.methods", "dawn.stages", "dawn.seeds"])
def test_entry_points_import_without_torch(module: str) -> None:
    code = f"import sys, {module}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


def test_a_blocked_library_is_named() -> None:
    error = fresh.run(CODE % {"allowed": ALLOWED, "rooms": ("dawn.media.video",)})
    assert "ImportError: av is imported at module level" in error


def test_generation_loads_no_training_code() -> None:
    code = "import sys, dawn.api; assert not [name for name in sys.modules if name.startswith('dawn.training')]"
    assert fresh.run(code) == ""
