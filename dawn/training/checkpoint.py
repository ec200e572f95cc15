"""Checkpoints: one folder a step, written aside and renamed, so that a killed run finds whole folders only."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dawn.errors import InputError
from dawn.media.files import atomic_path
from dawn.provenance import read_json, write_json


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
            save_file({k: v.contiguous() for k, v in values.items()}, aside / f"{name}.safetensors")
        torch.save(optimizer, aside / "optimizer.pt")
        (aside / "config.yaml").write_text(config, encoding="utf-8")
        # Random numbers are a function of (seed, stage, step), so the step is the whole state of every generator.
        write_json(aside / "state.json", {"step": step, "fingerprint": self.fingerprint})
        shutil.rmtree(final, ignore_errors=True)
        os.replace(aside, final)
        for old in sorted(self.folder.glob("step-*"))[: -self.keep]:
            shutil.rmtree(old)


def save_weights(path: Path, modules: dict[str, dict[str, Tensor]], metadata: dict[str, str]) -> None:
    """Networks of a finished stage in one safetensors file, keys ``<network>/<state-dict key>``."""
    flat = {f"{name}/{key}": value.contiguous() for name, state in modules.items() for key, value in state.items()}
    with atomic_path(path) as aside:
        # One key only: the library writes several in random order, and equal weights would differ in their hash.
        save_file(flat, aside, metadata={"dawn": json.dumps(metadata, sort_keys=True)})


def load_weights(path: Path, modules: Mapping[str, nn.Module]) -> None:
    """Load a file of :func:`save_weights` into `modules`, each key accounted for. Raises InputError otherwise."""
    if not path.is_file():
        raise InputError(f"{path}: no such weights; train the stage that makes them first")
    try:
        flat = load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path}: damaged weights ({error}); make them again") from None
    for name, module in modules.items():
        state = {key.removeprefix(f"{name}/"): value for key, value in flat.items() if key.startswith(f"{name}/")}
        try:
            module.load_state_dict(state)
        except RuntimeError as error:
            first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
            raise InputError(f"{path}: does not fit network {name} as configured: {first}") from None


def weights_metadata(path: Path) -> dict[str, str]:
    """The metadata written beside the weights: stage, fingerprint, steps, config."""
    with safe_open(path, framework="pt") as stream:
        written: dict[str, str] = json.loads((stream.metadata() or {}).get("dawn", "{}"))
        return written
