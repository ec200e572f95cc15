"""Declarations of baselines, one file each in ``config/baselines``.

A declaration states upstream's code, terms, environment, weights and command line as upstream documents them. Facts
that could not be verified are null, or listed under ``unverified``.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from dawn.config import Section
from dawn.errors import InputError
from dawn.fingerprint import ROOT, fingerprint

FOLDER = ROOT / "config/baselines"
PLACEHOLDERS = ("python", "portrait", "speech", "output", "folder", "name")


def _template(text: str) -> str:
    """Validate that all placeholders of `text` are known."""
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(text) if field is not None]
    except ValueError as error:
        raise ValueError(f"{text!r} has an unmatched brace ({error})") from None
    unknown = next((field for field in fields if field not in PLACEHOLDERS), None)
    if unknown is not None:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise ValueError(f"unknown placeholder {{{unknown}}} in {text!r}; known: {known}")
    return text


def _inside(text: str) -> str:
    """Validate that `text` is a path below the checkout."""
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{text!r} leaves the checkout; give a path relative to it")
    return text


Text = Annotated[str, Field(min_length=1)]
Template = Annotated[Text, AfterValidator(_template)]
Inside = Annotated[Text, AfterValidator(_inside)]


class Citation(Section):
    """Paper of a baseline."""

    authors: Text
    title: Text
    year: int = Field(ge=2000, le=2100)
    url: str = Field(pattern=r"^https://")


class Upstream(Section):
    """Repository of a baseline's code."""

    repository: str = Field(pattern=r"^https://[^\s]+$", description="URL to clone")
    commit: str | None = Field(pattern=r"^[0-9a-f]{40}$", description="commit to check out; null: not verified")


class Licence(Section):
    """Terms of code and weights as upstream states them; null where none could be verified."""

    code: Text | None
    weights: Text | None


class Environment(Section):
    """Environment that upstream documents; the user creates it, separate from this project's environment."""

    python: tuple[Annotated[str, Field(pattern=r"^\d+\.\d+$")], ...] = Field(
        description="versions that upstream documents; empty: none"
    )
    requirements: tuple[Inside, ...] = Field(description="requirement files in the checkout")
    also: tuple[Text, ...] = Field((), description="further installations that upstream documents")
    programs: tuple[Text, ...] = Field((), description="programs that must be on PATH")
    gpu: bool | None = Field(description="whether it needs a CUDA GPU; null: not verified")


class Weight(Section):
    """One weights file that the command needs."""

    file: Inside = Field(description="path in the checkout")
    source: Text = Field(description="source that upstream documents")


class Native(Section):
    """Frame size and rate of the videos that the system writes; `side` is null where they have the portrait's size."""

    side: int | None = Field(ge=32, description="pixels")
    fps: float = Field(gt=0, description="frames per second")


class Crop(Section):
    """Rule that crops the portrait from the first frame of a clip."""

    rule: Literal["clip", "aligned"] = Field(
        description="clip: the whole frame; aligned: a square around the face, for systems that accept nothing else"
    )
    side: int = Field(ge=32, le=2048, description="side of the portrait, pixels")
    face: float | None = Field(
        None, gt=0, le=1, description="aligned: height of the landmark box, brows to chin, in sides of the square"
    )

    @model_validator(mode="after")
    def _face(self) -> Crop:
        if (self.rule == "aligned") != (self.face is not None):
            raise ValueError("face belongs to rule: aligned, and to no other")
        return self


class Baseline(Section):
    """Declaration of one baseline. Placeholders in `command`, `output` and `files` are substituted for each clip.

    {python} is the interpreter, {portrait} a PNG file, {speech} a WAV file (16 kHz, mono), {folder} a temporary folder
    for the clip, {output} an MP4 path in it, {name} the stem of portrait and speech. The command runs in the checkout;
    `output`, a glob relative to it, matches the video that the command writes.
    """

    title: Text
    citation: Citation
    upstream: Upstream
    licence: Licence
    environment: Environment
    weights: tuple[Weight, ...]
    files: dict[Inside, dict[str, Any]] = Field({}, description="YAML files written to {folder} before the command")
    command: tuple[Template, ...] = Field(min_length=1)
    output: Template
    native: Native
    crop: Crop
    ranked: bool = Field(True, description="whether tables rank it")
    remark: Text | None = Field(None, description="remark below the tables")
    notes: tuple[Text, ...] = ()
    unverified: tuple[Text, ...] = Field((), description="facts that upstream's documentation leaves open")

    @model_validator(mode="after")
    def _inputs(self) -> Baseline:
        texts = [*self.command, *(text for tree in self.files.values() for text in _texts(tree))]
        for text in texts:
            _template(text)
        for needed in ("{portrait}", "{speech}"):
            if not any(needed in text for text in texts):
                raise ValueError(f"neither command nor files use {needed}")
        return self

    def fingerprint(self) -> str:
        """Compute the fingerprint of the keys that a video depends on: files, command, output, crop and commit."""
        tree = self.model_dump(mode="json")
        return fingerprint([tree[key] for key in ("files", "command", "output", "crop")] + [self.upstream.commit])


def substitute(value: Any, values: Mapping[str, str]) -> Any:
    """Replace the placeholders in `value`, a text or a tree of mappings and lists."""
    if isinstance(value, str):
        return value.format_map(dict(values))
    if isinstance(value, dict):
        return {substitute(key, values): substitute(item, values) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [substitute(item, values) for item in value]
    return value


def names(folder: Path = FOLDER) -> tuple[str, ...]:
    """Return the names of the declared baselines, sorted."""
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def load(name: str, folder: Path = FOLDER) -> Baseline:
    """Read and validate the declaration of baseline `name`.

    Raises InputError naming the file and the first invalid key.
    """
    if name not in names(folder):
        raise InputError(f"no baseline {name!r}; there are: {', '.join(names(folder)) or 'none'}")
    path = folder / f"{name}.yaml"
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Baseline.model_validate(tree)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())})") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top level)"
        problem = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise InputError(f"{path}: {key}: {problem}") from None


@functools.cache
def declared() -> dict[str, Baseline]:
    """Load all declarations, by name, ordered by the paper's year, then by name."""
    baselines = {name: load(name) for name in names()}
    return dict(sorted(baselines.items(), key=lambda item: (item[1].citation.year, item[0])))


def _texts(tree: Any) -> list[str]:
    if isinstance(tree, str):
        return [tree]
    if isinstance(tree, dict):
        return [text for pair in tree.items() for part in pair for text in _texts(part)]
    if isinstance(tree, list):
        return [text for item in tree for text in _texts(item)]
    return []
