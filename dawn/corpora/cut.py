"""Lossless cutting of a span from a video: packets are copied, starting with the key frame before the span.

A metadata tag of the cut file states the offset of the span after that key frame, and its length.
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
_AUDIO_LEAD = 0.5  # seconds of sound before the first frame, which decoders need to start well
_TAIL = 1.0  # seconds of picture and sound after the end: packets are not stored in the order of presentation
_TOLERANCE = 1.0  # seconds by which a video may end before the span does: the lists state whole seconds


@dataclass(frozen=True)
class Cut:
    """Contents of the metadata tag."""

    lead: float  # seconds from the first frame of the file to the span
    frames: int  # length of the span, at the `fps` of :func:`cut_span`


def cut_span(sources: Sequence[Path], start: float, end: float, fps: int, out: Path) -> None:
    """Write the span from second `start` to `end` of a video to `out` (Matroska) without re-encoding.

    `sources` is one file with picture and sound, or one file for each. Seconds count from the first frame. Raises
    InputError when there is no picture or no sound, or the video ends more than a second before the span does.
    """
    with contextlib.ExitStack() as stack:
        picture = _first_stream(stack, sources, "video")
        sound = _first_stream(stack, sources, "audio")
        if picture is None or sound is None:
            raise InputError(f"the video has no {'picture' if picture is None else 'sound'}")
        (video_file, video), (audio_file, audio) = picture, sound
        origin = start_time(video_file) or 0.0
        packets = _video_packets(video_file, video, origin + start, origin + end + _TAIL)
        times = sorted(_seconds(packet.pts, packet) for packet in packets)
        spacing = (times[-1] - times[0]) / max(1, len(times) - 1) if times else 0.0
        shown = [_seconds(packet.pts, packet) for packet in packets if not packet.is_discard]  # not after an edit
        last = max(shown) + spacing - origin if shown else 0.0
        if not times or end - last > _TOLERANCE or times[0] > origin + start + 1:
            seconds = float(video_file.duration or 0) / av.time_base
            raise InputError(
                f"the video, of {seconds:.1f} s, has no frames up to {end:.2f} s: not the video of the list"
            )
        frames = round((min(end, last) - start) * fps)
        tag = Cut(origin + start - times[0], frames)
        options = {"fflags": "+bitexact"}
        with (
            atomic_path(out) as aside,
            av.open(str(aside), "w", format="matroska", container_options=options) as sink,
        ):
            sink.metadata[_TAG] = json.dumps(asdict(tag))
            targets = {id(video): sink.add_stream_from_template(video), id(audio): sink.add_stream_from_template(audio)}
            audio_packets = _audio_packets(audio_file, audio, times[0] - _AUDIO_LEAD, origin + end + _TAIL)
            for packet in heapq.merge(packets, audio_packets, key=lambda packet: _seconds(packet.dts, packet)):
                packet.stream = targets[id(packet.stream)]
                sink.mux(packet)


def read_cut(path: Path) -> Cut:
    """Read the tag of a cut file. Raises InputError when the file has none."""
    with open_media(path, "a cut video") as container:
        text = container.metadata.get(_TAG)
    if text is None:
        raise InputError(f"{path}: not cut by this program; prepare the corpus again")
    return Cut(**json.loads(text))


def span_frames(path: Path, cut: Cut, fps: int) -> Iterator[NDArray[np.uint8]]:
    """Decode the frames of the span, RGB uint8 (H, W, 3), at `fps`; their times are exact to half a frame."""
    first = round(cut.lead * fps)
    return islice(iter_frames(path, fps), first, first + cut.frames)


def span_audio(path: Path, cut: Cut, fps: int, sample_rate: int) -> NDArray[np.float32]:
    """Decode the sound of the span's frames, mono float32 (T,), as :func:`dawn.media.audio.read_audio` does."""
    first = round(cut.lead * fps) * sample_rate // fps
    return read_audio(path, sample_rate)[first : first + cut.frames * sample_rate // fps]


def _first_stream(
    stack: contextlib.ExitStack, sources: Sequence[Path], medium: str
) -> tuple[InputContainer, Stream] | None:
    """Open the first stream of a medium ("video" or "audio") in `sources`, in a separate container.

    Returns None when no source has such a stream.
    """
    for source in sources:
        container = stack.enter_context(open_media(source, "a video"))
        streams: Sequence[Stream] = getattr(container.streams, medium)
        if streams:
            return container, streams[0]
    return None


def _video_packets(container: InputContainer, stream: Stream, start: float, end: float) -> list[Packet]:
    """Collect packets from the last key frame at or before `start` up to `end`, seconds of the container's clock."""
    packets: list[Packet] = []
    for margin in (0.5, 20.0, start):  # some containers seek to a key frame after the requested time
        container.seek(max(0, round((start - margin) * av.time_base)), backward=True)
        packets = []
        for packet in container.demux(stream):
            if packet.pts is None or packet.dts is None:
                continue  # the flushing packet at the end
            if packet.is_keyframe and _seconds(packet.pts, packet) <= start:
                packets = []
            if not packets and not packet.is_keyframe:
                continue
            if _seconds(packet.dts, packet) > end:
                break
            # A frame that is presented before its key frame depends on frames before it.
            if not packets or _seconds(packet.pts, packet) >= _seconds(packets[0].pts, packets[0]):
                packets.append(packet)
        if packets and _seconds(packets[0].pts, packets[0]) <= start:
            break
    return packets


def _audio_packets(container: InputContainer, stream: Stream, start: float, end: float) -> Iterator[Packet]:
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
