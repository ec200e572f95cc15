"""Corpora of videos on the net: each is fetched once, the clips of the list are cut from it, and it is let go.

A clip that is cut, or a row of `rejected.csv`, is settled for good; a video whose clips are all settled is not asked
for again. So a process that was killed, at any moment, is simply started again.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from dawn import download
from dawn.config import Corpus, Fetching, WebCorpus
from dawn.corpora import hdtf, voxceleb
from dawn.corpora.cut import cut, pictures, read_cut, sound
from dawn.corpora.fetch import Rejects, batches, carry_out, check_disk
from dawn.corpora.folder import FindBox, box_of_face, write_square
from dawn.corpora.items import Box, Item, fetch_lists, lists_of
from dawn.corpora.manifest import Clip, Rejected
from dawn.corpora.ytdlp import fetch_video
from dawn.errors import InputError
from dawn.media.files import sha256_file

_TOGETHER = 10  # videos of each job, after which a site that gives none is let be
_BYTES = 5e5  # of a second at 1080 rows: what YouTube sends at most, about


def prepare(corpus: Corpus) -> tuple[list[Clip], list[Rejected], dict[str, int]]:
    """Clips and rejects, in the order of the lists, and how many videos are listed and could be had.

    Fetches what is missing first. Raises as :func:`bring` and :func:`dawn.corpora.items.fetch_lists` do.
    """
    web = settings(corpus)
    fetch_lists(web, _LISTS[corpus.kind], f"lists of {_NAMES[corpus.kind]}")
    items, rejected = listed(corpus)
    lost = {row.clip: row for row in bring(items, web, corpus.fetch, _NAMES[corpus.kind])}
    rejected += lost.values()
    clips = []
    for item in tqdm([one for one in items if one.name not in lost], desc="clips", unit="clip", mininterval=2):
        file = _place(item)
        frames = read_cut(Path(web.root) / file).frames
        sha256 = sha256_file(Path(web.root) / file)
        clips.append(Clip(item.name, item.identity, item.split, frames, frames / corpus.fps, file, sha256))
    gone = {item.video for item in items if item.name in lost and lost[item.name].stage == "fetch"}
    return clips, rejected, {"listed": len({item.video for item in items}), "had": len({i.video for i in items} - gone)}


def settings(corpus: Corpus) -> WebCorpus:
    """The section of the corpus' own kind."""
    return corpus.hdtf if corpus.kind == "hdtf" else corpus.voxceleb


def listed(corpus: Corpus) -> tuple[list[Item], list[Rejected]]:
    """What the publisher's lists, which are there, have to cut, and what of them cannot be."""
    folder = lists_of(settings(corpus))
    if corpus.kind == "hdtf":
        return hdtf.items(folder, corpus.hdtf, corpus.seed)
    return voxceleb.items(folder, corpus.voxceleb)


def bring(items: Sequence[Item], web: WebCorpus, fetching: Fetching, what: str) -> list[Rejected]:
    """Cut every item that can be had to `cuts` below the root; returns why the others cannot, as `rejected.csv` has it.

    Touches no network when nothing is missing. Raises InputError when the disk is too small, and download.Unavailable
    when videos are still to come, after all others came.
    """
    root = Path(web.root)
    with download.locked(root, what):
        for left in (root / "cuts").glob(".*"):  # by a process that was killed
            left.unlink()
        rejects = Rejects(root)
        missing: dict[str, list[Item]] = {}
        for item in items:
            if item.name not in rejects.rows and not (root / _place(item)).is_file():
                missing.setdefault(item.video, []).append(item)
        check_disk(root, sum(_size(some, web) for some in missing.values()), what)
        videos = {item.video for item in items}

        def tasks() -> Iterator[list[Callable[[], None]]]:
            for batch in batches(list(missing.items()), _TOGETHER * fetching.jobs):
                yield [functools.partial(_video, video, some, web, fetching, rejects) for video, some in batch]

        with tqdm(total=len(videos), initial=len(videos) - len(missing), desc=what, unit="video", mininterval=2) as bar:
            late = carry_out(tasks(), fetching.jobs, bar.update)
        if late:
            short = sum(not (root / _place(item)).is_file() and item.name not in rejects.rows for item in items)
            raise download.Unavailable(
                f"{root}: {short} of {len(items)} clips are still to come; the first fault: {late[0]}"
            )
        return [rejects.rows[item.name] for item in items if item.name in rejects.rows]


def make_clip(corpus: Corpus, clip: Clip, source: Path, out: Path, find_box: FindBox) -> None:
    """Write a cut as a square clip at 25 fps with 16 kHz mono speech: the window of the list, or around the face.

    `find_box` is as in :func:`dawn.corpora.folder.make_clip`. Raises InputError when the cut cannot be read or, without
    a window, no steady face is found.
    """
    span = read_cut(source)
    window = _windows(corpus).get(clip.clip)
    audio = sound(source, span, corpus.fps, corpus.sample_rate)
    if window is None:
        box, shape, count = box_of_face(pictures(source, span, corpus.fps), find_box, clip.source)
    else:
        first = next(pictures(source, span, corpus.fps), None)
        if first is None:
            raise InputError(f"{clip.source}: holds no frames of the clip; remove it and prepare the corpus again")
        shape, count = first.shape[:2], span.frames
        x0, y0, x1, y1 = (value * shape[0] for value in window)
        box = (x0, y0, x1, y1)
    write_square(corpus, pictures(source, span, corpus.fps), box, shape, audio, count, out)


@functools.cache
def _windows(corpus: Corpus) -> dict[str, Box | None]:
    """What the list has for each clip."""
    return {item.name: item.box for item in listed(corpus)[0]}


def _video(video: str, items: Sequence[Item], web: WebCorpus, fetching: Fetching, rejects: Rejects) -> None:
    """Settle the clips of one video. Raises download.Unavailable and InputError."""
    root = Path(web.root)
    folder = root / "videos" / video
    check_disk(root, 2 * _size(items, web), video)
    try:
        files = fetch_video(web.watch.format(id=video), folder, web.height, fetching)
    except download.Refused as error:
        rejects.add(Rejected(item.name, "fetch", str(error)) for item in items)
        shutil.rmtree(folder)
    else:
        faults = []
        for item in items:
            out = root / _place(item)
            out.parent.mkdir(exist_ok=True)
            try:
                cut(files, item.start, item.end, 25, out)
            except InputError as error:
                faults.append(Rejected(item.name, "cut", str(error)))
        if faults:
            rejects.add(faults)
        if not fetching.keep:
            shutil.rmtree(folder)


def _place(item: Item) -> str:
    return f"cuts/{item.name}.mkv"


def _size(items: Sequence[Item], web: WebCorpus) -> float:
    return sum(item.end - item.start for item in items) * _BYTES * (web.height / 1080) ** 2


_NAMES = {"hdtf": "HDTF", "voxceleb": "VoxCeleb"}
_LISTS = {"hdtf": hdtf.LISTS, "voxceleb": voxceleb.LISTS}
