"""Traces of head motion: every frame of every video with a detected face, and none of the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dawn.config import Config
from dawn.errors import InputError
from dawn.media.csv_files import read_rows
from eval.studies import motion_traces
from eval.studies.motion_traces import write_traces
from tests.support.clips import features_of


def test_videos_without_a_face_have_no_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for method in ("gt", "dawn"):
        (tmp_path / method).mkdir()
        (tmp_path / method / "a.mp4").touch()
    pose, blink = np.tile(np.arange(6, dtype=np.float32), (3, 1)), np.full((3, 2), 0.25, np.float32)
    motion = features_of(3, pose=pose, blink=blink)
    monkeypatch.setattr(
        motion_traces, "detected_motion", lambda video, _: motion if video.parent.name == "gt" else None
    )
    folders = {method: tmp_path / method for method in ("gt", "dawn")}
    write_traces(Config(), ["a"], folders, tmp_path / "traces.csv")
    rows = read_rows(tmp_path / "traces.csv")
    assert len(rows) == 4 * 3 and {row["method"] for row in rows} == {"gt"}
    assert [(row["frame"], row["signal"], row["value"]) for row in rows[3:5]] == [
        ("0", "pitch", "1.0000"),
        ("1", "pitch", "1.0000"),
    ]
    with pytest.raises(InputError, match="at least one clip"):
        write_traces(Config(), [], folders, tmp_path / "none.csv")
