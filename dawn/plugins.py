"""Discovery of plug-ins: each is one module of a package, identified by its file name."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from dawn.errors import InputError


def plugin_names(package: str) -> tuple[str, ...]:
    """Return the names of the plug-in modules of `package`, sorted.

    Modules whose name begins with an underscore are not plug-ins. The package is imported, its modules are not.
    """
    modules = pkgutil.iter_modules(importlib.import_module(package).__path__)
    return tuple(sorted(module.name for module in modules if not module.name.startswith("_")))


def load_plugin(package: str, name: str, attribute: str) -> Any:
    """Import the plug-in module `name` and return its `attribute`.

    Raises InputError when either does not exist, and for a module that cannot be imported.
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
    return getattr(module, attribute)
