"""VoxCeleb1 (Nagrani et al. 2017), preprocessed as for first-order motion models (Siarohin et al. 2019).

Siarohin's list has one row for each run of frames in which a face stays inside a box: frame numbers at `fps`, and the
box in pixels of frames of `width` by `height`. The list has no licence: it is fetched, never part of this repository.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from dawn.config import Corpus, VoxcelebCorpus
from dawn.corpora.lists import Box, ListedClip, lists_folder, read_list
from dawn.corpora.manifest import Rejected
from dawn.corpora.web import WebVideos
from dawn.errors import InputError

LIST = "vox-metadata.csv"
LISTS = {LIST: "dfbaf55a6edaaf84add29f93692f8bb7289aff1102631bcdf1b1aaf52f3953f7"}  # at commit ac40aac5


class VoxCeleb(WebVideos[VoxcelebCorpus]):
    """VoxCeleb1 below ``corpus.voxceleb.root``."""

    title = "VoxCeleb"
    lists = LISTS

    def credit(self, corpus: Corpus) -> str:
        """See :class:`dawn.corpora.registry.CorpusKind`."""
        return (
            "VoxCeleb1 (Nagrani et al. 2017), cut by the list of https://github.com/AliaksandrSiarohin/"
            "video-preprocessing, which states no licence; videos: terms of their publishers"
        )

    def settings(self, corpus: Corpus) -> VoxcelebCorpus:
        """See :class:`WebVideos`."""
        return corpus.voxceleb

    def listed_clips(self, web: VoxcelebCorpus, seed: int) -> tuple[list[ListedClip], list[Rejected]]:
        """See :func:`listed_clips`; the split is that of the list and independent of `seed`."""
        return listed_clips(lists_folder(web), web)


CORPUS = VoxCeleb()


def listed_clips(folder: Path, corpus: VoxcelebCorpus) -> tuple[list[ListedClip], list[Rejected]]:
    """Parse the list in `folder`; returns its clips, each once, in the split of the list, and those that are too short.

    A clip that the list has in both splits is a test clip. Raises InputError when the list cannot be read.
    """
    by_name: dict[str, ListedClip] = {}
    path = folder / LIST
    try:
        for row in csv.DictReader(io.StringIO(read_list(path), newline="")):
            clip = _parse_row(row)
            previous = by_name.get(clip.name)
            by_name[clip.name] = clip if previous is None or clip.split == "test" else previous
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{path}: not the list of VoxCeleb ({error!r}); fetch it again") from None
    clips: list[ListedClip] = []
    rejected: list[Rejected] = []
    for clip in by_name.values():
        if clip.end - clip.start < corpus.min_seconds:
            reason = f"{clip.end - clip.start:.2f} s, shorter than min_seconds = {corpus.min_seconds:g}"
            rejected.append(Rejected(clip.name, "corpus", reason))
        else:
            clips.append(clip)
    return clips, rejected


def _parse_row(row: dict[str, str]) -> ListedClip:
    start, end, rate = int(row["start"]), int(row["end"]), float(row["fps"])
    name = f"{row['person_id']}_{row['video_id']}_{start:06d}_{end:06d}"
    square = _square(row["bbox"], int(row["width"]), int(row["height"]))
    return ListedClip(name, row["video_id"], start / rate, end / rate, row["person_id"], row["partition"], square)


def _square(box: str, width: int, height: int) -> Box:
    """Compute the square around "left-top-right-bottom" (pixels), in frame heights.

    The square is moved and shrunk until it lies inside the frame. Boxes of the list reach beyond the frame and are not
    square; Siarohin's program resizes the visible part to a square.
    """
    left, top, right, bottom = (int(number) for number in box.split("-"))
    right, bottom = min(right, width), min(bottom, height)
    side = min(max(right - left, bottom - top), width, height)
    x = min(max((left + right - side) / 2, 0), width - side)
    y = min(max((top + bottom - side) / 2, 0), height - side)
    return x / height, y / height, (x + side) / height, (y + side) / height
