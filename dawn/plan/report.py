"""Plans as text of at most 100 columns, and as JSON."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from dawn.plan.estimate import Plan, StagePlan
from dawn.plan.measurements import measurements

WIDTH = 100
_NONE = "-"


def report(plans: Sequence[Plan], as_json: bool = False) -> str:
    """Format the plans of one run on several cards: one in detail, several as hours by stage and card."""
    if as_json:
        return json.dumps([_tree(plan) for plan in plans], indent=1)
    return _detail(plans[0]) if len(plans) == 1 else _comparison(plans)


def _tree(value: Any) -> Any:
    """Convert dataclasses and sections to what JSON has."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _tree(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return [_tree(item) for item in value] if isinstance(value, tuple) else value


def _detail(plan: Plan) -> str:
    priced = plan.dollars_a_gpu_hour is not None
    price = ["dollars"] if priced else []
    header = ["stage", "steps", "batch", "ms/step", "hours", "GPU h", "core h", *price, "basis"]
    rows = [_stage_row(line, priced) for line in plan.stages]
    total = ["known" if plan.unknown else "sum", "", "", ""]
    total += [_hours(plan.hours), _hours(plan.gpu_hours), _hours(plan.core_hours)]
    rows.append([*total, *([_money(plan.dollars)] if priced else []), ""])
    sections = [
        _heading(plan),
        _table(header, rows, left=(0, len(header) - 1)),
        _notes(plan),
        _data(plan),
        _memory(plan),
        _disk(plan),
        "how\n" + "\n".join(_wrapped(line.stage, line.how) for line in plan.stages),
    ]
    return "\n\n".join(sections)


def _heading(plan: Plan) -> str:
    card = plan.card
    memory = "" if card.memory is None else f", {card.memory:g} GB"
    bandwidth = "" if card.bandwidth is None else f", {card.bandwidth:,.0f} GB/s"
    price = "" if plan.dollars_a_gpu_hour is None else f", {plan.dollars_a_gpu_hour:g} dollars per GPU hour"
    return f"{_corpus(plan)}\n{plan.gpus} x {card.title}{memory}{bandwidth}{price}"


def _corpus(plan: Plan) -> str:
    size = plan.corpus
    clips = f"{size.train:,} training clips of {size.frames:,.0f} frames ({size.hours:.1f} h), {size.test:,} test clips"
    return f"{plan.run}: {clips}\n  size: {size.source}"


def _stage_row(line: StagePlan, priced: bool) -> list[str]:
    milliseconds = None if line.step_seconds is None else line.step_seconds * 1000
    return [
        line.stage,
        _NONE if line.steps is None else f"{line.steps:,}",
        _NONE if line.batch is None else str(line.batch),
        _NONE if milliseconds is None else f"{milliseconds:,.0f}",
        _hours(line.hours),
        _hours(line.gpu_hours),
        _hours(line.core_hours),
        *([_money(line.dollars)] if priced else []),
        line.basis,
    ]


def _notes(plan: Plan) -> str:
    """State what the sums contain and leave out."""
    notes = []
    if plan.unknown:
        notes.append(f"Not in the sums, since their time is not known: {', '.join(plan.unknown)}.")
    if plan.drawing_hours:
        notes.append(
            f"{_hours(plan.drawing_hours)} of the GPU hours drew batches in the training process, where they were "
            "measured; worker processes do that now."
        )
    if plan.gpus > 1:
        notes.append(
            f"Training divides each batch among {plan.gpus} GPUs (processes: {plan.gpus}), which together work at "
            f"{plan.efficiency or 0:.0%} of {plan.gpus} single ones: uneven shares, kernels that are too small, and "
            f"{1 - measurements().declared.exchange_efficiency:.0%} for exchanging gradients (assumed, not measured). "
            "Videos take one GPU."
        )
    notes.append(
        "Basis: measured, on this card; scaled, from a measurement by the factors below; estimated, from counted "
        "operations. Measured steps are those of older code, unless --measured gives your own. Fetching and the "
        "time to compile are not included; recompute takes a quarter more time."
    )
    return "\n".join(textwrap.fill(note, WIDTH) for note in notes)


def _data(plan: Plan) -> str:
    """Data that the trainings read, and what the packed clips give."""
    rows = [
        [
            needs.stage,
            _number(needs.data.needs_mb_s, 0),
            _number(needs.data.store_mb_s, 0),
            str(needs.data.workers),
            _number(needs.data.cores, 2),
        ]
        for needs in plan.needs
    ]
    return _table(["data", "needs MB/s", "store gives MB/s", "workers a GPU", "cores busy"], rows)


def _memory(plan: Plan) -> str:
    """Peak memory of a GPU, in one pass and in the passes that fit, and the same with recompute."""
    rows = [
        [
            needs.stage,
            _number(needs.memory.one_pass_gib, 1),
            _passes(needs.memory.one_pass_gib, needs.memory.passes),
            _number(needs.memory.gib, 1),
            _number(needs.memory.recompute_gib, 1),
            _passes(needs.memory.recompute_gib, needs.memory.recompute_passes),
        ]
        for needs in plan.needs
    ]
    return _table(
        ["memory", "GiB in 1 pass", "passes that fit", "GiB", "with recompute: GiB in 1 pass", "passes that fit"], rows
    )


def _passes(gib: float | None, passes: int | None) -> str:
    """Format a number of passes; `gib` is None where the memory is not known."""
    return _NONE if gib is None else str(passes or "none")


def _disk(plan: Plan) -> str:
    rows = [[space.files, _number(space.gb, 1), space.how] for space in plan.disk]
    return _table(["disk", "GB", ""], rows, left=(0, 2))


def _comparison(plans: Sequence[Plan]) -> str:
    """Tables of GPU hours, and of the passes that fit the memory, by stage and card."""
    first = plans[0]
    rows = []
    for lines in zip(*(plan.stages for plan in plans), strict=True):
        if any(line.gpu_hours is not None for line in lines):
            rows.append([lines[0].stage, *(_hours(line.gpu_hours) for line in lines)])
    complete = [not plan.unknown for plan in plans]
    sums = [plan.gpu_hours if known else None for plan, known in zip(plans, complete, strict=True)]
    rows.append(["sum", *(_hours(value) for value in sums)])
    if first.dollars is not None:
        prices = [plan.dollars if known else None for plan, known in zip(plans, complete, strict=True)]
        rows.append(["dollars", *(_money(value) for value in prices)])
    memories = [[needs.memory for needs in plan.needs] for plan in plans]
    passes = [
        [needs.stage, *(_passes(of_card[index].one_pass_gib, of_card[index].passes) for of_card in memories)]
        for index, needs in enumerate(first.needs)
    ]
    titles = [plan.card.title for plan in plans]
    sections = [
        f"{_corpus(first)}\n{first.gpus} x each card",
        _table(["GPU hours", *titles], rows),
        _table(["passes that fit", *titles], passes),
        *([] if all(complete) else ["- : not known, or one sample does not fit; give one card to see why"]),
    ]
    return "\n\n".join(sections)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> str:
    """Align the columns `left` to the left, others to the right."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    aligned = [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join(aligned)


def _wrapped(name: str, text: str) -> str:
    return textwrap.fill(f"{name:12}{text}", WIDTH, subsequent_indent=" " * 12)


def _hours(value: float | None) -> str:
    if value is None:
        return _NONE
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def _money(value: float | None) -> str:
    return _NONE if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _number(value: float | None, digits: int) -> str:
    return _NONE if value is None else f"{value:,.{digits}f}"
