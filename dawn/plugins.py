"""Discovery of plug-ins: each is one module of a package, identified by its file name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from typing import Any

from dawn.errors import InputError


def plugin_names(package: str) -> tuple[str, ...]:
    """Return the names of the plug-in modules of `package`, sorted.

    Modules whose name begins with an underscore are not plug-ins. The package is imported, its modules are not.
    """
    modules = pkgutil.iter_modules(importlib.import_module(package).__path__)
    return tuple(sorted(module.name for module in modules if not module.name.startswith("_")))


def load_plugin(package: str, name: str, attribute: str, kind: type = object) -> Any:
    """Import the plug-in module `name` and return its `attribute`, an instance of `kind`.

    Raises InputError when either does not exist, for a module that cannot be imported, and for another type.
    """
    if name not in plugin_names(package):
        raise InputError(f"{package} has no module {name!r}; it has: {', '.join(plugin_names(package))}")
    try:
        module = importlib.import_module(f"{package}.{name}")
    except (ImportError, SyntaxError) as error:
        reason = f"{error.__class__.__name__}: {error}"
        raise InputError(f"{package.replace('.', '/')}/{name}.py: cannot be imported ({reason})") from error
    if not hasattr(module, attribute):
        raise InputError(f"{module.__file__}: defines no {attribute}; define it as the other modules of {package} do")
    value = getattr(module, attribute)
    if not isinstance(value, kind):
        raise InputError(f"{module.__file__}: {attribute} is a {type(value).__name__}; define a {kind.__name__}")
    return value


def check_distinct(package: str, kind: str, definitions: Iterable[tuple[str, str]]) -> None:
    """Raise InputError when two of the definitions (module of `package`, name) have the same name."""
    first: dict[str, str] = {}
    for module, name in definitions:
        if name in first:
            places = " and ".join(f"{place}.py" for place in dict.fromkeys((first[name], module)))
            raise InputError(f"two {kind} are called {name!r}, in {places} of {package.replace('.', '/')}; rename one")
        first[name] = module
