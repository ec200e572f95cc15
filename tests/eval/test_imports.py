"""Imports of the evaluation: tables, pages and figures load no network library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import eval as package

_CHECK = """
import importlib, sys
for module in sys.argv[1:]:
    importlib.import_module(module)
    heavy = {"torch", "cv2", "mediapipe", "pandas", "librosa", "matplotlib"} & set(sys.modules)
    assert not heavy, f"{module} imports {heavy}"
from eval.metrics.registry import METRICS
assert [metric.title for metric in METRICS.values()]
from eval.backbones.cards import CARDS
assert CARDS and "torch" not in sys.modules
"""


def test_reports_and_figures_load_no_heavy_library() -> None:
    root = Path(package.__file__).parent
    modules = [
        ".".join(path.relative_to(root.parent).with_suffix("").parts)
        for room in ("report", "figures", "cli")
        for path in sorted((root / room).glob("*.py"))
        if path.stem != "__init__"
    ]
    assert {"eval.report.tables", "eval.report.page", "eval.figures.frames"} < set(modules)
    done = subprocess.run([sys.executable, "-c", _CHECK, *modules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
