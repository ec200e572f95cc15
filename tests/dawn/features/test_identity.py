"""Identities of a folder of videos, by clustering of their faces."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.cli import main
from dawn.config import parse
from dawn.corpora.manifest import read_manifest, read_rejected
from dawn.features import identity
from dawn.features.identity import cluster_embeddings
from dawn.media.video import iter_frames
from dawn.media.video_writer import write_video


def test_people_are_numbered_in_order_of_appearance() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 128))
    order = [2, 0, 2, 1, 0, 0, 1]
    rows = centres[order] + 0.001 * rng.normal(size=(len(order), 128))
    assert cluster_embeddings(rows, 0.5) == [0, 1, 0, 2, 1, 1, 2]
    assert cluster_embeddings(rows[:1], 0.5) == [0] and cluster_embeddings(rows[:0], 0.5) == []


def _small(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A square frame at 256 pixels; others as they are."""
    if frame.shape[0] != frame.shape[1]:
        return frame
    return np.asarray(cv2.resize(frame, (256, 256)), np.uint8)


def test_a_folder_without_names_is_split_by_clustered_people(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two parts of the videos of three people, two videos of a fourth, one of two people, and one without a face."""
    monkeypatch.chdir(tmp_path)
    tone = 0.3 * np.sin(np.arange(30 * 640) / 9).astype(np.float32)
    clips = real / "clips"
    parts = {f"{name[:4]}-{k}": (name, 30 * k) for name in ("obama_450_20s.mp4", "grid_lwbsza.mpg") for k in (0, 1)}
    parts |= {f"face-{k}": ("retalking_face5.mp4", 30 * k) for k in (0, 1)}
    parts |= {"id2-a": ("grid_id2_vcd_swwp2s.mpg", 0), "id2-b": ("grid_pwij3p.mpg", 0)}
    for name, (source, start) in parts.items():
        frames = [_small(frame) for frame in islice(iter_frames(clips / source, 25), start, start + 30)]
        write_video(tmp_path / "raw" / f"{name}.mp4", frames, audio=tone)
    mixed = [*islice(iter_frames(clips / "obama_450_20s.mp4", 25), 60)]
    mixed += [*islice(iter_frames(clips / "retalking_face5.mp4", 25), 40)]
    square = [_small(frame) for frame in mixed]
    write_video(tmp_path / "raw" / "obam-then-face.mp4", square, audio=np.tile(tone, 4)[: 100 * 640])
    whole = (tmp_path / "raw" / "face-0.mp4").read_bytes()
    (tmp_path / "raw" / "torn.mp4").write_bytes(whole[:600] + bytes(2000) + whole[2600:])
    write_video(tmp_path / "raw" / "wall.mp4", [np.full((96, 96, 3), 90, np.uint8)] * 30, audio=tone)
    folder = {"root": str(tmp_path / "raw"), "people": "faces", "test_fraction": 0.25}
    config = parse(
        {"name": "people", "corpus": {"name": "people", "kind": "folder", "resolution": 64, "folder": folder}}
    )
    (tmp_path / "config.yaml").write_text(config.dump())
    assert main(["corpus", "--config", "config.yaml"]) == 0
    clips_by_name = {clip.clip: clip for clip in read_manifest(tmp_path / "data/people/clips.csv")}
    names_of: dict[str, set[str]] = {}
    for name, clip in clips_by_name.items():
        names_of.setdefault(clip.identity, set()).add(name)
    assert sorted(map(sorted, names_of.values())) == [
        ["face-0", "face-1"],
        ["grid-0", "grid-1"],
        ["id2-a", "id2-b"],
        ["obam-0", "obam-1", "obam-then-face"],
    ]
    assert {clip.split for clip in clips_by_name.values()} == {"train", "test"}
    assert all(len({clips_by_name[name].split for name in names}) == 1 for names in names_of.values())
    reasons = {row.clip: row.reason for row in read_rejected(tmp_path / "data/people/rejected.corpus.csv")}
    assert set(reasons) == {"torn", "wall"} and "contains no frames" in reasons["torn"]
    assert reasons["wall"].startswith("no face in its first seconds")

    decoded = []
    monkeypatch.setattr(identity, "iter_frames", lambda video: decoded.append(video.stem) or iter_frames(video))
    before = (tmp_path / "data/people/clips.csv").read_bytes()
    assert main(["corpus", "--config", "config.yaml"]) == 0
    assert decoded == ["wall"] and (tmp_path / "data/people/clips.csv").read_bytes() == before
