"""A span of a video as a file of its own, without loss: its packets are copied, from the key frame before it on.

Where the span begins behind that key frame and how long it is is told by a tag of the file.
"""

from __future__ import annotations

import contextlib
import heapq
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

from dawn.errors import InputError
from dawn.media.audio import read_audio
from dawn.media.files import atomic_path
from dawn.media.streams import open_media, start_time
from dawn.media.video import iter_frames

_TAG = "DAWN_CUT"
_BEFORE = 0.5  # seconds of sound before the first picture: what decoders need to begin well
_BEHIND = 1.0  # seconds of both after the end: pictures are not stored in the order in which they are shown
_SHORT = 1.0  # seconds by which a video may end before the span does: the lists count in whole seconds


@dataclass(frozen=True)
class Cut:
    """What the tag says."""

    lead: float  # seconds from the first picture of the file to the span
    frames: int  # of the span, at 25 a second


def cut(sources: Sequence[Path], start: float, end: float, fps: int, out: Path) -> None:
    """Write the span from second `start` to `end` of a video, whose picture and sound are in one file or in two.

    Seconds count from the first picture. Raises InputError when there is no picture or sound, or the video ends more
    than a second before the span does.
    """
    with contextlib.ExitStack() as stack:
        picture = _first(stack, sources, "video")
        sound = _first(stack, sources, "audio")
        if picture is None or sound is None:
            raise InputError(f"the video has no {'picture' if picture is None else 'sound'}")
        (pictures, video), (sounds, audio) = picture, sound
        origin = start_time(pictures) or 0.0
        kept = _pictures(pictures, video, origin + start, origin + end + _BEHIND)
        shown = sorted(_seconds(packet.pts, packet) for packet in kept)
        spacing = (shown[-1] - shown[0]) / max(1, len(shown) - 1) if shown else 0.0
        last = shown[-1] + spacing - origin if shown else 0.0
        if not shown or end - last > _SHORT or shown[0] > origin + start + 1:
            seconds = float(pictures.duration or 0) / av.time_base
            raise InputError(
                f"the video, of {seconds:.1f} s, has no pictures up to {end:.2f} s: not the video of the list"
            )
        frames = round((min(end, last) - start) * fps)
        tag = Cut(origin + start - shown[0], frames)
        options = {"fflags": "+bitexact"}
        with (
            atomic_path(out) as aside,
            av.open(str(aside), "w", format="matroska", container_options=options) as sink,
        ):
            sink.metadata[_TAG] = json.dumps(asdict(tag))
            targets = {id(video): sink.add_stream_from_template(video), id(audio): sink.add_stream_from_template(audio)}
            heard = _sounds(sounds, audio, shown[0] - _BEFORE, origin + end + _BEHIND)
            for packet in heapq.merge(kept, heard, key=lambda one: _seconds(one.dts, one)):
                packet.stream = targets[id(packet.stream)]
                sink.mux(packet)


def read_cut(path: Path) -> Cut:
    """What the tag of a cut says. Raises InputError when the file is none."""
    with open_media(path, "a cut video") as container:
        text = container.metadata.get(_TAG)
    if text is None:
        raise InputError(f"{path}: not cut by this program; prepare the corpus again")
    return Cut(**json.loads(text))


def pictures(path: Path, span: Cut, fps: int) -> Iterator[NDArray[np.uint8]]:
    """The frames of the span, RGB uint8 (H, W, 3), at `fps`, to half a frame's time."""
    first = round(span.lead * fps)
    return islice(iter_frames(path, fps), first, first + span.frames)


def sound(path: Path, span: Cut, fps: int, sample_rate: int) -> NDArray[np.float32]:
    """The sound of these frames, mono float32 (T,), as :func:`dawn.media.audio.read_audio` gives it."""
    first = round(span.lead * fps) * sample_rate // fps
    return read_audio(path, sample_rate)[first : first + span.frames * sample_rate // fps]


def _first(stack: contextlib.ExitStack, sources: Sequence[Path], kind: str) -> tuple[InputContainer, Stream] | None:
    """The first stream of a kind ("video" or "audio"), in a container of its own."""
    for source in sources:
        container = stack.enter_context(open_media(source, "a video"))
        streams: Sequence[Stream] = getattr(container.streams, kind)
        if streams:
            return container, streams[0]
    return None


def _pictures(container: InputContainer, stream: Stream, start: float, end: float) -> list[Packet]:
    """Packets from the last key frame that is shown at `start` or before, to `end`, on the container's clock."""
    kept: list[Packet] = []
    for early in (0.5, 20.0, start):  # some containers find a key frame behind the place
        container.seek(max(0, round((start - early) * av.time_base)), backward=True)
        kept = []
        for packet in container.demux(stream):
            if packet.pts is None or packet.dts is None:
                continue  # the end
            if packet.is_keyframe and _seconds(packet.pts, packet) <= start:
                kept = []
            if not kept and not packet.is_keyframe:
                continue
            if _seconds(packet.dts, packet) > end:
                break
            # What is shown before its key frame needs pictures before it.
            if not kept or _seconds(packet.pts, packet) >= _seconds(kept[0].pts, kept[0]):
                kept.append(packet)
        if kept and _seconds(kept[0].pts, kept[0]) <= start:
            break
    return kept


def _sounds(container: InputContainer, stream: Stream, start: float, end: float) -> Iterator[Packet]:
    container.seek(max(0, round((start - 1) * av.time_base)), backward=True)
    for packet in container.demux(stream):
        if packet.pts is None or packet.dts is None or _seconds(packet.pts, packet) < start:
            continue
        if _seconds(packet.pts, packet) > end:
            return
        yield packet


def _seconds(stamp: int | None, packet: Packet) -> float:
    assert stamp is not None and packet.time_base is not None
    return float(stamp * packet.time_base)
