"""Published files: identified by their contents instead of their names, and read as weights only.

================  ===================================================================================================
``lfg``           entries ``generator``, ``region_predictor`` and ``bg_predictor``: the latent flow generator
``dawn``          entry ``diffusion``: the denoising U-Net and its noise schedule
``pbnet_pose``    a state dict of ``encoder.*`` and ``decoder.*`` with 6 outputs a frame
``pbnet_eye``     the same with 2 outputs a frame
================  ===================================================================================================
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml

from dawn.errors import InputError

SUFFIXES = (".pth", ".pt", ".tar", ".ckpt", ".bin")  # last suffix of the name: checkpoint.pth.tar is a .tar
LFG_ENTRIES = ("generator", "region_predictor", "bg_predictor")
ROLES = {
    "lfg": f"a latent flow generator (entries {', '.join(LFG_ENTRIES)})",
    "dawn": "a diffusion network (entry diffusion)",
    "pbnet_pose": "a PBNet of pose (6 numbers a frame)",
    "pbnet_eye": "a PBNet of blinks (2 numbers a frame)",
}
_OUTPUT = "decoder.finallayer.weight"


class Source(NamedTuple):
    """Published file and its contents."""

    path: Path
    entries: dict[str, Any]


def find(folder: Path, named: Mapping[str, Path], resolution: int) -> dict[str, Source]:
    """Find the published file of each role: those in `named`, the others by contents among the files in `folder`.

    The networks of both published resolutions have the same shapes. A file of LFG or U-Net is therefore ignored if its
    path names the other resolution, and preferred if its path names `resolution`. Raises InputError for a role with no
    or several files, and for a file that cannot be read.
    """
    sources = {}
    for role, path in named.items():
        source = Source(path, read(path))
        if role_of(source.entries) != role:
            contents = ROLES.get(role_of(source.entries) or "", "none of the published networks")
            raise InputError(f"{path}: expected {ROLES[role]}, but it holds {contents}")
        sources[role] = source
    missing = [role for role in ROLES if role not in sources]
    if not missing:
        return sources
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the one that holds the published files")
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file()]
    candidates: dict[str, list[Source]] = {role: [] for role in missing}
    for path in paths:
        entries = read(path)
        candidates.get(role_of(entries) or "", []).append(Source(path, entries))
    for role, matching in candidates.items():
        sources[role] = _choose(role, matching, folder, resolution, len(paths))
    return sources


def read(path: Path) -> dict[str, Any]:
    """Load the dictionary of a PyTorch file, tensors on the CPU. Nothing in the file is executed.

    Raises InputError when it is missing, empty, damaged, or contains anything but tensors and plain values.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; download it again")
    with path.open("rb") as stream:
        mapped = stream.read(2) == b"PK"  # the format of PyTorch 1.6 and later; older files cannot be mapped
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            entries = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        loaded = re.search(r"GLOBAL (\S+)", str(error))
        if loaded:
            raise InputError(
                f"{path}: refused: it would load {loaded[1].rstrip('.')}, but weights consist of tensors alone"
            ) from None
        raise InputError(f"{path}: damaged, cut short, or no file of weights; download it again") from None
    if not isinstance(entries, dict) or not all(isinstance(key, str) for key in entries):
        raise InputError(f"{path}: holds no dictionary of weights")
    return plain_names(entries)


def plain_names(state: dict[str, Any]) -> dict[str, Any]:
    """Remove from the keys the component ``module`` that data-parallel training adds."""
    plain = {key: ".".join(part for part in key.split(".") if part != "module") for key in state}
    return {key if plain[key] in state else plain[key]: value for key, value in state.items()}


def role_of(entries: Mapping[str, Any]) -> str | None:
    """Identify the role of the published file with these entries; None for another file."""
    if all(name in entries for name in LFG_ENTRIES):
        return "lfg"
    if "diffusion" in entries:
        return "dawn"
    output = entries.get(_OUTPUT)
    if isinstance(output, torch.Tensor) and output.ndim == 2:
        return {6: "pbnet_pose", 2: "pbnet_eye"}.get(output.shape[0])
    return None


def training_options(path: Path) -> dict[str, Any]:
    """Read the plain values of the ``opt.yaml`` in the folder of a PBNet file; empty where it is absent or not YAML.

    Values with tags, which would construct Python objects, are read as None.
    """
    try:
        options = yaml.load((path.parent / "opt.yaml").read_text(encoding="utf-8"), Loader=_PlainLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    plain = (str, int, float, bool)
    return {str(k): v for k, v in options.items() if isinstance(v, plain)} if isinstance(options, dict) else {}


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML loader that reads unknown tags as None."""


_PlainLoader.add_multi_constructor("", lambda loader, suffix, node: None)


def _choose(role: str, matching: list[Source], folder: Path, resolution: int, files: int) -> Source:
    flag = f"--{role.replace('_', '-')}"
    if not matching:
        raise InputError(
            f"{folder}: {ROLES[role]} is in none of its {files} files ending in {', '.join(SUFFIXES)}; "
            f"download it, or name it with {flag}"
        )

    def side(source: Source) -> int:
        """Return the last published resolution in the path below the folder; `resolution` if there is none."""
        numbers = re.findall(r"(?<!\d)(?:128|256)(?!\d)", str(source.path.relative_to(folder)))
        return int(numbers[-1]) if numbers else resolution

    fitting = [source for source in matching if side(source) == resolution] if role in ("lfg", "dawn") else matching
    best = [source for source in fitting if str(resolution) in str(source.path.relative_to(folder))] or fitting
    if len(best) == 1:
        return best[0]
    names = ", ".join(str(s.path.relative_to(folder)) for s in matching)
    problem = "several files hold" if best else f"by their paths, none is for {resolution} pixels of the files with"
    raise InputError(f"{folder}: {problem} {ROLES[role]}: {names}; select one with {flag}")
