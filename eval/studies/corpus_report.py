"""Report on a prepared corpus: counts, ranges of motion, audio-video offsets, rejected clips, a contact sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from tabulate import tabulate
from tqdm import tqdm

from dawn.config import Config
from dawn.corpora.manifest import SPLITS, Clip, read_manifest, read_rejected
from dawn.corpora.rejections import general_reason
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

_SHEET_CLIPS, _SHEET_COLUMNS = 40, 8  # of the contact sheet
_CELL, _LABEL = 128, 16  # pixels of a cell, and of the label below it
_OFFSET_CLIPS, _OFFSET_FRAMES = 24, 750  # clips whose offset is measured, and frames decoded of each
_PERCENTILES = {"least": 0, "5 %": 5, "median": 50, "95 %": 95, "most": 100}
_RANGES = {
    "seconds": "clip length, s",
    "yaw": "yaw, degrees",
    "pitch": "pitch, degrees",
    "roll": "roll, degrees",
    "eye_aspect_ratio": "eye aspect ratio",
    "blinks_per_second": "blinks per second of a clip",
    "offset": "audio offset, frames (negative: late)",
}


def report(config: Config, paths: Paths, syncnet_weights: Path | None, out: Path) -> dict[str, Any]:
    """Write `out` (Markdown), its data as ``.json`` and a contact sheet as ``.png``; returns the data.

    syncnet_weights: a SyncNet trained on the corpus, for the audio offsets; without it the report states how to train
    one. Raises InputError for a corpus that is not prepared.
    """
    clips = read_manifest(paths.dataset)
    net = None if syncnet_weights is None else syncnet.load(syncnet_weights)
    data = summary(config, paths, clips)
    if net is not None:
        offsets = _offsets(paths, select_clips(clips, _OFFSET_CLIPS), net)
        data["offset_clips"], data["syncnet"] = len(offsets), str(syncnet_weights)
        if offsets:
            data["offset"] = _range(offsets)
    write_json(out.with_suffix(".json"), data)
    with atomic_path(out.with_suffix(".png")) as aside:
        _contact_sheet(paths, select_clips(clips, _SHEET_CLIPS)).save(aside, format="png")
    with atomic_path(out) as aside:
        aside.write_text(_markdown(data, out.with_suffix(".png").name, _offset_note(config, data)), encoding="utf-8")
    return data


def summary(config: Config, paths: Paths, clips: Sequence[Clip]) -> dict[str, Any]:
    """Compute the data of the report: counts, and ranges as minimum, 5 %, median, 95 % and maximum."""
    rejected = read_rejected(paths.rejected)
    poses, eyes, blinks, undetected = [], [], [], 0
    extractors: Counter[str] = Counter()
    for clip in tqdm(clips, desc="corpus", unit="clip", mininterval=2):
        features = Features.load(paths.clip_features(clip.clip))
        poses.append(features.pose[features.found])
        eyes.append(features.blink[features.found].mean(1))
        blinks.append(blink_rate(features.blink, features.fps))
        undetected += int((~features.found).sum())
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
        "reject_reasons": dict(Counter(f"{row.stage}: {general_reason(row.reason)}" for row in rejected).most_common()),
        "interpolated_share": undetected / sum(clip.frames for clip in clips),
        "extractors": dict(extractors),
        "seconds": _range([clip.seconds for clip in clips]),
        "yaw": _range(pose[:, 0]),
        "pitch": _range(pose[:, 1]),
        "roll": _range(pose[:, 2]),
        "eye_aspect_ratio": _range(np.concatenate(eyes)),
        "blinks_per_second": _range(blinks),
    }


def select_clips(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Select at most `count` clips, the first clip of every person before any second one; sorted by split and person.

    With more than `count` people, the first clips of evenly spaced people are selected.
    """
    clips_so_far: Counter[str] = Counter()
    ranked: list[tuple[int, int, Clip]] = []
    for clip in clips:
        ranked.append((clips_so_far[clip.identity], len(ranked), clip))
        clips_so_far[clip.identity] += 1
    ordered = [clip for *_, clip in sorted(ranked, key=lambda entry: entry[:2])]
    if len(clips_so_far) > count:
        ordered = evenly_spaced(ordered[: len(clips_so_far)], count)
    return sorted(ordered[:count], key=lambda clip: (SPLITS.index(clip.split), clip.identity, clip.clip))


def _split(clips: Sequence[Clip]) -> dict[str, float]:
    hours = sum(clip.seconds for clip in clips) / 3600
    return {"clips": len(clips), "people": len({clip.identity for clip in clips}), "hours": hours}


def _range(values: Sequence[float] | NDArray[Any]) -> dict[str, float]:
    return dict(zip(_PERCENTILES, np.percentile(values, list(_PERCENTILES.values())).tolist(), strict=True))


def _offsets(paths: Paths, clips: Sequence[Clip], net: syncnet.SyncNet) -> list[int]:
    """Measure the audio offset, in frames, of each clip that is long enough for SyncNet."""
    offsets = []
    for clip in tqdm(clips, desc="offsets", unit="clip", mininterval=2):
        features = Features.load(paths.clip_features(clip.clip))
        video = paths.clip(clip.clip)
        frames = np.stack(list(islice(iter_frames(video), _OFFSET_FRAMES)))
        count = len(frames)
        crops = mouth_crops(frames, features.landmarks[:count], features.found[:count], net.side)
        lips, sound = lip_embeddings(net, crops, read_audio(video)[: count * FRAME])
        if len(lips):
            offsets.append(lse.sync(lips, sound).offset)
    return offsets


def _offset_note(config: Config, data: dict[str, Any]) -> str:
    """State from how many clips, and by which SyncNet, the audio offsets are; or how to get them."""
    if "syncnet" in data:
        return f"Audio offsets: {data['offset_clips']} clips, by the SyncNet {data['syncnet']}."
    return (
        "Audio offsets were not measured: no SyncNet was given. `snakemake --cores all --configfile CONFIG -- "
        f"results/{config.name}/syncnet.safetensors` trains one on this corpus; then request this "
        "report again. `dawn-eval corpus --syncnet FILE` takes one that exists."
    )


def _markdown(data: dict[str, Any], picture: str, offset_note: str) -> str:
    splits = [(name, row["clips"], row["people"], f"{row['hours']:.2f}") for name, row in data["splits"].items()]
    ranges = [
        (label, *(f"{value:.3g}" for value in data[key].values())) for key, label in _RANGES.items() if key in data
    ]
    faces = [("frames without a face, interpolated", f"{100 * data['interpolated_share']:.2f} %")]
    faces += [(f"clips with features of {name}", f"{count}") for name, count in data["extractors"].items()]
    available = [(kind, row["listed"], row["had"]) for kind, row in data["listed"].items() if row]
    sections = [
        f"# Corpus {data['corpus']}",
        f"{data['clips']} clips, {data['hours']:.2f} hours, {data['people']} people, {data['rejected']} rejected.",
        f"![The middle frame of some clips; clips of the test split have a red frame]({picture})",
        "## Splits",
        _table(("split", "clips", "people", "hours"), splits),
        "## Ranges",
        _table(("", "minimum", "5 %", "median", "95 %", "maximum"), ranges),
        offset_note,
        "## Faces",
        _table(("", "value"), faces),
        "## Rejected clips by stage and reason (rejected.csv lists each)",
        _table(("reason", "clips"), list(data["reject_reasons"].items())),
        "## Available of the listed",
        _table(("", "listed", "available"), available),
    ]
    return "\n\n".join(sections) + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return "None."
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return tabulate(cells, header, tablefmt="pipe", disable_numparse=True)


def _contact_sheet(paths: Paths, clips: Sequence[Clip]) -> Image.Image:
    """Draw the middle frame of each clip above its person and split; test clips have a red frame."""
    across = min(_SHEET_COLUMNS, len(clips))
    down = -(-len(clips) // across)
    sheet = Image.new("RGB", (across * _CELL, down * (_CELL + _LABEL)), "white")
    draw = ImageDraw.Draw(sheet)
    for place, clip in enumerate(clips):
        left, top = place % across * _CELL, place // across * (_CELL + _LABEL)
        frame = next(islice(iter_frames(paths.clip(clip.clip)), (clip.frames - 1) // 2, None))
        small = Image.fromarray(frame).resize((_CELL - 4, _CELL - 4), Image.Resampling.LANCZOS)
        sheet.paste(small, (left + 2, top + 2))
        if clip.split == "test":
            draw.rectangle((left, top, left + _CELL - 1, top + _CELL - 1), outline=(200, 30, 30), width=2)
        draw.text((left + 3, top + _CELL + 2), f"{clip.identity} ({clip.split})"[:20], fill="black")
    return sheet
