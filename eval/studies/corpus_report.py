"""What a prepared corpus is: counts, lengths, how heads move and lids close, whether sound and lips are in step, why
clips fell out, and a picture."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from tqdm import tqdm

from dawn.config import Config
from dawn.corpora.manifest import SPLITS, Clip, read_manifest, read_rejected
from dawn.features.speech import FRAME
from dawn.features.store import Features
from dawn.media.audio import read_audio
from dawn.media.files import atomic_path
from dawn.media.json_files import read_json, write_json
from dawn.media.video import iter_frames
from dawn.paths import Paths
from eval.backbones import syncnet
from eval.extract.lip_windows import lip_embeddings
from eval.extract.mouth_crop import mouth_crops
from eval.metrics import lse
from eval.metrics.blink import blink_rate
from eval.stats.sampling import evenly_spaced

_SHOWN, _ACROSS, _CELL, _LABEL = 40, 8, 128, 16  # clips in the picture and in a row of it; pixels
_HEARD, _LISTENED = 24, 750  # clips whose offset is measured, and frames of each: they are decoded for it
_RANGES = {
    "seconds": "length of a clip, s",
    "yaw": "yaw, degrees",
    "pitch": "pitch, degrees",
    "roll": "roll, degrees",
    "eye_aspect_ratio": "eye aspect ratio",
    "blinks_per_second": "blinks a second of a clip",
    "offset": "offset of the sound, frames (below 0: late)",
}


def report(config: Config, paths: Paths, judge: Path | None, out: Path) -> dict[str, Any]:
    """Write `out` (Markdown) and beside it ``.json`` and the picture ``.png``; returns what is in the JSON file.

    `judge` is a SyncNet trained on the corpus, which hears the offsets of some clips; without one they are left out.
    Raises InputError for a corpus that is not prepared.
    """
    clips = read_manifest(paths.dataset)
    found = summary(config, paths, clips)
    if judge is not None:
        offsets = _offsets(paths, spread(clips, _HEARD), judge)
        if offsets:
            found["offset"] = _range(offsets)
    write_json(out.with_suffix(".json"), found)
    with atomic_path(out.with_suffix(".png")) as aside:
        _contact_sheet(paths, spread(clips, _SHOWN)).save(aside, format="png")
    with atomic_path(out) as aside:
        aside.write_text(_markdown(found, out.with_suffix(".png").name), encoding="utf-8")
    return found


def summary(config: Config, paths: Paths, clips: Sequence[Clip]) -> dict[str, Any]:
    """The numbers of the report; ranges are least, 5 %, median, 95 %, most."""
    rejected = read_rejected(paths.rejected)
    poses, eyes, blinks, unseen = [], [], [], 0
    extractors: Counter[str] = Counter()
    for clip in tqdm(clips, desc="corpus", unit="clip", mininterval=2):
        features = Features.load(paths.features / f"{clip.clip}.safetensors")
        poses.append(features.pose[features.found])
        eyes.append(features.blink[features.found].mean(1))
        blinks.append(blink_rate(features.blink, features.fps))
        unseen += int((~features.found).sum())
        extractors[features.extractor] += 1
    pose = np.concatenate(poses)
    return {
        "corpus": config.corpus.name,
        "clips": len(clips),
        "hours": sum(clip.seconds for clip in clips) / 3600,
        "people": len({clip.identity for clip in clips}),
        "splits": {split: _split([clip for clip in clips if clip.split == split]) for split in SPLITS},
        "listed": read_json(paths.coverage),
        "rejected": len(rejected),
        "reject_reasons": dict(Counter(f"{row.stage}: {kind_of(row.reason)}" for row in rejected).most_common()),
        "interpolated_share": unseen / sum(clip.frames for clip in clips),
        "extractors": dict(extractors),
        "seconds": _range([clip.seconds for clip in clips]),
        "yaw": _range(pose[:, 0]),
        "pitch": _range(pose[:, 1]),
        "roll": _range(pose[:, 2]),
        "eye_aspect_ratio": _range(np.concatenate(eyes)),
        "blinks_per_second": _range(blinks),
    }


def kind_of(reason: str) -> str:
    """A reason without what belongs to one clip: its file, its numbers, and what to do about it."""
    words = reason.split(";")[0]
    _, colon, rest = words.partition(": ")
    return re.sub(r"\d+(\.\d+)?", "N", rest if colon else words)


def spread(clips: Sequence[Clip], count: int) -> list[Clip]:
    """At most `count` clips, everybody's first before anybody's second; of more people, every so many. By split."""
    turns: Counter[str] = Counter()
    ranked: list[tuple[int, int, Clip]] = []
    for clip in clips:
        ranked.append((turns[clip.identity], len(ranked), clip))
        turns[clip.identity] += 1
    ordered = [clip for *_, clip in sorted(ranked, key=lambda entry: entry[:2])]
    if len(turns) > count:
        ordered = evenly_spaced(ordered[: len(turns)], count)
    return sorted(ordered[:count], key=lambda clip: (SPLITS.index(clip.split), clip.identity, clip.clip))


def _split(clips: Sequence[Clip]) -> dict[str, float]:
    hours = sum(clip.seconds for clip in clips) / 3600
    return {"clips": len(clips), "people": len({clip.identity for clip in clips}), "hours": hours}


def _range(values: Sequence[float] | NDArray[Any]) -> dict[str, float]:
    points = np.percentile(values, (0, 5, 50, 95, 100)).tolist()
    return dict(zip(("least", "5 %", "median", "95 %", "most"), points, strict=True))


def _offsets(paths: Paths, clips: Sequence[Clip], judge: Path) -> list[int]:
    """Of each clip that is long enough: frames by which the sound fits the lips best."""
    net = syncnet.load(judge)
    found = []
    for clip in tqdm(clips, desc="offsets", unit="clip", mininterval=2):
        features = Features.load(paths.features / f"{clip.clip}.safetensors")
        video = paths.clips / f"{clip.clip}.mp4"
        frames = np.stack(list(islice(iter_frames(video), _LISTENED)))
        count = len(frames)
        crops = mouth_crops(frames, features.landmarks[:count], features.found[:count], net.side)
        lips, sound = lip_embeddings(net, crops, read_audio(video)[: count * FRAME])
        if len(lips):
            found.append(lse.sync(lips, sound).offset)
    return found


def _markdown(found: dict[str, Any], picture: str) -> str:
    lines = [
        f"# Corpus {found['corpus']}",
        "",
        f"{found['clips']} clips, {found['hours']:.2f} hours, {found['people']} people, {found['rejected']} rejected.",
        "",
        f"![The middle frame of some clips; those of the test split are framed in red]({picture})",
    ]
    splits = [(name, row["clips"], row["people"], f"{row['hours']:.2f}") for name, row in found["splits"].items()]
    lines += _table("Splits", ("split", "clips", "people", "hours"), splits)
    ranges = [
        (words, *(f"{value:.3g}" for value in found[key].values())) for key, words in _RANGES.items() if key in found
    ]
    lines += _table("Ranges", ("", *found["seconds"]), ranges)
    faces = [("frames without a face, interpolated", f"{100 * found['interpolated_share']:.2f} %")]
    faces += [(f"clips measured by {name}", f"{count}") for name, count in found["extractors"].items()]
    lines += _table("Faces", ("what", "value"), faces)
    reasons = list(found["reject_reasons"].items())
    lines += _table("Rejected, by stage and reason; rejected.csv names each", ("reason", "clips"), reasons)
    listed = [(what, row["listed"], row["had"]) for what, row in found["listed"].items() if row]
    lines += _table("Of what is listed", ("what", "listed", "had"), listed)
    return "\n".join(lines) + "\n"


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = ["", f"## {title}", ""]
    if not rows:
        return [*lines, "None."]
    cells = [head, ["---"] * len(head), *rows]
    return lines + ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in cells]


def _contact_sheet(paths: Paths, clips: Sequence[Clip]) -> Image.Image:
    """The middle frame of each clip, its person and split below it; test clips have a red rim."""
    across = min(_ACROSS, len(clips))
    down = -(-len(clips) // across)
    sheet = Image.new("RGB", (across * _CELL, down * (_CELL + _LABEL)), "white")
    draw = ImageDraw.Draw(sheet)
    for place, clip in enumerate(clips):
        left, top = place % across * _CELL, place // across * (_CELL + _LABEL)
        frame = next(islice(iter_frames(paths.clips / f"{clip.clip}.mp4"), (clip.frames - 1) // 2, None))
        small = Image.fromarray(frame).resize((_CELL - 4, _CELL - 4), Image.Resampling.LANCZOS)
        sheet.paste(small, (left + 2, top + 2))
        if clip.split == "test":
            draw.rectangle((left, top, left + _CELL - 1, top + _CELL - 1), outline=(200, 30, 30), width=2)
        draw.text((left + 3, top + _CELL + 2), f"{clip.identity} ({clip.split})"[:20], fill="black")
    return sheet
