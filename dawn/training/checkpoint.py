"""Checkpoints of a training run: one folder for each saved step, complete or absent after a kill."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dawn.media.files import atomic_path
from dawn.media.json_files import read_json, write_json


class Resumed(NamedTuple):
    """State of a training after a step."""

    step: int
    tensors: dict[str, dict[str, Tensor]]  # state dicts "weights" and, where weights are averaged, "ema"
    states: dict[str, Any]  # of the optimisers, and the number of skipped steps


class Checkpoints:
    """Step folders ``step-00000500`` below `folder`, of which the newest `keep` are kept.

    A folder is written under a hidden name and renamed when complete. Folders of another `fingerprint` (of settings,
    code and inputs) are ignored.
    """

    def __init__(self, folder: Path, fingerprint: str, keep: int) -> None:
        self.folder = folder
        self.fingerprint = fingerprint
        self.keep = keep

    def latest(self) -> Path | None:
        """Return the newest usable folder, or None."""
        return max((path for path in self.folder.glob("step-*") if self._usable(path)), default=None)

    def load_latest(self) -> Resumed | None:
        """Load the newest usable checkpoint to the CPU, if there is one."""
        folder = self.latest()
        if folder is None:
            return None
        tensors = {path.stem: load_file(path) for path in folder.glob("*.safetensors")}
        states = torch.load(folder / "optimizer.pt", map_location="cpu", weights_only=True)
        return Resumed(int(folder.name.removeprefix("step-")), tensors, states)

    def clear(self) -> None:
        """Delete incomplete folders of killed runs, and folders of other fingerprints."""
        for path in self.folder.glob("*step-*"):
            if not self._usable(path):
                shutil.rmtree(path)

    def _usable(self, path: Path) -> bool:
        state = path / "state.json"
        complete = path.name.startswith("step-") and state.is_file()
        return complete and read_json(state)["fingerprint"] == self.fingerprint

    def save(self, step: int, tensors: dict[str, dict[str, Tensor]], optimizer: dict[str, Any], config: str) -> None:
        """Write the folder of `step` and delete older ones.

        It holds ``<name>.safetensors`` for each state dict of `tensors`, ``optimizer.pt``, ``config.yaml`` with the
        resolved configuration, and ``state.json``.
        """
        final = self.folder / f"step-{step:08d}"
        partial = self.folder / f".{final.name}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, values in tensors.items():
            with atomic_path(partial / f"{name}.safetensors") as file:
                save_file({k: v.contiguous() for k, v in values.items()}, file)
        torch.save(optimizer, partial / "optimizer.pt")
        (partial / "config.yaml").write_text(config, encoding="utf-8")
        # Random numbers are a function of (seed, stage, step): the step is the state of every generator.
        write_json(partial / "state.json", {"step": step, "fingerprint": self.fingerprint})
        shutil.rmtree(final, ignore_errors=True)
        os.replace(partial, final)
        for old in sorted(self.folder.glob("step-*"))[: -self.keep]:
            shutil.rmtree(old)
