"""Finding and reading the published files: by what they hold, not by their names, and weights only.

================  ===================================================================================================
``lfg``           entries ``generator``, ``region_predictor`` and ``bg_predictor``: the latent flow generator
``dawn``          entry ``diffusion``: the denoising U-Net and its noise schedule
``pbnet_pose``    a state dict of ``encoder.*`` and ``decoder.*`` that gives 6 numbers a frame
``pbnet_eye``     the same, giving 2 numbers a frame
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

SUFFIXES = (".pth", ".pt", ".tar", ".ckpt", ".bin")  # the last of the name: checkpoint.pth.tar is a .tar
LFG_ENTRIES = ("generator", "region_predictor", "bg_predictor")
ROLES = {
    "lfg": f"a latent flow generator (entries {', '.join(LFG_ENTRIES)})",
    "dawn": "a diffusion network (entry diffusion)",
    "pbnet_pose": "a PBNet of pose (6 numbers a frame)",
    "pbnet_eye": "a PBNet of blinks (2 numbers a frame)",
}
_OUTPUT = "decoder.finallayer.weight"


class Source(NamedTuple):
    """A published file and what it holds."""

    path: Path
    entries: dict[str, Any]


def find(folder: Path, named: Mapping[str, Path], resolution: int) -> dict[str, Source]:
    """The published file of each role: as `named`, the others by their content among the files below `folder`.

    The networks of both published resolutions have the same shapes: a file of LFG or U-Net whose path names the other
    resolution is not taken, and of several the one whose path names `resolution`. Raises InputError for a role
    without a file or with several, and for a file that cannot be read.
    """
    sources = {}
    for role, path in named.items():
        source = Source(path, read(path))
        if role_of(source.entries) != role:
            found = ROLES.get(role_of(source.entries) or "", "none of the published networks")
            raise InputError(f"{path}: expected {ROLES[role]}, but it holds {found}")
        sources[role] = source
    missing = [role for role in ROLES if role not in sources]
    if not missing:
        return sources
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the one that holds the published files")
    looked = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file()]
    candidates: dict[str, list[Source]] = {role: [] for role in missing}
    for path in looked:
        entries = read(path)
        candidates.get(role_of(entries) or "", []).append(Source(path, entries))
    for wanted, held in candidates.items():
        sources[wanted] = _choose(wanted, held, folder, resolution, len(looked))
    return sources


def read(path: Path) -> dict[str, Any]:
    """The dictionary in a PyTorch file, tensors on the CPU. Nothing in the file is executed.

    Raises InputError when it is missing, empty, damaged, or asks for more than tensors and plain values.
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
        asked = re.search(r"GLOBAL (\S+)", str(error))
        if asked:
            raise InputError(
                f"{path}: refused: it asks for {asked[1].rstrip('.')}, and weights need tensors alone"
            ) from None
        raise InputError(f"{path}: damaged, cut short, or no file of weights; download it again") from None
    if not isinstance(entries, dict) or not all(isinstance(key, str) for key in entries):
        raise InputError(f"{path}: holds no dictionary of weights")
    return plain_names(entries)


def plain_names(state: dict[str, Any]) -> dict[str, Any]:
    """Keys without the component ``module`` that parallel training puts into them."""
    plain = {key: ".".join(part for part in key.split(".") if part != "module") for key in state}
    return {key if plain[key] in state else plain[key]: value for key, value in state.items()}


def role_of(entries: Mapping[str, Any]) -> str | None:
    """Which published file has these entries, or None."""
    if all(name in entries for name in LFG_ENTRIES):
        return "lfg"
    if "diffusion" in entries:
        return "dawn"
    output = entries.get(_OUTPUT)
    if isinstance(output, torch.Tensor) and output.ndim == 2:
        return {6: "pbnet_pose", 2: "pbnet_eye"}.get(output.shape[0])
    return None


def options_beside(path: Path) -> dict[str, Any]:
    """Plain values of the ``opt.yaml`` beside a PBNet file; none where it is absent or no YAML.

    Tags that would build Python objects are read as nothing.
    """
    try:
        options = yaml.load((path.parent / "opt.yaml").read_text(encoding="utf-8"), Loader=_PlainLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    plain = (str, int, float, bool)
    return {str(k): v for k, v in options.items() if isinstance(v, plain)} if isinstance(options, dict) else {}


class _PlainLoader(yaml.SafeLoader):
    """The safe loader, for which an unknown tag is no error."""


_PlainLoader.add_multi_constructor("", lambda loader, suffix, node: None)


def _choose(role: str, held: list[Source], folder: Path, resolution: int, looked: int) -> Source:
    flag = f"--{role.replace('_', '-')}"
    if not held:
        raise InputError(
            f"{folder}: {ROLES[role]} is in none of its {looked} files ending in {', '.join(SUFFIXES)}; "
            f"download it, or name it with {flag}"
        )

    def side(source: Source) -> int:
        """The published resolution that the path below the folder names last; `resolution` if none."""
        named = re.findall(r"(?<!\d)(?:128|256)(?!\d)", str(source.path.relative_to(folder)))
        return int(named[-1]) if named else resolution

    fitting = [source for source in held if side(source) == resolution] if role in ("lfg", "dawn") else held
    best = [source for source in fitting if str(resolution) in str(source.path.relative_to(folder))] or fitting
    if len(best) == 1:
        return best[0]
    names = ", ".join(str(s.path.relative_to(folder)) for s in held)
    problem = "several files hold" if best else f"by their paths, none is for {resolution} pixels of what holds"
    raise InputError(f"{folder}: {problem} {ROLES[role]}: {names}; name the one that is meant with {flag}")
