"""Hooks of the documentation site: command lines, configuration keys and formulas, rendered during the build."""

from __future__ import annotations

import html
import importlib
import io
import re
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

import annotated_types
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dawn.config import Config

_MARK = re.compile(r"^<!-- (?P<kind>configuration|commands): (?P<name>[\w-]+) -->$", re.MULTILINE)
_PROGRAMS = {"dawn": "dawn.cli", "dawn-eval": "eval.cli"}  # program -> module with its typer application, `app`
_BOUNDS = ((annotated_types.Ge, "ge", "≥"), (annotated_types.Gt, "gt", ">"), (annotated_types.Le, "le", "≤"))


def on_config(config: Any) -> None:
    """Register the fence ``math``."""
    fence = {"name": "math", "class": "formula", "format": format_math}
    config["mdx_configs"]["pymdownx.superfences"] = {"custom_fences": [fence]}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace each line ``<!-- configuration: SECTION -->`` by the table of the keys of this section (``top``: those of
    no section), and each line ``<!-- commands: PROGRAM -->`` by the reference of its commands."""
    render = {"configuration": configuration_table, "commands": command_reference}
    return _MARK.sub(lambda match: render[match["kind"]](match["name"]), markdown)


def format_math(source: str, *_: Any, **__: Any) -> str:
    """Fence ``math``: one TeX formula per line, rendered by matplotlib: pages need neither script nor network."""
    return "".join(f'<p class="formula">{_svg(line.strip())}</p>' for line in source.splitlines() if line.strip())


def configuration_table(section: str) -> str:
    """Markdown table of the keys of one section of :class:`dawn.config.Config`, sections within it included."""
    fields = Config.model_fields
    if section == "top":
        rows = [(name, field) for name, field in fields.items() if not _is_section(field.annotation)]
    else:
        rows = list(_keys(section, typing.cast(type[BaseModel], fields[section].annotation)))
    lines = ["| key | type | default | meaning, unit, source |", "| --- | --- | --- | --- |"]
    for key, field in rows:
        description = html.escape(field.description or "", quote=False)
        cells = (f"`{key}`", _type_name(field.annotation, field.metadata), _default(field), description)
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(lines)


def command_reference(program: str) -> str:
    """Markdown of all commands of a program: a heading, usage, arguments and options with defaults, an example."""
    application = importlib.import_module(_PROGRAMS[program]).app
    return "\n\n".join(_commands(program, typer.main.get_command(application)))


def _commands(name: str, command: Any) -> Iterator[str]:
    if hasattr(command, "commands"):
        for word, part in command.commands.items():
            if not part.hidden:
                yield from _commands(f"{name} {word}", part)
        return
    yield f"### {name}"
    yield html.escape(" ".join((command.help or "").split()), quote=False)
    rows = [
        row for parameter in command.params if not getattr(parameter, "hidden", False) for row in _parameter(parameter)
    ]
    if rows:
        yield "\n".join(["| argument or option | default | meaning |", "| --- | --- | --- |", *rows])
    if command.epilog:
        yield f"`{command.epilog.removeprefix('Example: ')}`"


def _parameter(parameter: Any) -> Iterator[str]:
    """The table row of one argument or option; none for ``--help``."""
    is_option = parameter.opts[0].startswith("-")
    if "--help" in parameter.opts:
        return
    value = parameter.metavar or ("" if getattr(parameter, "is_flag", False) else parameter.name.upper())
    names = ", ".join([*parameter.opts, *parameter.secondary_opts]) if is_option else value
    shown = f"{names} {value}".strip() if is_option else value
    default = parameter.default
    if isinstance(parameter.show_default, str):
        text = parameter.show_default
    elif parameter.required:
        text = "required"
    elif default is None or getattr(parameter, "is_flag", False) or default in ((), []):
        text = ""
    else:
        text = f"`{getattr(default, 'value', default)}`"
    cells = (f"`{shown}`", text, html.escape(parameter.help or "", quote=False))
    yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _keys(prefix: str, section: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Dotted name and field of every key below `section`."""
    for name, field in section.model_fields.items():
        if _is_section(field.annotation):
            yield from _keys(f"{prefix}.{name}", typing.cast(type[BaseModel], field.annotation))
        else:
            yield f"{prefix}.{name}", field


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _type_name(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    bounds = [
        f"{sign} {getattr(item, attribute):g}"
        for item in metadata
        for kind, attribute, sign in _BOUNDS
        if isinstance(item, kind)
    ]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in (None, type(None)):
        name = "none"
    elif origin is typing.Annotated:
        name = _type_name(arguments[0], arguments[1:])
    elif origin is typing.Literal:
        name = " or ".join(f"`{value}`" for value in arguments)
    elif origin in (typing.Union, types.UnionType):
        name = " or ".join(dict.fromkeys(_type_name(argument) for argument in arguments))
    elif origin in (list, tuple):
        names = " or ".join(dict.fromkeys(_type_name(argument) for argument in arguments if argument is not Ellipsis))
        fixed = origin is tuple and Ellipsis not in arguments
        name = f"list of {len(arguments)} {names}" if fixed else f"list of {names}"
    elif origin is dict:
        name = f"map of {_type_name(arguments[0])} to {_type_name(arguments[1])}"
    else:
        name = str(getattr(annotation, "__name__", annotation))
    return " ".join([name, *bounds])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list | tuple):
        return f"`[{', '.join('none' if item is None else str(item) for item in value)}]`"
    return f"`{value}`"


def _svg(formula: str) -> str:
    """One formula as inline SVG in the colour of the surrounding text, with its TeX for screen readers."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure()
    figure.text(0, 0, f"${formula}$", fontsize=13)
    stream = io.StringIO()
    with rc_context({"svg.fonttype": "path"}):
        figure.savefig(stream, format="svg", bbox_inches="tight", pad_inches=0.03, transparent=True)
    drawing = stream.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r"\s+", " ", drawing)
    drawing = re.sub(r'\b(width|height)="([\d.]+)pt"', lambda m: f'{m[1]}="{float(m[2]) / 12:.2f}em"', drawing)
    label = html.escape(formula, quote=True)
    return drawing.replace("<svg", f'<svg role="img" aria-label="{label}" fill="currentColor"', 1)
