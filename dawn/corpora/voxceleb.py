"""VoxCeleb1 (Nagrani et al. 2017) as first-order motion models (Siarohin et al. 2019) learn from it.

Their list has one row for each run of frames in which a face stays inside a box: frames, counted at `fps`, and box, in
pixels of a picture of `width` and `height`. The list has no licence: it is fetched, never kept here.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from dawn.config import VoxcelebCorpus
from dawn.corpora.items import Box, Item, read_list
from dawn.corpora.manifest import Rejected
from dawn.errors import InputError

LIST = "vox-metadata.csv"
LISTS = {LIST: "dfbaf55a6edaaf84add29f93692f8bb7289aff1102631bcdf1b1aaf52f3953f7"}  # at commit ac40aac5


def items(folder: Path, corpus: VoxcelebCorpus) -> tuple[list[Item], list[Rejected]]:
    """Clips, and those too short, from the list in `folder`, each once, by the list's own split.

    What the list has in both splits is for testing. Raises InputError when the list cannot be read.
    """
    found: dict[str, Item] = {}
    rejected: list[Rejected] = []
    path = folder / LIST
    try:
        for row in csv.DictReader(io.StringIO(read_list(path), newline="")):
            item = _item(row)
            known = found.get(item.name)
            found[item.name] = item if known is None or item.split == "test" else known
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{path}: not the list of VoxCeleb ({error!r}); fetch it again") from None
    kept = []
    for item in found.values():
        if item.end - item.start < corpus.min_seconds:
            reason = f"{item.end - item.start:.2f} s, shorter than min_seconds = {corpus.min_seconds:g}"
            rejected.append(Rejected(item.name, "corpus", reason))
        else:
            kept.append(item)
    return kept, rejected


def _item(row: dict[str, str]) -> Item:
    start, end, rate = int(row["start"]), int(row["end"]), float(row["fps"])
    name = f"{row['person_id']}_{row['video_id']}_{start:06d}_{end:06d}"
    box = _square(row["bbox"], int(row["width"]), int(row["height"]))
    return Item(name, row["video_id"], start / rate, end / rate, row["person_id"], row["partition"], box)


def _square(box: str, width: int, height: int) -> Box:
    """The square around "left-top-right-bottom", in heights of the picture, moved and made smaller to lie inside it.

    Boxes reach beyond the picture and are not square; the list's own program squeezes what is inside into a square.
    """
    left, top, right, bottom = (int(number) for number in box.split("-"))
    right, bottom = min(right, width), min(bottom, height)
    side = min(max(right - left, bottom - top), width, height)
    x = min(max((left + right - side) / 2, 0), width - side)
    y = min(max((top + bottom - side) / 2, 0), height - side)
    return x / height, y / height, (x + side) / height, (y + side) / height
