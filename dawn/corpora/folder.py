"""A corpus of videos that a person already has: found, named, split, and cropped around the face."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dawn.config import Corpus
from dawn.corpora.manifest import Clip, Rejected
from dawn.errors import InputError
from dawn.media.audio import read_audio
from dawn.media.files import sha256_file
from dawn.media.video import iter_frames, probe, write_video
from dawn.seeds import ranking_key

Box = tuple[float, float, float, float]
FindBox = Callable[[NDArray[np.uint8]], Box | None]
# Videos with their SHA-256 -> who each shows, or why that cannot be told.
Recognise = Callable[[Sequence[tuple[Path, str]]], Sequence[int | str]]

SUFFIXES = frozenset((".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".flv", ".wmv", ".mts", ".ogv"))
FACE_HEIGHT = 0.58  # landmark box, brows to chin, in frame sides
FACE_CENTRE = (0.5, 0.56)
_EVERY = 5  # the face is looked for in every fifth frame
_MIN_SHARE = 0.5  # of these frames must show a face


def prepare(corpus: Corpus, recognise: Recognise | None = None) -> tuple[list[Clip], list[Rejected]]:
    """Clips and rejects of all videos below `corpus.folder.root`, ordered by path.

    `recognise` tells people apart where the configuration asks for their faces. Raises InputError when the folder, the
    test list or the identity expression cannot be used.
    """
    root = Path(corpus.folder.root)
    videos = _find(root)
    identity = _identity(corpus.folder.identity)
    tests = read_test_list(corpus.folder.test_list)
    names = _unique_names([video.relative_to(root) for video in videos])
    rejected: list[Rejected] = []
    kept: list[tuple[str, str, Path, int]] = []
    for video, name in tqdm(list(zip(videos, names, strict=True)), desc="videos", unit="video", mininterval=2):
        below = video.relative_to(root).as_posix()
        try:
            who = "" if corpus.folder.people == "faces" else _told_by(identity, below)
            frames = count_frames(video, below, corpus.fps, corpus.folder.min_seconds)
            kept.append((name, who, video, frames))
        except InputError as error:
            rejected.append(Rejected(name, "corpus", str(error)))
    hashes = {video: sha256_file(video) for _, _, video, _ in kept}
    if corpus.folder.people == "faces":
        assert recognise is not None
        found = recognise([(video, hashes[video]) for _, _, video, _ in kept])
        told: list[tuple[int, tuple[str, str, Path, int]]] = []
        for row, seen in zip(kept, found, strict=True):
            if isinstance(seen, str):
                rejected.append(Rejected(row[0], "corpus", seen))
            else:
                told.append((seen, row))
        # Called after one of their videos, so that another video moves neither names nor the split of other people.
        called: dict[int, str] = {}
        for person, (_, _, video, _) in told:
            called[person] = min(called.get(person, "g"), hashes[video][:12])
        kept = [(name, f"person-{called[person]}", video, frames) for person, (name, _, video, frames) in told]
    if not kept:
        reason = rejected[0].reason if rejected else "it holds none"
        raise InputError(f"{root}: no usable video; the first fault: {reason}")
    held_out = hold_out(sorted({who for _, who, _, _ in kept}), corpus.folder.test_fraction, corpus.seed)
    if tests is not None:
        unknown = tests - {video.stem for video in videos} - set(names)
        if unknown:
            raise InputError(f"{corpus.folder.test_list}: no video is called {sorted(unknown)[0]!r}; mend the list")
    clips = []
    for name, who, video, frames in kept:
        test = who in held_out if tests is None else bool({name, video.stem} & tests)
        below = video.relative_to(root).as_posix()
        split = "test" if test else "train"
        clips.append(Clip(name, who, split, frames, frames / corpus.fps, below, hashes[video]))
    return clips, rejected


def _told_by(identity: re.Pattern[str], below: str) -> str:
    match = identity.search(below)
    if match is None or not match["identity"]:
        raise InputError(f"{below}: corpus.folder.identity = {identity.pattern!r} does not match; mend it")
    return match["identity"]


def count_frames(video: Path, below: str, fps: int, min_seconds: float = 0) -> int:
    """Frames that a video gives at `fps`. Raises InputError, naming it `below`, when it is no clip to learn from."""
    info = probe(video)
    if not info.has_audio:
        raise InputError(f"{below}: has no sound; give a video with speech")
    if info.seconds < min_seconds:
        raise InputError(f"{below}: {info.seconds:.2f} s, shorter than min_seconds = {min_seconds}")
    return max(1, round(info.seconds * fps))


def make_clip(corpus: Corpus, clip: Clip, source: Path, out: Path, find_box: FindBox) -> None:
    """Write video `source` as a square clip around the face at 25 fps with 16 kHz mono speech.

    `find_box` gives the box of the 68 landmarks (x0, y0, x1, y1 in pixels of the frame), or None. Raises InputError
    when no steady face is found or the sound cannot be read.
    """

    def frames() -> Iterator[NDArray[np.uint8]]:
        return iter_frames(source, corpus.fps)

    box, shape, count = box_of_face(frames(), find_box, clip.source)
    write_square(corpus, frames(), box, shape, read_audio(source, corpus.sample_rate), count, out)


def box_of_face(frames: Iterator[NDArray[np.uint8]], find_box: FindBox, name: str) -> tuple[Box, tuple[int, ...], int]:
    """The square around a face in a clip's frames; the last frame's height and width; how many frames there are.

    Raises InputError, naming the clip `name`, when no steady face is found.
    """
    boxes: list[Box | None] = []
    count = 0
    shape: tuple[int, ...] = (0, 0)
    for frame in frames:
        if count % _EVERY == 0:
            boxes.append(find_box(frame))
        count += 1
        shape = frame.shape[:2]
    found = np.array([box for box in boxes if box is not None], float)
    if len(found) < max(1, _MIN_SHARE * len(boxes)):
        raise InputError(f"{name}: a face in {len(found)} of {len(boxes)} frames looked at; give a clearer video")
    return crop_box(found), shape, count


def write_square(
    corpus: Corpus,
    frames: Iterator[NDArray[np.uint8]],
    box: Box,
    shape: tuple[int, ...],
    audio: NDArray[np.float32],
    count: int,
    out: Path,
) -> None:
    """Write the square `box` of `count` frames, brought to `shape` (height, width) first, with their sound."""
    audio = np.pad(audio, (0, max(0, count * corpus.sample_rate // corpus.fps - len(audio))))
    squares = _cropped(frames, box, corpus.resolution, shape)
    write_video(out, squares, fps=corpus.fps, audio=audio, sample_rate=corpus.sample_rate)


def crop_box(boxes: NDArray[np.float64]) -> Box:
    """One square (x0, y0, x1, y1) for a whole clip from its landmark boxes (n, 4).

    The median box is `FACE_HEIGHT` of the square's side high and lies at `FACE_CENTRE`. A head that wanders widens the
    square until the box of every frame, outliers aside, is inside.
    """
    x0, y0, x1, y1 = np.median(boxes, axis=0)
    side = (y1 - y0) / FACE_HEIGHT
    if not side > 0:
        raise InputError(f"the face boxes have no height (median {y1 - y0:.1f} pixels); give a clearer video")
    centre_x, centre_y = (x0 + x1) / 2, (y0 + y1) / 2
    left, top = np.percentile(boxes[:, :2], 5, axis=0)
    right, bottom = np.percentile(boxes[:, 2:], 95, axis=0)
    across, down = FACE_CENTRE
    side = max(
        side,
        (centre_x - left) / across,
        (right - centre_x) / (1 - across),
        (centre_y - top) / down,
        (bottom - centre_y) / (1 - down),
    )
    corner_x, corner_y = centre_x - across * side, centre_y - down * side
    return float(corner_x), float(corner_y), float(corner_x + side), float(corner_y + side)


def crop(frame: NDArray[np.uint8], box: Box, side: int) -> NDArray[np.uint8]:
    """The square `box` of a frame (H, W, 3) at `side` pixels; what lies outside the frame repeats its edge."""
    x0, y0, x1, y1 = (round(value) for value in box)
    x1, y1 = max(x1, x0 + 2), max(y1, y0 + 2)
    height, width = frame.shape[:2]
    inside = frame[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    if not inside.size:
        raise InputError("the crop lies outside the frame; give a video that shows the face")
    padded = cv2.copyMakeBorder(
        inside, max(-y0, 0), max(y1 - height, 0), max(-x0, 0), max(x1 - width, 0), cv2.BORDER_REPLICATE
    )
    method = cv2.INTER_AREA if padded.shape[0] >= side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(padded, (side, side), interpolation=method), np.uint8)


def _cropped(
    frames: Iterator[NDArray[np.uint8]], box: Box, side: int, shape: tuple[int, ...]
) -> Iterator[NDArray[np.uint8]]:
    for frame in frames:
        if frame.shape[:2] != shape:
            frame = np.asarray(cv2.resize(frame, (shape[1], shape[0])), np.uint8)
        yield crop(frame, box, side)


def _find(root: Path) -> list[Path]:
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


def _identity(expression: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise InputError(f"corpus.folder.identity: {expression!r} is not a regular expression ({error})") from None
    if "identity" not in pattern.groupindex:
        raise InputError(f"corpus.folder.identity: {expression!r} has no group (?P<identity>...); add it")
    return pattern


def read_test_list(path: str | None) -> set[str] | None:
    """Names, one a line, without remarks; None for no list. Raises InputError when it cannot be read."""
    if path is None:
        return None
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the test list cannot be read ({error.__class__.__name__})") from None
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def _unique_names(paths: list[Path]) -> list[str]:
    """File-safe clip names, the stem where it is unique, else with the folders before it."""
    safe = [re.sub(r"[^A-Za-z0-9._-]+", "_", path.stem).strip("._-") or "clip" for path in paths]
    long = [re.sub(r"[^A-Za-z0-9._-]+", "_", path.with_suffix("").as_posix()).strip("._-") or "clip" for path in paths]
    names: list[str] = []
    taken: set[str] = set()
    folded = [name.casefold() for name in safe]
    for short, full, fold in zip(safe, long, folded, strict=True):
        name = base = short if folded.count(fold) == 1 else full
        number = 2
        while name.casefold() in taken:
            name, number = f"{base}-{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def hold_out(identities: list[str], fraction: float, seed: int) -> set[str]:
    """A share of the identities, chosen by a hash of seed and name so that new people do not move old ones far."""
    ranked = sorted(identities, key=lambda name: ranking_key(seed, name))
    count = round(fraction * len(identities))
    if fraction > 0 and len(identities) > 1:
        count = min(max(count, 1), len(identities) - 1)
    return set(ranked[:count])
