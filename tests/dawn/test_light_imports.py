"""What generation and the networks import of lower layers works without the packages of media and faces."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import fresh

HEAVY = (
    "av",
    "cv2",
    "dlib",
    "librosa",
    "mediapipe",
    "PIL",
    "platformdirs",
    "requests",
    "scipy",
    "skimage",
    "torch",
    "tqdm",
)
LIGHT = (
    "dawn.features.blink",
    "dawn.features.boxes",
    "dawn.features.interpolation",
    "dawn.features.store",
    "dawn.media.files",
    "dawn.media.tensor_files",
)


@pytest.mark.parametrize(("modules", "allowed"), [(LIGHT, ()), (("dawn.features.clips",), ("torch",))])
def test_modules_import_without_heavy_packages(modules: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    blocked = dict.fromkeys(package for package in HEAVY if package not in allowed)
    code = f"import sys; sys.modules.update({blocked!r}); import {', '.join(modules)}"
    if "torch" in allowed:
        assert fresh.run(code) == ""
        return
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
