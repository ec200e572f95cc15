"""Files on disk: atomic writes, hashes, free space and the user's cache folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from dawn.errors import InputError


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`, with its suffix.

    The file is renamed to `path` on success and deleted on failure. It gets the access mode of a newly created one
    (umask), whichever library writes it: safetensors writes 0600, which other users of a shared file system cannot
    read. Raises InputError as :func:`check_writable` does.
    """
    target = check_writable(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    aside.touch()
    mode = stat.S_IMODE(aside.stat().st_mode)
    aside.unlink()
    try:
        yield aside
        aside.chmod(mode)
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)


@contextlib.contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder`, which takes its place on success and is deleted on failure.

    After a kill, `folder` is the earlier one, the new one or, if that happens between two renames, absent. Raises
    InputError as :func:`check_writable` does.
    """
    check_writable(folder / "file")
    aside, earlier = (folder.with_name(f".{folder.name}.{state}") for state in ("part", "earlier"))
    for path in (aside, earlier):
        shutil.rmtree(path, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        if folder.exists():
            os.replace(folder, earlier)
        os.replace(aside, folder)
    finally:
        for path in (aside, earlier):
            shutil.rmtree(path, ignore_errors=True)


def check_writable(path: str | os.PathLike[str]) -> Path:
    """Return `path` as a Path. Missing folders above it are allowed.

    Raises InputError when it is a folder, lies below a file, or lies in a folder without write permission.
    """
    target = Path(path)
    if os.path.isdir(target):
        raise InputError(f"{target}: is a folder; give the name of a file to write")
    # os.path counts a place below a folder without search permission as missing, where pathlib raises PermissionError.
    existing = next(place for place in target.absolute().parents if os.path.exists(place))
    if not os.path.isdir(existing):
        raise InputError(f"{target}: {existing} is a file, not a folder; give another path")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"{target}: no permission to write in {existing}; give another path")
    return target


def sha256_file(path: str | os.PathLike[str]) -> str:
    """Compute the hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def user_cache() -> Path:
    """Return the user's cache folder: ``$XDG_CACHE_HOME``, else ``~/.cache`` on every system, as torch does."""
    from platformdirs.unix import Unix

    return Path(Unix().user_cache_dir).expanduser()


def free_space(folder: Path) -> int:
    """Return the free bytes on the disk of `folder`, which need not exist."""
    existing = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    return shutil.disk_usage(existing).free


def require_space(folder: Path, needed: float, purpose: str, *, spare: float = 0, remedy: str = "make room") -> None:
    """Raise InputError when the disk of `folder` has less than `needed` + `spare` bytes free.

    The message names `purpose`, `needed` and the free space, and ends with `remedy`.
    """
    free = free_space(folder)
    if free < needed + spare:
        raise InputError(
            f"{folder}: {purpose} needs {size_text(needed)}, and the disk has {size_text(free)} free; {remedy}"
        )


def is_disk_full(error: BaseException) -> bool:
    """Return whether the error is ENOSPC or EDQUOT."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def disk_full_as_input_error(folder: Path) -> Iterator[None]:
    """Convert the error of a full disk to an InputError that names `folder`."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise InputError(f"{folder}: the disk is full; make room and start again") from None
        raise


def size_text(value: float) -> str:
    """Return a number of bytes as GB or MB."""
    return f"{value / 1e9:.1f} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"
