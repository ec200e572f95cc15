"""The published lists of HDTF and VoxCeleb, with their contradictions."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from dawn.config import HdtfCorpus, VoxcelebCorpus
from dawn.corpora.kinds import hdtf, voxceleb
from dawn.corpora.lists import ListedClip
from dawn.errors import InputError


def _hdtf(real: Path, **settings: object) -> tuple[dict[str, ListedClip], dict[str, str]]:
    clips, rejected = hdtf.listed_clips(real / "metadata/hdtf", HdtfCorpus.model_validate(settings), 1234)
    assert len({clip.name for clip in clips} | {row.clip for row in rejected}) == len(clips) + len(rejected)
    return {clip.name: clip for clip in clips}, {row.clip: row.reason for row in rejected}


def test_the_hashes_are_those_of_the_lists(real: Path) -> None:
    for folder, lists in (("hdtf", hdtf.LISTS), ("voxceleb", voxceleb.LISTS)):
        for name, sha256 in lists.items():
            assert hashlib.sha256((real / "metadata" / folder / name).read_bytes()).hexdigest() == sha256, name


def test_hdtf_has_421_clips_with_a_window(real: Path) -> None:
    clips, rejected = _hdtf(real)
    assert Counter(name.split("_")[0] for name in clips) == {"RD": 64, "WDA": 189, "WRA": 168}
    assert len({clip.identity for clip in clips.values()}) == 370 - 14  # videos: 13 have no window, one has no times
    assert 16 < sum(clip.end - clip.start for clip in clips.values()) / 3600 < 17
    assert Counter(rejected.values()) == {
        "the publisher's list has no times for this video": 1,
        "the publisher's list has no window for this clip (crop: face needs none)": 14,
        "the publisher's list has 00:33-08:53 for its times, out of order": 1,
    }
    assert rejected["RD_Radio24"].endswith("no times for this video")
    assert rejected["WRA_MittRomney_001"].endswith("out of order")
    first = clips["RD_Radio11_001"]
    assert (first.video, first.start, first.end) == ("XtySvTwIOfw", 90, 150)
    assert first.box == (557 / 720, 0, (557 + 478) / 720, 478 / 720)


def test_irregular_rows_of_hdtf_are_read(real: Path) -> None:
    clips, _ = _hdtf(real)
    assert clips["WDA_CarolynMaloney2_000"].video == "RApGxN-O9Qc"  # a byte-order mark precedes its name
    assert clips["RD_Radio2_000"].video == "uBWJJvynXpA"  # its address ends with a time
    assert (clips["WRA_AdamKinzinger2_002"].start, clips["WRA_AdamKinzinger2_002"].end) == (
        210,
        230,
    )  # its row ends with a blank
    shared = {clip.identity for clip in clips.values() if clip.video == "gh3YqnvNdio"}
    assert shared == {"WDA_WhipJimClyburn", "WDA_JamesClyburn1"}
    # One video has height 0, and three windows are larger than the picture: the crop is around the face.
    around_the_face = {name for name, clip in clips.items() if clip.box is None}
    assert around_the_face == {
        "WRA_KevinMcCarthy1_000",
        "WRA_KevinMcCarthy1_001",
        "WDA_MaggieHassan_000",
        "WDA_MazieHirono1_000",
        "WRA_PeterKing_000",
    }
    for clip in clips.values():
        if clip.box is not None:
            x0, y0, x1, y1 = clip.box
            assert 0 <= y0 < y1 <= 1 and 0 <= x0 < x1 <= 16 / 9 and x1 - x0 == pytest.approx(y1 - y0)


def test_hdtf_cropped_by_face_needs_times_alone(real: Path) -> None:
    clips, rejected = _hdtf(real, crop="face")
    assert len(clips) == 66 + 195 + 175 - 1 and set(rejected) == {"RD_Radio24", "WRA_MittRomney_001"}
    assert all(clip.box is None for clip in clips.values())
    long_ones, rejected = _hdtf(real, min_seconds=20)
    assert min(clip.end - clip.start for clip in long_ones.values()) >= 20
    assert rejected["RD_Radio15_000"].startswith("the publisher's list has no window")
    assert rejected["WRA_AnnMarieBuerkle_000"] == "18 s, shorter than min_seconds = 20"


def test_hdtf_is_split_nine_to_one_by_videos(real: Path) -> None:
    clips, _ = _hdtf(real)
    splits: dict[str, set[str]] = {}
    for clip in clips.values():
        splits.setdefault(clip.video, set()).add(clip.split)
    assert all(len(split) == 1 for split in splits.values())
    assert Counter(split for (split,) in splits.values()) == {"train": len(splits) - 36, "test": 36}
    again, _ = hdtf.listed_clips(real / "metadata/hdtf", HdtfCorpus(), 7)
    assert {clip.name for clip in again if clip.split == "test"} != {
        name for name, clip in clips.items() if clip.split == "test"
    }


def test_a_test_list_overrides_the_split(real: Path, tmp_path: Path) -> None:
    """Clip names are those of other preparations of HDTF: all 98 of DiffTalk's list are known."""
    lines = (real / "metadata/hdtf/difftalk_train_name.txt").read_text().split()
    names = {Path(line).stem for line in lines}
    (tmp_path / "names.txt").write_text("".join(f"{Path(line).name}\n" for line in lines))
    clips, _ = _hdtf(real, test_list=str(tmp_path / "names.txt"))
    assert len(names) == 98 and {name for name, clip in clips.items() if clip.split == "test"} == names
    (tmp_path / "names.txt").write_text("WDA_Nobody_000\n")
    with pytest.raises(InputError, match="HDTF has no clip 'WDA_Nobody_000'"):
        _hdtf(real, test_list=str(tmp_path / "names.txt"))


def test_voxceleb_counts_in_frames_and_has_the_listed_split(real: Path) -> None:
    clips, rejected = voxceleb.listed_clips(real / "metadata/voxceleb", VoxcelebCorpus())
    # 20,075 rows: 308 occur twice, 3 in both splits.
    assert (len(clips), len({clip.name for clip in clips}), rejected) == (19764, 19764, [])
    assert Counter(clip.split for clip in clips)["test"] == 525
    assert len({clip.video for clip in clips}) == 3442 and len({clip.identity for clip in clips}) == 435
    # In frames, clips are 2.6 to 41 s long and videos at most 72 minutes; in seconds, a video would last 30 hours.
    lengths = [clip.end - clip.start for clip in clips]
    assert (min(lengths), max(lengths)) == pytest.approx((64 / 25, 1024 / 25))
    assert 72 * 60 < max(clip.end for clip in clips) < 73 * 60
    first = clips[0]
    assert (first.name, first.video) == ("id10005_WMh3ye5tBsE_003657_003994", "WMh3ye5tBsE")
    assert (first.start, first.end) == (3657 / 25, 3994 / 25)
    assert first.box == pytest.approx(tuple(v / 720 for v in (568.5, 48, 1073.5, 553)))  # 624-48-1018-553, made square
    splits = {clip.name: clip.split for clip in clips}
    assert splits["id10282_hgB5ziAudzU_008914_009055"] == "test"  # in both


def test_windows_of_voxceleb_lie_inside_the_frame(real: Path) -> None:
    clips, _ = voxceleb.listed_clips(real / "metadata/voxceleb", VoxcelebCorpus())
    for clip in clips:
        assert clip.box is not None
        x0, y0, x1, y1 = clip.box
        assert x1 - x0 == pytest.approx(y1 - y0) and min(x0, y0) >= 0 and y1 - y0 > 0.2 and y1 <= 1 + 1e-9


def test_other_lists_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"vox-metadata\.csv: cannot be read as a list"):
        voxceleb.listed_clips(tmp_path, VoxcelebCorpus())
    (tmp_path / voxceleb.LIST).write_text("video_id,start\nWMh3ye5tBsE,1\n")
    with pytest.raises(InputError, match="not the list of VoxCeleb"):
        voxceleb.listed_clips(tmp_path, VoxcelebCorpus())
