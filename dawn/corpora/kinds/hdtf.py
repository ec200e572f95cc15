"""HDTF (Zhang et al. 2021): clips of about 370 videos on YouTube, by the publisher's lists, CC BY 4.0.

The lists, in three groups, state for each video its address, the frame height of the publisher's copy, and the times
of its clips; for each clip, a square window in pixels of that copy. A clip with contradictory times, or without window,
is rejected; one whose window does not fit is cropped around the face, the publisher's alternative.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from dawn.config import Corpus, HdtfCorpus
from dawn.corpora.lists import Box, ListedClip, lists_folder, read_list
from dawn.corpora.manifest import Rejected
from dawn.corpora.splits import check_names, hold_out, read_test_list
from dawn.corpora.web import WebVideos
from dawn.errors import InputError

GROUPS = ("RD", "WDA", "WRA")
# At commit bbde889b of the publisher's repository ("annotion" is its spelling).
LISTS = {
    "RD_annotion_time.txt": "6e0e3b8139697d64ce92f252c9eb62d268b9262c628682803b9aed282f2068a7",
    "RD_crop_wh.txt": "5887006297bc96b91af5f2dae51ffc2f46816dcf1018325666fda756dabeb6f6",
    "RD_resolution.txt": "b4797a0fada19918ffef4f39447675fe1187f48d1292955ecfb7e7754092e384",
    "RD_video_url.txt": "ae197ad34dc155082897637db41a298fe19fa937df4bfdc1b6aad021fcf2418e",
    "WDA_annotion_time.txt": "b7fb834e95918d6e87deb7afc9da8dc1c1c17ab454dc33887fe16fe945586f61",
    "WDA_crop_wh.txt": "3a2c1ba0255e05ec4a3d2a47180f16b0eba1e60976ee146d0162b872e473e151",
    "WDA_resolution.txt": "b9dbc35320b09b57771ec79c1aedc3624bda872c51390232631cce3444e0c10d",
    "WDA_video_url.txt": "a8cee0c92ac59f27fead5a2e6a5387beadcca8b80134f7dcb433f18f1ee86586",
    "WRA_annotion_time.txt": "7a49a55a841a45ab41cd1ff64f18bb83e79fa5799d1178d3ca36490eed54f1ed",
    "WRA_crop_wh.txt": "fd08b34596f0b5d3df7859bac7f4fd339aaf35b466ee018b3fdb8feab75838f2",
    "WRA_resolution.txt": "10108707a870259fde4f404eb3ab1617bbece3bbb8a176eb1120db1c7d3d9fc5",
    "WRA_video_url.txt": "04fd736a4c312a25309071d4b9e55c1989de5e3f37d2e54081c8bfc4dad84def",
}
_SPAN = re.compile(r"(\d+):([0-5]\d)-(\d+):([0-5]\d)")


class Hdtf(WebVideos[HdtfCorpus]):
    """HDTF below ``corpus.hdtf.root``."""

    title = "HDTF"
    lists = LISTS

    def credit(self, corpus: Corpus) -> str:
        """See :class:`dawn.corpora.registry.CorpusKind`."""
        return "HDTF (Zhang et al. 2021, https://github.com/MRzzm/HDTF), CC BY 4.0; videos: terms of their publishers"

    def settings(self, corpus: Corpus) -> HdtfCorpus:
        """See :class:`WebVideos`."""
        return corpus.hdtf

    def listed_clips(self, web: HdtfCorpus, seed: int) -> tuple[list[ListedClip], list[Rejected]]:
        """See :func:`listed_clips`."""
        return listed_clips(lists_folder(web), web, seed)


CORPUS = Hdtf()


def listed_clips(folder: Path, corpus: HdtfCorpus, seed: int) -> tuple[list[ListedClip], list[Rejected]]:
    """Parse the lists in `folder`; returns clips, and rejected entries, in the order of the lists.

    A clip is named by group, video and three digits, as in other preparations of HDTF. The split follows a hash of
    `seed` and video, available or not: it depends neither on which videos were removed nor on the clip of a video.
    Raises InputError when a list cannot be read or the test list names an unknown clip.
    """
    clips: list[ListedClip] = []
    rejected: list[Rejected] = []
    for group in GROUPS:
        usable, unusable = _clips_of_group(folder, group, corpus)
        clips += usable
        rejected += unusable
    test_names = read_test_list(corpus.test_list)
    if test_names is None:
        held_out = hold_out({clip.video for clip in clips}, corpus.test_fraction, seed)
        return [_in_split(clip, clip.video in held_out) for clip in clips], rejected
    names = {name.removesuffix(".mp4") for name in test_names}
    check_names(names, [*(clip.name for clip in clips), *(row.clip for row in rejected)], corpus.test_list, "HDTF")
    return [_in_split(clip, clip.name in names) for clip in clips], rejected


def _in_split(clip: ListedClip, test: bool) -> ListedClip:
    return replace(clip, split="test" if test else "train")


def _clips_of_group(folder: Path, group: str, corpus: HdtfCorpus) -> tuple[list[ListedClip], list[Rejected]]:
    spans = _rows(folder / f"{group}_annotion_time.txt")
    heights = _rows(folder / f"{group}_resolution.txt")
    windows = _rows(folder / f"{group}_crop_wh.txt")
    clips: list[ListedClip] = []
    rejected: list[Rejected] = []
    for video, (address, *_) in _rows(folder / f"{group}_video_url.txt").items():
        if video not in spans:
            rejected.append(Rejected(f"{group}_{video}", "corpus", "the publisher's list has no times for this video"))
            continue
        previous_end = 0
        for index, span in enumerate(spans[video]):
            name = f"{group}_{video}_{index:03d}"
            window = windows.get(f"{video}_{index}")
            try:
                start, end = _parse_span(span, previous_end)
                previous_end = end
                box = None
                if corpus.crop == "list":
                    if window is None:
                        raise InputError("the publisher's list has no window for this clip (crop: face needs none)")
                    box = _parse_window(window, int(heights[video][0]))
                if end - start < corpus.min_seconds:
                    raise InputError(f"{end - start} s, shorter than min_seconds = {corpus.min_seconds:g}")
            except InputError as error:
                rejected.append(Rejected(name, "corpus", str(error)))
                continue
            clips.append(ListedClip(name, _video_id(address), start, end, f"{group}_{video}", "train", box))
    return clips, rejected


def _rows(path: Path) -> dict[str, list[str]]:
    """Read the rows of a list as cells, keyed by the first cell: name of a video or clip, without ``.mp4``."""
    cells = [line.split() for line in read_list(path).splitlines()]
    return {row[0].removesuffix(".mp4"): row[1:] for row in cells if len(row) > 1}


def _parse_span(span: str, earliest: int) -> tuple[int, int]:
    """Parse "minutes:seconds-minutes:seconds" to start and end in seconds.

    Raises InputError if the span begins before `earliest` or is empty.
    """
    match = _SPAN.fullmatch(span)
    if match is None:
        raise InputError(f"the publisher's list has {span!r} for its times")
    minutes, seconds, end_minutes, end_seconds = (int(digits) for digits in match.groups())
    start, end = 60 * minutes + seconds, 60 * end_minutes + end_seconds
    if not earliest <= start < end:
        raise InputError(f"the publisher's list has {span} for its times, out of order")
    return start, end


def _parse_window(window: list[str], height: int) -> Box | None:
    """Convert a window "x, width, y, height" in pixels to a box in units of the frame height `height`.

    Returns None when the window ends below the frame, or the height is unknown (0).
    """
    x, width, y, rows = (int(cell) for cell in window)
    if not height or y + rows > height:
        return None
    return x / height, y / height, (x + width) / height, (y + rows) / height


def _video_id(address: str) -> str:
    return parse_qs(urlsplit(address).query)["v"][0]  # some addresses also carry a start time
