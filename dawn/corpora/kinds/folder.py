"""Corpus of the user's videos in a folder: discovery, names, splits, and identities from the path or from the faces.

With ``corpus.folder.cut_seconds``, videos are cut into parts in ``data/<corpus>/cuts``, and each part is a clip.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from dawn.config import Corpus
from dawn.corpora.manifest import Clip, Rejected
from dawn.corpora.registry import ClipList, ClusterFaces, CorpusKind
from dawn.corpora.rejections import frequent_reasons
from dawn.corpora.splits import check_names, hold_out, read_test_list
from dawn.errors import InputError
from dawn.fingerprint import fingerprint
from dawn.media.files import require_space, sha256_file

if TYPE_CHECKING:
    from dawn.media.framing import FindBox

SUFFIXES = frozenset((".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".flv", ".wmv", ".mts", ".ogv"))
SOUND_SUFFIXES = (".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".opus", ".aiff", ".aif", ".wma")
_LONGEST_NAME = 120  # characters of a clip's name: file systems allow 255 with suffixes


_IDENTITY_REMEDY = (
    "write one that does, such as '^(?P<identity>[^_]+)_' for ann_1.mp4, or find the people by their faces with "
    "corpus.folder.people: faces"
)


@dataclass(frozen=True)
class _Video:
    """A usable video of the folder, or a part of one."""

    name: str  # of its clip
    names: frozenset[str]  # by which a test list may name it
    path: Path
    identity: str
    frames: int
    sha256: str  # with that of its sound, if this is a separate file


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
        if not self.clusters_faces(corpus):
            _check_identity(expression, root, paths)
        names = clip_names([path.relative_to(root) for path in paths])
        test_names = read_test_list(corpus.folder.test_list)
        known = [*names, *(path.stem for path in paths)]
        cuts = corpus.folder.cut_seconds is not None
        if test_names is not None and not cuts:
            check_names(test_names, known, corpus.folder.test_list, str(root))
        sources = self.source_root(corpus, folder)
        if cuts:
            shutil.rmtree(sources, ignore_errors=True)  # of other videos or another length
            size = sum(path.stat().st_size for path in paths)
            require_space(folder, size, f"cutting {len(paths)} videos")
            sources.mkdir(parents=True)
        paths_of = dict(zip(names, paths, strict=True))
        videos, rejected = _usable_videos(corpus, root, paths_of, expression, sources)
        if test_names is not None and cuts:
            known += [name for video in videos for name in video.names]
            check_names(test_names, known, corpus.folder.test_list, str(root))
        if self.clusters_faces(corpus):
            videos, without_face = _identify_by_face(videos, cluster_faces)
            rejected += without_face
        if not videos:
            raise InputError(
                f"{root}: no usable video; reasons: {frequent_reasons(rejected)}; the first: {rejected[0].reason}"
            )
        if test_names is not None and not any(video.names & test_names for video in videos):
            listed_names = {name for name in names if {name, paths_of[name].stem} & test_names}
            unusable = next((row for row in rejected if {row.clip, _video_of(row.clip)} & listed_names), rejected[0])
            raise InputError(
                f"{corpus.folder.test_list}: none of its videos can be used, such as {unusable.clip}: {unusable.reason}"
            )
        held_out = hold_out({video.identity for video in videos}, corpus.folder.test_fraction, corpus.seed)
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

        if corpus.folder.cut_seconds is not None:
            write_face_cut(corpus, clip, source, out, find_box)
            return
        write_face_clip(corpus, clip, source, out, find_box, _separate_sound(source, clip.source))

    def source_hash(self, source: Path) -> str:
        """Return the SHA-256 of a video; of one with a separate sound, that of the hashes of both."""
        return _hash(source, _separate_sound(source, source.name))

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
            sound = _separate_sound(path, below)
            remedy = f"give a video with speech, or its sound as {path.stem}.wav in the same folder"
            frames = count_frames(path, below, corpus.fps, corpus.folder.min_seconds, sound, remedy)
        except InputError as error:
            rejected.append(Rejected(name, "corpus", str(error)))
            continue
        names = frozenset((name, path.stem))
        try:
            if corpus.folder.cut_seconds is None:
                parts = [_Video(name, names, path, identity, frames, _hash(path, sound))]
            else:
                video = _Video(name, names, path, identity, frames, "")
                parts = list(_parts(corpus, video, sound, sources))
        except InputError as error:
            rejected.append(Rejected(name, "cut", f"{below}: {error}"))
        else:
            videos += parts
    return videos, rejected


def _parts(corpus: Corpus, video: _Video, sound: Path | None, folder: Path) -> Iterator[_Video]:
    """Cut a video and its separate `sound` into equal parts of at most ``cut_seconds``, losslessly, and yield them."""
    from dawn.corpora.cut import cut_span, read_cut

    assert corpus.folder.cut_seconds is not None
    count = math.ceil(video.frames / (corpus.folder.cut_seconds * corpus.fps))
    bounds = [video.frames * part // count / corpus.fps for part in range(count + 1)]
    for part, (start, end) in enumerate(itertools.pairwise(bounds)):
        name = f"{video.name}-{part:04d}"
        out = folder / f"{name}.mkv"
        cut_span([video.path, sound] if sound else [video.path], start, end, corpus.fps, out)
        part_names = video.names | {f"{whole}-{part:04d}" for whole in video.names}
        frames, sha256 = read_cut(out).frames, sha256_file(out)
        yield replace(video, name=name, names=part_names, path=out, frames=frames, sha256=sha256)


def _separate_sound(video: Path, name: str) -> Path | None:
    """Return the sound file of a silent video: same folder and name, another suffix.

    None for a video with sound, or without such a file. Raises InputError, naming the video `name`, when it cannot be
    opened, or when there are several such files.
    """
    from dawn.media.video import has_sound

    if has_sound(video):
        return None
    places = [video.with_suffix(spelling) for suffix in SOUND_SUFFIXES for spelling in (suffix, suffix.upper())]
    # By inode: file systems that ignore case find a file under both spellings.
    files = {(place.stat().st_dev, place.stat().st_ino): place for place in reversed(places) if place.is_file()}
    if len(files) > 1:
        beside = ", ".join(sorted(place.name for place in files.values()))
        raise InputError(f"{name}: has no sound, and several sound files of its name; keep one of {beside}")
    return next(iter(files.values()), None)


def _video_of(clip: str) -> str:
    """Return the name of the video that a clip is, or is a part of."""
    return re.sub(r"-\d{4}$", "", clip)


def _hash(video: Path, sound: Path | None) -> str:
    if sound is None:
        return sha256_file(video)
    return fingerprint([sha256_file(video), sha256_file(sound)])


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
        raise InputError(
            f"{below}: corpus.folder.identity = {expression.pattern!r} does not match this path; {_IDENTITY_REMEDY}"
        )
    return match["identity"]


def _check_identity(expression: re.Pattern[str], root: Path, paths: Sequence[Path]) -> None:
    """Raise InputError unless the expression finds an identity in the path of a video at least."""
    belows = [path.relative_to(root).as_posix() for path in paths]
    if not any((match := expression.search(below)) and match["identity"] for below in belows):
        raise InputError(
            f"{root}: no usable video: corpus.folder.identity = {expression.pattern!r} matches none of {len(belows)} "
            f"paths, such as {belows[0]!r}; {_IDENTITY_REMEDY}"
        )


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
        raise InputError(
            f"corpus.folder.identity: {expression!r} has no group (?P<identity>...); add it, as in "
            "'^(?P<identity>[^/]+)/', or set corpus.folder.people: faces"
        )
    return pattern


def clip_names(paths: Sequence[Path]) -> list[str]:
    """Derive file-safe clip names from the paths of videos below the root, each from its own path: ``ann/1.mp4`` is
    ``ann_1``.

    A name ends with a hash of the path where it would not identify the video: letters without an ASCII equivalent are
    lost, it is long, or other videos have the same one, regardless of case. An added video thus renames at most the one
    whose name it shares.
    """
    plain = [re.sub(r"[^A-Za-z0-9._-]+", "_", path.with_suffix("").as_posix()).strip("._-") or "clip" for path in paths]
    same = Counter(name.casefold() for name in plain)
    names = []
    for path, name in zip(paths, plain, strict=True):
        lossy = any(letter.isalnum() and not letter.isascii() for letter in path.with_suffix("").as_posix())
        if lossy or len(name) > _LONGEST_NAME or same[name.casefold()] > 1:
            name = f"{name[:_LONGEST_NAME]}-{hashlib.sha256(path.as_posix().encode()).hexdigest()[:8]}"
        names.append(name)
    return names
