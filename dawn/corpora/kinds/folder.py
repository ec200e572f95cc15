"""Corpus of the user's videos in a folder: discovery, names, splits, and identities from the path or from the faces.

With ``corpus.folder.cut_seconds``, videos are cut into parts in ``data/<corpus>/cuts``, and each part is a clip.
"""

from __future__ import annotations

import itertools
import math
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from dawn.config import Corpus
from dawn.corpora.manifest import Clip, Rejected
from dawn.corpora.registry import ClipList, ClusterFaces, CorpusKind
from dawn.corpora.splits import hold_out, read_test_list
from dawn.errors import InputError
from dawn.media.files import require_space, sha256_file

if TYPE_CHECKING:
    from dawn.media.framing import FindBox

SUFFIXES = frozenset((".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".flv", ".wmv", ".mts", ".ogv"))


@dataclass(frozen=True)
class _Video:
    """A usable video of the folder, or a part of one."""

    name: str  # of its clip
    names: frozenset[str]  # by which a test list may name it
    path: Path
    identity: str
    frames: int
    sha256: str


class Folder(CorpusKind):
    """All videos below ``corpus.folder.root``."""

    def credit(self, corpus: Corpus) -> str:
        """See :class:`CorpusKind`."""
        return f"Videos below {corpus.folder.root}, supplied by the user; their terms are those of their publishers"

    def clips(self, corpus: Corpus, folder: Path, cluster_faces: ClusterFaces) -> ClipList:
        """List clips and rejects of all videos, ordered by path; cut the videos first where the configuration does.

        Raises InputError when the root, the test list or the identity expression cannot be used, or the disk is too
        small.
        """
        root = Path(corpus.folder.root)
        paths = _find_videos(root)
        expression = _compile_identity(corpus.folder.identity)
        test_names = read_test_list(corpus.folder.test_list)
        names = _unique_names([path.relative_to(root) for path in paths])
        sources = self.source_root(corpus, folder)
        if corpus.folder.cut_seconds is not None:
            shutil.rmtree(sources, ignore_errors=True)  # of other videos or another length
            size = sum(path.stat().st_size for path in paths)
            require_space(folder, size, f"cutting {len(paths)} videos")
            sources.mkdir(parents=True)
        videos, rejected = _usable_videos(corpus, root, dict(zip(names, paths, strict=True)), expression, sources)
        if self.clusters_faces(corpus):
            videos, without_face = _identify_by_face(videos, cluster_faces)
            rejected += without_face
        if not videos:
            reason = rejected[0].reason if rejected else "it holds none"
            raise InputError(f"{root}: no usable video; the first fault: {reason}")
        held_out = hold_out({video.identity for video in videos}, corpus.folder.test_fraction, corpus.seed)
        if test_names is not None:
            known = frozenset[str]().union(*(video.names for video in videos))
            unknown = test_names - {path.stem for path in paths} - set(names) - known
            if unknown:
                raise InputError(f"{corpus.folder.test_list}: no video is called {sorted(unknown)[0]!r}; mend the list")
        clips = []
        for video in videos:
            listed = video.identity in held_out if test_names is None else video.names & test_names
            source = video.path.relative_to(sources).as_posix()
            split, seconds = "test" if listed else "train", video.frames / corpus.fps
            clips.append(Clip(video.name, video.identity, split, video.frames, seconds, source, video.sha256))
        return ClipList(clips, rejected)

    def source_root(self, corpus: Corpus, folder: Path) -> Path:
        """See :class:`CorpusKind`."""
        return Path(corpus.folder.root) if corpus.folder.cut_seconds is None else folder / "cuts"

    def write_clip(self, corpus: Corpus, clip: Clip, source: Path, out: Path, find_box: FindBox) -> None:
        """See :class:`CorpusKind`."""
        from dawn.corpora.video_clips import write_face_clip, write_face_cut

        write = write_face_clip if corpus.folder.cut_seconds is None else write_face_cut
        write(corpus, clip, source, out, find_box)

    def clusters_faces(self, corpus: Corpus) -> bool:
        """See :class:`CorpusKind`."""
        return corpus.folder.people == "faces"


CORPUS = Folder()


def _usable_videos(
    corpus: Corpus, root: Path, paths: dict[str, Path], expression: re.Pattern[str], sources: Path
) -> tuple[list[_Video], list[Rejected]]:
    """Probe, cut where the configuration does, and hash videos, given by clip name; returns usable and rejected ones.

    `sources` is the folder of the parts. Identities that come from faces are left empty.
    """
    from dawn.corpora.video_clips import count_frames

    videos: list[_Video] = []
    rejected: list[Rejected] = []
    for name, path in tqdm(paths.items(), desc="videos", unit="video", mininterval=2):
        below = path.relative_to(root).as_posix()
        try:
            identity = "" if corpus.folder.people == "faces" else _identity_in_path(expression, below)
            frames = count_frames(path, below, corpus.fps, corpus.folder.min_seconds)
        except InputError as error:
            rejected.append(Rejected(name, "corpus", str(error)))
            continue
        video = _Video(name, frozenset((name, path.stem)), path, identity, frames, "")
        try:
            parts = [video] if corpus.folder.cut_seconds is None else list(_parts(corpus, video, sources))
        except InputError as error:
            rejected.append(Rejected(name, "cut", f"{below}: {error}"))
        else:
            videos += [replace(part, sha256=sha256_file(part.path)) for part in parts]
    return videos, rejected


def _parts(corpus: Corpus, video: _Video, folder: Path) -> Iterator[_Video]:
    """Cut a video into equal parts of at most ``cut_seconds``, losslessly, and yield them."""
    from dawn.corpora.cut import cut_span, read_cut

    assert corpus.folder.cut_seconds is not None
    count = math.ceil(video.frames / (corpus.folder.cut_seconds * corpus.fps))
    bounds = [video.frames * part // count / corpus.fps for part in range(count + 1)]
    for part, (start, end) in enumerate(itertools.pairwise(bounds)):
        name = f"{video.name}-{part:04d}"
        out = folder / f"{name}.mkv"
        cut_span([video.path], start, end, corpus.fps, out)
        yield replace(video, name=name, names=video.names | {name}, path=out, frames=read_cut(out).frames)


def _identify_by_face(videos: Sequence[_Video], cluster_faces: ClusterFaces) -> tuple[list[_Video], list[Rejected]]:
    """Assign an identity to each cluster of faces; videos without a face are rejected.

    An identity is named after the lowest hash of its videos, so that an additional video changes neither the names nor
    the split of other people.
    """
    clusters = cluster_faces([(video.path, video.sha256) for video in videos])
    rejected = [
        Rejected(video.name, "corpus", cluster)
        for video, cluster in zip(videos, clusters, strict=True)
        if isinstance(cluster, str)
    ]
    clustered = [
        (video, cluster) for video, cluster in zip(videos, clusters, strict=True) if not isinstance(cluster, str)
    ]
    lowest: dict[int, str] = {}
    for video, cluster in clustered:
        lowest[cluster] = min(lowest.get(cluster, "g"), video.sha256[:12])  # "g" follows every hexadecimal digit
    return [replace(video, identity=f"person-{lowest[cluster]}") for video, cluster in clustered], rejected


def _identity_in_path(expression: re.Pattern[str], below: str) -> str:
    match = expression.search(below)
    if match is None or not match["identity"]:
        raise InputError(f"{below}: corpus.folder.identity = {expression.pattern!r} does not match; mend it")
    return match["identity"]


def _find_videos(root: Path) -> list[Path]:
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; set corpus.folder.root to the folder of your videos")
    videos = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
    if not videos:
        raise InputError(f"{root}: holds no videos ({', '.join(sorted(SUFFIXES))}); set corpus.folder.root")
    return videos


def _compile_identity(expression: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise InputError(f"corpus.folder.identity: {expression!r} is not a regular expression ({error})") from None
    if "identity" not in pattern.groupindex:
        raise InputError(f"corpus.folder.identity: {expression!r} has no group (?P<identity>...); add it")
    return pattern


def _unique_names(paths: Sequence[Path]) -> list[str]:
    """Derive file-safe clip names: the stem where it is unique regardless of case, else with its parent folders."""
    stems = [re.sub(r"[^A-Za-z0-9._-]+", "_", path.stem).strip("._-") or "clip" for path in paths]
    full = [re.sub(r"[^A-Za-z0-9._-]+", "_", path.with_suffix("").as_posix()).strip("._-") or "clip" for path in paths]
    names: list[str] = []
    taken: set[str] = set()
    folded = [stem.casefold() for stem in stems]
    for stem, long, fold in zip(stems, full, folded, strict=True):
        name = base = stem if folded.count(fold) == 1 else long
        number = 2
        while name.casefold() in taken:
            name, number = f"{base}-{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names
