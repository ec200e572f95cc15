"""What the published lists of HDTF and VoxCeleb say, with their contradictions: the real ones."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from dawn.config import HdtfCorpus, VoxcelebCorpus
from dawn.corpora.kinds import hdtf, voxceleb
from dawn.corpora.lists import ListedClip
from dawn.errors import InputError


def _hdtf(real: Path, **given: object) -> tuple[dict[str, ListedClip], dict[str, str]]:
    found, lost = hdtf.listed_clips(real / "metadata/hdtf", HdtfCorpus.model_validate(given), 1234)
    assert len({item.name for item in found} | {row.clip for row in lost}) == len(found) + len(lost)
    return {item.name: item for item in found}, {row.clip: row.reason for row in lost}


def test_the_hashes_are_those_of_the_lists(real: Path) -> None:
    for folder, lists in (("hdtf", hdtf.LISTS), ("voxceleb", voxceleb.LISTS)):
        for name, sha256 in lists.items():
            assert hashlib.sha256((real / "metadata" / folder / name).read_bytes()).hexdigest() == sha256, name


def test_hdtf_has_421_clips_with_a_window(real: Path) -> None:
    found, lost = _hdtf(real)
    assert Counter(name.split("_")[0] for name in found) == {"RD": 64, "WDA": 189, "WRA": 168}
    assert len({item.identity for item in found.values()}) == 370 - 14  # videos: 13 have no window, one has no times
    assert 16 < sum(item.end - item.start for item in found.values()) / 3600 < 17
    assert Counter(lost.values()) == {
        "the publisher's list has no times for this video": 1,
        "the publisher's list has no window for this clip (crop: face needs none)": 14,
        "the publisher's list has 00:33-08:53 for its times, out of order": 1,
    }
    assert lost["RD_Radio24"].endswith("no times for this video")
    assert lost["WRA_MittRomney_001"].endswith("out of order")
    first = found["RD_Radio11_001"]
    assert (first.video, first.start, first.end) == ("XtySvTwIOfw", 90, 150)
    assert first.box == (557 / 720, 0, (557 + 478) / 720, 478 / 720)


def test_hdtf_lists_are_read_through_their_traps(real: Path) -> None:
    found, _ = _hdtf(real)
    assert found["WDA_CarolynMaloney2_000"].video == "RApGxN-O9Qc"  # a byte-order mark stands before its name
    assert found["RD_Radio2_000"].video == "uBWJJvynXpA"  # its address goes on with a time
    assert (found["WRA_AdamKinzinger2_002"].start, found["WRA_AdamKinzinger2_002"].end) == (210, 230)  # and a blank
    shared = {item.identity for item in found.values() if item.video == "gh3YqnvNdio"}
    assert shared == {"WDA_WhipJimClyburn", "WDA_JamesClyburn1"}
    # One video has height 0, and three windows are larger than the picture: only the face says where to crop.
    around_the_face = {name for name, item in found.items() if item.box is None}
    assert around_the_face == {
        "WRA_KevinMcCarthy1_000",
        "WRA_KevinMcCarthy1_001",
        "WDA_MaggieHassan_000",
        "WDA_MazieHirono1_000",
        "WRA_PeterKing_000",
    }
    for item in found.values():
        if item.box is not None:
            x0, y0, x1, y1 = item.box
            assert 0 <= y0 < y1 <= 1 and 0 <= x0 < x1 <= 16 / 9 and x1 - x0 == pytest.approx(y1 - y0)


def test_hdtf_without_windows_has_what_has_times(real: Path) -> None:
    found, lost = _hdtf(real, crop="face")
    assert len(found) == 66 + 195 + 175 - 1 and set(lost) == {"RD_Radio24", "WRA_MittRomney_001"}
    assert all(item.box is None for item in found.values())
    long_ones, lost = _hdtf(real, min_seconds=20)
    assert min(item.end - item.start for item in long_ones.values()) >= 20
    assert lost["RD_Radio15_000"].startswith("the publisher's list has no window")
    assert lost["WRA_AnnMarieBuerkle_000"] == "18 s, shorter than min_seconds = 20"


def test_hdtf_is_split_nine_to_one_by_videos_that_stay_whole(real: Path) -> None:
    found, _ = _hdtf(real)
    splits: dict[str, set[str]] = {}
    for item in found.values():
        splits.setdefault(item.video, set()).add(item.split)
    assert all(len(split) == 1 for split in splits.values())
    assert Counter(split for (split,) in splits.values()) == {"train": len(splits) - 36, "test": 36}
    again, _ = hdtf.listed_clips(real / "metadata/hdtf", HdtfCorpus(), 7)
    assert {item.name for item in again if item.split == "test"} != {n for n, i in found.items() if i.split == "test"}


def test_a_test_list_decides_instead(real: Path, tmp_path: Path) -> None:
    """Clips have the names under which others prepared HDTF: all 98 of DiffTalk's list are known."""
    lines = (real / "metadata/hdtf/difftalk_train_name.txt").read_text().split()
    names = {Path(line).stem for line in lines}
    (tmp_path / "names.txt").write_text("".join(f"{Path(line).name}\n" for line in lines))
    found, _ = _hdtf(real, test_list=str(tmp_path / "names.txt"))
    assert len(names) == 98 and {name for name, item in found.items() if item.split == "test"} == names
    (tmp_path / "names.txt").write_text("WDA_Nobody_000\n")
    with pytest.raises(InputError, match="HDTF has no clip 'WDA_Nobody_000'"):
        _hdtf(real, test_list=str(tmp_path / "names.txt"))


def test_voxceleb_counts_in_frames_and_splits_as_listed(real: Path) -> None:
    found, lost = voxceleb.listed_clips(real / "metadata/voxceleb", VoxcelebCorpus())
    # 20,075 rows: 308 are there twice, 3 in both splits.
    assert (len(found), len({item.name for item in found}), lost) == (19764, 19764, [])
    assert Counter(item.split for item in found)["test"] == 525
    assert len({item.video for item in found}) == 3442 and len({item.identity for item in found}) == 435
    # As frames they are 2.6 to 41 s long and a video at most 72 minutes; as seconds one would last 30 hours.
    lengths = [item.end - item.start for item in found]
    assert (min(lengths), max(lengths)) == pytest.approx((64 / 25, 1024 / 25))
    assert 72 * 60 < max(item.end for item in found) < 73 * 60
    first = found[0]
    assert (first.name, first.video) == ("id10005_WMh3ye5tBsE_003657_003994", "WMh3ye5tBsE")
    assert (first.start, first.end) == (3657 / 25, 3994 / 25)
    assert first.box == pytest.approx(tuple(v / 720 for v in (568.5, 48, 1073.5, 553)))  # 624-48-1018-553, made square
    splits = {item.name: item.split for item in found}
    assert splits["id10282_hgB5ziAudzU_008914_009055"] == "test"  # in both


def test_windows_of_voxceleb_lie_inside_the_picture(real: Path) -> None:
    found, _ = voxceleb.listed_clips(real / "metadata/voxceleb", VoxcelebCorpus())
    for item in found:
        assert item.box is not None
        x0, y0, x1, y1 = item.box
        assert x1 - x0 == pytest.approx(y1 - y0) and min(x0, y0) >= 0 and y1 - y0 > 0.2 and y1 <= 1 + 1e-9


def test_another_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"vox-metadata\.csv: cannot be read as a list"):
        voxceleb.listed_clips(tmp_path, VoxcelebCorpus())
    (tmp_path / voxceleb.LIST).write_text("video_id,start\nWMh3ye5tBsE,1\n")
    with pytest.raises(InputError, match="not the list of VoxCeleb"):
        voxceleb.listed_clips(tmp_path, VoxcelebCorpus())
