"""Fingerprints: SHA-256 of settings, and of the code that a result depends on, determined by following imports.

Sources are parsed, never imported. A module depends on its imports anywhere in its body, function bodies included, and
on files that it declares at module level, as paths and patterns relative to its folder:

``READS = ("paper.csv", "kinds/*.py")``      data files, and plug-ins that it imports by name and uses
``DISCOVERS = ("strategies/*.py",)``         plug-ins of which it uses only what they declare, such as labels

A result that uses only some plug-ins of a package names them: adding another plug-in then changes no fingerprint.

Comments, docstrings, layout, descriptions of configuration keys and help texts of command lines do not count, because
they change no result; nor do imports for type checkers only.
"""

from __future__ import annotations

import ast
import enum
import functools
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = ("dawn", "eval")
# Imports are not followed into these: a rule holds the values of the settings that it uses, whatever defines the keys;
# no result depends on the name of a file; and another way to compute fingerprints changes the fingerprints themselves.
_BOUNDARIES = ("dawn.config", "dawn.paths", "dawn.fingerprint")
_TEXTS = {"Field": "description", "Option": "help", "Argument": "help"}  # call -> its keyword that does not count


def fingerprint(value: Any) -> str:
    """Compute the hexadecimal SHA-256 of a JSON-serialisable value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def code_fingerprint(*modules: str, plugins: Mapping[str, Collection[str]] | None = None) -> str:
    """Compute the fingerprint of `modules` (dotted names) and all their dependencies, as first read by this process.

    plugins: package of plug-ins -> names of its modules that are used, as in :meth:`Sources.closure`.
    Returns 16 hexadecimal digits. Raises ValueError for a module or a declared data file that does not exist.
    """
    used = {package: frozenset(names) for package, names in (plugins or {}).items()}
    return _code_fingerprint(modules, frozenset(used.items()))


class Use(enum.IntEnum):
    """Share of a module that the fingerprint includes; each value includes the ones before."""

    RUN = 0  # statements with an effect at import: no functions, classes or assignments that call nothing
    DECLARE = 1  # all statements at module level, and the functions and classes that they call; no others
    ALL = 2


class Sources:
    """Source files of the project below `root`, each read once."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._contents: dict[str, bytes] = {}
        self._needs: dict[tuple[str, Use], _Needs] = {}
        self._file = functools.cache(self._find)

    def edited(self, place: str, content: bytes) -> Sources:
        """Return the same files, the existing file `place` (path below root) having this `content`."""
        other = Sources(self._root)
        other._file = self._file
        other._contents = {**self._contents, place: content}
        other._needs = {key: needs for key, needs in self._needs.items() if key[0] != place}
        return other

    def fingerprint(self, *modules: str, plugins: Mapping[str, Collection[str]] | None = None) -> str:
        """Compute the fingerprint of `modules` and all their dependencies: 16 hexadecimal digits."""
        total = hashlib.sha256()
        for place, use in sorted(self.closure(*modules, plugins=plugins).items()):
            total.update(f"{place}\0{self._digest(place, use)}\0".encode())
        return total.hexdigest()[:16]

    def closure(self, *modules: str, plugins: Mapping[str, Collection[str]] | None = None) -> dict[str, Use]:
        """Find the files below root that `modules` depend on, and the share of each that counts.

        A package imported as the parent of a module counts with :data:`Use.RUN`, without use of its names; discovered
        plug-ins with :data:`Use.DECLARE`. The same holds for their imports; imports inside functions do not count for
        either.

        plugins: package of plug-ins -> names of its modules that are used; its other modules count only where they
            are imported. All modules of a package that is not named count wherever they are declared.
        """
        unused = self._unused(plugins or {})
        pending: list[tuple[str, Use]] = []
        for name in modules:
            if self._file(name) is None:
                raise ValueError(f"{name}: no such module below {self._root}")
            pending += self._named(name, Use.ALL)
        closure: dict[str, Use] = {}
        while pending:
            place, use = pending.pop()
            if place not in closure or use > closure[place]:
                closure[place] = use
                if (place, use) not in self._needs:
                    self._needs[place, use] = self._resolve(place, use)
                needs = self._needs[place, use]
                pending += [*needs.imported, *((file, how) for file, how in needs.declared if file not in unused)]
        return closure

    def _unused(self, plugins: Mapping[str, Collection[str]]) -> set[str]:
        """Return the files of the modules in the packages `plugins` that are not named there."""
        unused: set[str] = set()
        for package, names in plugins.items():
            used = {self._file(f"{package}.{name}") for name in names}
            if None in used:
                raise ValueError(f"{package} lacks one of the modules {', '.join(sorted(names))}")
            unused |= set(self._matches(f"{package.replace('.', '/')}/__init__.py", "*.py")) - used
        return unused

    def _digest(self, place: str, use: Use) -> str:
        content = self._content(place)
        return _parse(content).digests[use] if place.endswith(".py") else hashlib.sha256(content).hexdigest()

    def _resolve(self, place: str, use: Use) -> _Needs:
        """Return the direct dependencies of `place`, as in :meth:`closure`: imports and declared files."""
        if not place.endswith(".py"):
            return _Needs()
        module = _parse(self._content(place))
        folder = PurePosixPath(place).parent.parts
        imported: dict[tuple[str, Use], None] = {}
        for name in module.imports:
            if use is Use.ALL or not name.deferred:
                imported |= dict.fromkeys(self._named(name.absolute(folder), use))
        patterns = module.declared if use is Use.ALL else ()
        declared = [(file, how) for pattern, how in patterns for file in self._matches(place, pattern)]
        return _Needs(tuple(imported), tuple(declared))

    def _named(self, name: str, use: Use) -> Iterator[tuple[str, Use]]:
        """Yield the module `name`, or the module that defines attribute `name`, and its parent packages."""
        if any(f"{name}.".startswith(f"{boundary}.") for boundary in _BOUNDARIES):
            return
        parts = name.split(".")
        if self._file(name) is None:
            parts.pop()
        for count in range(1, len(parts) + 1):
            place = self._file(".".join(parts[:count]))
            if place is not None:
                yield place, use if count == len(parts) else Use.RUN

    def _matches(self, place: str, pattern: str) -> Iterator[str]:
        found = sorted((self._root / place).parent.glob(pattern))
        if not found:
            raise ValueError(f"{place}: no file matches the declared {pattern!r}")
        for path in found:
            yield path.resolve().relative_to(self._root.resolve()).as_posix()

    def _find(self, name: str) -> str | None:
        if name.partition(".")[0] not in _PACKAGES:
            return None
        base = name.replace(".", "/")
        places = (f"{base}.py", f"{base}/__init__.py")
        return next((place for place in places if (self._root / place).is_file()), None)

    def _content(self, place: str) -> bytes:
        if place not in self._contents:
            self._contents[place] = (self._root / place).read_bytes()
        return self._contents[place]


@dataclass(frozen=True)
class _Needs:
    """Direct dependencies of a file, and the share of each that counts."""

    imported: tuple[tuple[str, Use], ...] = ()
    declared: tuple[tuple[str, Use], ...] = ()  # by READS and DISCOVERS


@dataclass(frozen=True)
class _Import:
    """One imported name, ``package.module`` or ``package.module.attribute``, with the dots of a relative import."""

    name: str
    level: int
    deferred: bool  # inside a function

    def absolute(self, folder: tuple[str, ...]) -> str:
        """Resolve the name from the root, for an import in a file of `folder` (its parts below the root)."""
        return ".".join((*folder[: len(folder) + 1 - self.level], self.name)) if self.level else self.name


@dataclass(frozen=True)
class _Module:
    """Digests and dependencies of one source file."""

    digests: dict[Use, str]  # of its syntax tree
    imports: tuple[_Import, ...]
    declared: tuple[tuple[str, Use], ...]  # patterns of READS and DISCOVERS


@functools.cache
def _parse(content: bytes) -> _Module:
    imports: list[_Import] = []
    declared: list[tuple[str, Use]] = []
    totals = {use: hashlib.sha256() for use in Use}
    statements = ast.parse(content).body
    for statement, least in zip(statements, _least_uses(statements), strict=True):
        words: list[str] = []
        _flatten(statement, words, imports, False)
        for use in Use:
            if use >= least:
                totals[use].update("\0".join(words).encode())
        match statement:
            case ast.Assign(targets=[ast.Name("READS" | "DISCOVERS" as name)], value=value):
                how = Use.ALL if name == "READS" else Use.DECLARE
                declared += [(pattern, how) for pattern in ast.literal_eval(value)]
    return _Module({use: total.hexdigest() for use, total in totals.items()}, tuple(imports), tuple(declared))


def _least_uses(statements: list[ast.stmt]) -> list[Use]:
    """Return the least use of a module with which each of its statements counts.

    A function or class of the module that a statement calls counts with it, as do those that it calls in turn: tables
    depend on titles that a function of the metric's module composes.
    """
    least = [_least_use(statement) for statement in statements]
    places = {
        statement.name: place
        for place, statement in enumerate(statements)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    pending = [place for place, use in enumerate(least) if use is not Use.ALL]
    while pending:
        caller = pending.pop()
        for node in ast.walk(statements[caller]):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in places:
                place = places[node.func.id]
                if least[caller] < least[place]:
                    least[place] = least[caller]
                    pending.append(place)
    return least


def _least_use(statement: ast.stmt) -> Use:
    """Return the least use of a module with which `statement` counts by itself."""
    match statement:
        case ast.Assign(targets=targets) if not all(isinstance(target, ast.Name | ast.Tuple) for target in targets):
            return Use.RUN  # sets an attribute or an item of something else
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return Use.ALL
        case ast.Assign() | ast.AnnAssign() if not any(isinstance(node, ast.Call) for node in ast.walk(statement)):
            return Use.DECLARE
    return Use.RUN


def _flatten(node: ast.AST, words: list[str], imports: list[_Import], deferred: bool) -> None:
    """Append names and values of the nodes to `words` in order, and imported names to `imports`.

    Nodes that do not count (see module) are left out.
    """
    text = None
    match node:
        case ast.Expr(value=ast.Constant()):  # a docstring
            return
        case ast.If(test=ast.Name("TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
            for statement in node.orelse:
                _flatten(statement, words, imports, deferred)
            return
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            deferred = True
        case ast.Import():
            # `import a.b` binds a, whose attributes may be used.
            tops = [alias.name.partition(".")[0] for alias in node.names if alias.asname is None]
            imports += [_Import(name, 0, deferred) for name in (*tops, *(alias.name for alias in node.names))]
        case ast.ImportFrom():
            base = f"{node.module}." if node.module else ""
            imports += [_Import(f"{base}{alias.name}", node.level, deferred) for alias in node.names]
        case ast.Call(func=ast.Name(name) | ast.Attribute(attr=name)):
            text = _TEXTS.get(name)
    words.append(type(node).__name__)
    for field in node._fields:
        value = getattr(node, field, None)
        if isinstance(value, list):
            words.append("[")
            for item in value:
                if not isinstance(item, ast.AST):
                    words.append(repr(item))
                elif text is None or getattr(item, "arg", None) != text:
                    _flatten(item, words, imports, deferred)
            words.append("]")
        elif isinstance(value, ast.AST):
            if field != "ctx":  # follows from the place of the node
                _flatten(value, words, imports, deferred)
        else:
            words.append(repr(value))
    words.append(")")


@functools.cache
def _sources() -> Sources:
    return Sources()


@functools.cache
def _code_fingerprint(modules: tuple[str, ...], plugins: frozenset[tuple[str, frozenset[str]]]) -> str:
    return _sources().fingerprint(*modules, plugins=dict(plugins))
