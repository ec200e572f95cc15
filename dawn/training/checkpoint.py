"""Checkpoints: one folder a step, written aside and renamed, so that a killed run finds whole folders only."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from dawn.media.files import atomic_path
from dawn.media.json_files import read_json, write_json


class Checkpoints:
    """Step folders ``step-00000500`` below `folder`; folders made by other settings (`fingerprint`) are ignored."""

    def __init__(self, folder: Path, fingerprint: str, keep: int) -> None:
        self.folder = folder
        self.fingerprint = fingerprint
        self.keep = keep

    def latest(self) -> Path | None:
        """The newest whole folder of these settings, or None."""
        return max((path for path in self.folder.glob("step-*") if self._usable(path)), default=None)

    def clear(self) -> None:
        """Remove leftovers of killed writes, and folders of other settings."""
        for path in self.folder.glob("*step-*"):
            if not self._usable(path):
                shutil.rmtree(path)

    def _usable(self, path: Path) -> bool:
        state = path / "state.json"
        whole = path.name.startswith("step-") and state.is_file()
        return whole and read_json(state)["fingerprint"] == self.fingerprint

    def save(self, step: int, tensors: dict[str, dict[str, Tensor]], optimizer: dict[str, Any], config: str) -> None:
        """Write one folder: a safetensors file for each entry of `tensors`, the optimisers, the resolved config."""
        final = self.folder / f"step-{step:08d}"
        aside = self.folder / f".{final.name}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        for name, values in tensors.items():
            with atomic_path(aside / f"{name}.safetensors") as file:
                save_file({k: v.contiguous() for k, v in values.items()}, file)
        torch.save(optimizer, aside / "optimizer.pt")
        (aside / "config.yaml").write_text(config, encoding="utf-8")
        # Random numbers are a function of (seed, stage, step), so the step is the whole state of every generator.
        write_json(aside / "state.json", {"step": step, "fingerprint": self.fingerprint})
        shutil.rmtree(final, ignore_errors=True)
        os.replace(aside, final)
        for old in sorted(self.folder.glob("step-*"))[: -self.keep]:
            shutil.rmtree(old)
