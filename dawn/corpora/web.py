"""Corpora of videos on the web: each video is fetched once, the listed clips are cut from it, then it is deleted.

A clip is settled when it is cut or is a row of ``rejected.csv``; a video whose clips are all settled is not requested
again. After a kill at any moment, the next call continues.
"""

from __future__ import annotations

import functools
import shutil
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tqdm import tqdm

from dawn import download
from dawn.config import Corpus, Fetching, WebCorpus
from dawn.corpora.fetch import RejectLog, batches, run_batches
from dawn.corpora.lists import Box, ListedClip, fetch_lists
from dawn.corpora.manifest import Clip, Rejected
from dawn.corpora.registry import ClipList, ClusterFaces, CorpusKind
from dawn.errors import InputError
from dawn.media.files import require_space, sha256_file

if TYPE_CHECKING:
    from dawn.media.framing import FindBox

Settings = TypeVar("Settings", bound=WebCorpus)
_BATCH = 10  # videos of each job; fetching stops after a batch that ends in failures
_BYTES = 5e5  # per second of video at 1080 rows: about the highest rate of YouTube


class WebVideos(CorpusKind, Generic[Settings]):
    """Corpus cut from videos on the web by its publisher's lists."""

    title: str  # of the corpus
    lists: Mapping[str, str]  # file name -> SHA-256

    @abstractmethod
    def settings(self, corpus: Corpus) -> Settings:
        """Return the section of the configuration that belongs to this kind."""

    @abstractmethod
    def listed_clips(self, web: Settings, seed: int) -> tuple[list[ListedClip], list[Rejected]]:
        """Parse the fetched lists; returns clips, and rejected entries, in the order of the lists."""

    def acquire(self, corpus: Corpus, folder: Path) -> None:
        """Fetch the lists, then cut every available listed clip to ``cuts`` below the root.

        Raises as :func:`dawn.corpora.lists.fetch_lists` and :func:`fetch_cuts` do.
        """
        web = self.settings(corpus)
        fetch_lists(web, self.lists, f"lists of {self.title}")
        listed, _ = self.listed_clips(web, corpus.seed)
        fetch_cuts(listed, web, corpus.fetch, self.title)

    def clips(self, corpus: Corpus, folder: Path, cluster_faces: ClusterFaces) -> ClipList:
        """List clips and rejects in the order of the lists, with the numbers of listed and available videos."""
        from dawn.corpora.cut import read_cut

        web = self.settings(corpus)
        listed, rejected = self.listed_clips(web, corpus.seed)
        rows = RejectLog(Path(web.root)).rows
        lost = {clip.name: rows[clip.name] for clip in listed if clip.name in rows}
        clips = []
        for clip in tqdm([c for c in listed if c.name not in lost], desc="clips", unit="clip", mininterval=2):
            file = _cut_file(clip)
            frames = read_cut(Path(web.root) / file).frames
            sha256 = sha256_file(Path(web.root) / file)
            clips.append(Clip(clip.name, clip.identity, clip.split, frames, frames / corpus.fps, file, sha256))
        videos = {clip.video for clip in listed}
        gone = {clip.video for clip in listed if clip.name in lost and lost[clip.name].stage == "fetch"}
        return ClipList(clips, [*rejected, *lost.values()], {"listed": len(videos), "had": len(videos - gone)})

    def source_root(self, corpus: Corpus, folder: Path) -> Path:
        """See :class:`CorpusKind`."""
        return Path(self.settings(corpus).root)

    def write_clip(self, corpus: Corpus, clip: Clip, source: Path, out: Path, find_box: FindBox) -> None:
        """Write a cut as a square clip: the window of the list, or, without one, around the detected face.

        Raises InputError when the cut cannot be read or, without a window, no steady face is detected.
        """
        from dawn.corpora.cut import read_cut, span_audio, span_frames
        from dawn.corpora.video_clips import write_face_cut, write_square

        window = _windows(self, self.settings(corpus), corpus.seed).get(clip.clip)
        if window is None:
            write_face_cut(corpus, clip, source, out, find_box)
            return
        cut = read_cut(source)
        first = next(span_frames(source, cut, corpus.fps), None)
        if first is None:
            raise InputError(f"{clip.source}: no frames of the clip; delete the file and prepare the corpus again")
        x0, y0, x1, y1 = (value * len(first) for value in window)
        audio = span_audio(source, cut, corpus.fps, corpus.sample_rate)
        frames = span_frames(source, cut, corpus.fps)
        write_square(corpus, frames, (x0, y0, x1, y1), first.shape[:2], audio, cut.frames, out)


def fetch_cuts(listed: Sequence[ListedClip], web: WebCorpus, fetching: Fetching, label: str) -> list[Rejected]:
    """Fetch videos and cut the clips to ``cuts`` below the root; returns a row, with the reason, for each clip not cut.

    The same rows are written to ``rejected.csv``. No request is sent when nothing is missing. Raises InputError when
    the disk is too small, and download.Unavailable when videos failed for the moment, after all others were fetched.
    """
    root = Path(web.root)
    with download.locked(root, label):
        for partial in (root / "cuts").glob(".*"):  # of a process that was killed
            partial.unlink()
        rejects = RejectLog(root)
        missing: dict[str, list[ListedClip]] = {}
        for clip in listed:
            if clip.name not in rejects.rows and not (root / _cut_file(clip)).is_file():
                missing.setdefault(clip.video, []).append(clip)
        require_space(root, sum(_cut_bytes(clips, web) for clips in missing.values()), label)
        videos = {clip.video for clip in listed}
        if not fetching.keep:
            _delete_finished(root, videos - set(missing))

        def tasks() -> Iterator[list[Callable[[], None]]]:
            for batch in batches(list(missing.items()), _BATCH * fetching.jobs):
                yield [functools.partial(_cut_video, video, clips, web, fetching, rejects) for video, clips in batch]

        progress = tqdm(total=len(videos), initial=len(videos) - len(missing), desc=label, unit="video", mininterval=2)
        with progress as bar:
            faults = run_batches(tasks(), fetching.jobs, bar.update)
        if faults:
            short = sum(not (root / _cut_file(clip)).is_file() and clip.name not in rejects.rows for clip in listed)
            raise download.Unavailable(
                f"{root}: {short} of {len(listed)} clips are still to come; the first fault: {faults[0]}"
            )
        return [rejects.rows[clip.name] for clip in listed if clip.name in rejects.rows]


@functools.cache
def _windows(kind: WebVideos[Any], web: WebCorpus, seed: int) -> dict[str, Box | None]:
    """Return the window of each clip, by name."""
    listed, _ = kind.listed_clips(web, seed)
    return {clip.name: clip.box for clip in listed}


def _delete_finished(root: Path, videos: Iterable[str]) -> None:
    """Delete what a process that was killed after its last cut, or one that kept videos, left of finished `videos`."""
    for video in sorted(videos):
        folder = root / "videos" / video
        if folder.is_dir():
            shutil.rmtree(folder)
            print(f"{folder}: deleted, since all of its clips are cut", file=sys.stderr)


def _cut_video(video: str, clips: Sequence[ListedClip], web: WebCorpus, fetching: Fetching, rejects: RejectLog) -> None:
    """Fetch one video and cut or reject its clips. Raises download.Unavailable and InputError."""
    from dawn.corpora.cut import cut_span
    from dawn.corpora.ytdlp import fetch_video

    root = Path(web.root)
    folder = root / "videos" / video
    require_space(root, 2 * _cut_bytes(clips, web), video)
    try:
        files = fetch_video(web.watch.format(id=video), folder, web.height, fetching)
    except download.Refused as error:
        rejects.add(Rejected(clip.name, "fetch", str(error)) for clip in clips)
        shutil.rmtree(folder)
    else:
        faults = []
        for clip in clips:
            out = root / _cut_file(clip)
            out.parent.mkdir(exist_ok=True)
            try:
                cut_span(files, clip.start, clip.end, 25, out)
            except InputError as error:
                faults.append(Rejected(clip.name, "cut", str(error)))
        if faults:
            rejects.add(faults)
        if not fetching.keep:
            shutil.rmtree(folder)


def _cut_file(clip: ListedClip) -> str:
    return f"cuts/{clip.name}.mkv"


def _cut_bytes(clips: Sequence[ListedClip], web: WebCorpus) -> float:
    """Estimate the size of the cuts in bytes."""
    return sum(clip.end - clip.start for clip in clips) * _BYTES * (web.height / 1080) ** 2
