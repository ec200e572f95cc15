"""Lossless cuts, exact in picture and sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dawn.corpora.cut import cut_span, read_cut, span_audio, span_frames
from dawn.errors import InputError
from dawn.media.video_writer import write_video
from tests.support.edit_lists import trim


@pytest.fixture(scope="module")
def clocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos of 20 s, with and without sound: white and a click at each full second, else as bright as its number."""
    folder = tmp_path_factory.mktemp("clocks")
    times = np.arange(16000 * 20) % 16000
    click = np.where(times < 800, 0.8 * np.sin(2 * np.pi * 1000 * times / 16000), 0).astype(np.float32)
    frames = [np.full((72, 128, 3), 255 if k % 25 == 0 else 10 * (k // 25) + 20, np.uint8) for k in range(25 * 20)]
    write_video(folder / "video.mp4", frames, audio=click)
    write_video(folder / "picture.mp4", frames)
    return folder


@pytest.mark.parametrize(("start", "end"), [(0, 5), (3, 7), (3.52, 9.04), (12, 20)])
@pytest.mark.parametrize("names", [["video.mp4"], ["picture.mp4", "video.mp4"]], ids=["together", "apart"])
def test_cuts_are_exact_in_picture_and_sound(
    clocks: Path, start: float, end: float, names: list[str], tmp_path: Path
) -> None:
    cut_span([clocks / name for name in names], start, end, 25, tmp_path / "cut.mkv")
    span = read_cut(tmp_path / "cut.mkv")
    levels = np.stack(list(span_frames(tmp_path / "cut.mkv", span, 25)))[:, 10, 10, 0].astype(int)
    audio = span_audio(tmp_path / "cut.mkv", span, 25, 16000)
    assert len(levels) == span.frames == round((end - start) * 25) and len(audio) == 640 * span.frames
    white = np.flatnonzero(levels > 230) / 25 + start
    np.testing.assert_allclose(white, np.arange(np.ceil(start), end))
    between = (np.arange(len(levels)) + round(start * 25)) % 25 == 12
    expected = 10 * ((np.flatnonzero(between) + round(start * 25)) // 25) + 20
    assert np.abs(levels[between] - expected).max() <= 3
    loud = np.flatnonzero(np.abs(audio) > 0.3) / 16000 + start
    assert np.abs((loud + 0.5) % 1 - 0.5).max() < 0.055 and {round(v) for v in loud} == {round(v) for v in white}


def test_what_an_edit_list_leaves_out_is_no_part_of_a_span(clocks: Path, tmp_path: Path) -> None:
    trim(clocks / "video.mp4", tmp_path / "trimmed.mp4", 2.2, 10.2)
    cut_span([tmp_path / "trimmed.mp4"], 1, 4, 25, tmp_path / "cut.mkv")
    levels = [frame[10, 10, 0] for frame in span_frames(tmp_path / "cut.mkv", read_cut(tmp_path / "cut.mkv"), 25)]
    np.testing.assert_allclose(np.flatnonzero(np.asarray(levels) > 230), [20, 45, 70])  # from second 3.2 on
    with pytest.raises(InputError, match=r"of 10.2 s, has no frames up to 12.00 s"):
        cut_span([tmp_path / "trimmed.mp4"], 8, 12, 25, tmp_path / "late.mkv")
