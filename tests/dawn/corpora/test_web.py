"""Cutting of clips from videos on the net: through faults and kills, from a site on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("yt_dlp")

from dawn import download
from dawn.config import Fetching, WebCorpus
from dawn.corpora.cut import read_cut
from dawn.corpora.fetch import RejectLog
from dawn.corpora.lists import ListedClip
from dawn.corpora.web import fetch_cuts
from tests.support.repository import REPOSITORY
from tests.support.video_site import Site

# Runs in a separate process, which is killed.
CHILD = """
import json, sys
from dawn import download
from dawn.config import Fetching, WebCorpus
from dawn.corpora.lists import ListedClip
from dawn.corpora.web import fetch_cuts
download.PAUSE = 0.0
arguments = json.loads(sys.argv[1])
fetch_cuts([ListedClip(**row) for row in arguments["clips"]], WebCorpus(**arguments["web"]), Fetching(jobs=2), "videos")
"""


def _clips(count: int) -> list[ListedClip]:
    """Two clips of each of `count` videos, one with a window and one without."""
    return [
        ListedClip(f"v{k}_{part}", f"v{k}", 2.0 + 10 * part, 6.5 + 10 * part, f"v{k}", "train", box)
        for k in range(count)
        for part, box in enumerate([(0.1, 0.0, 0.9, 0.8), None])
    ]


def _web(site: Site, root: Path) -> WebCorpus:
    return WebCorpus(root=str(root), lists=site.address, watch=f"{site.address}/{{id}}.mp4")


def test_videos_are_fetched_through_faults_and_two_kills(site: Site, video: bytes, tmp_path: Path) -> None:
    clips, root = _clips(8), tmp_path / "raw"
    names = [f"v{k}.mp4" for k in range(8)]
    site.files = {name: video for name in names if name != "v4.mp4"}
    site.refusals = {"v1.mp4": [429], "v2.mp4": [503, 403]}
    site.broken = {"v3.mp4", "v6.mp4"}
    arguments = json.dumps({"clips": [item.__dict__ for item in clips], "web": _web(site, root).model_dump()})
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])}

    def start() -> subprocess.Popen[bytes]:
        site.since = len(site.requests)
        with open(tmp_path / "errors", "wb") as errors:
            return subprocess.Popen([sys.executable, "-c", CHILD, arguments], env=environment, stderr=errors)

    for name in ("v0.mp4", "v5.mp4"):
        # Killed during the next response that carries the video.
        child = start()
        site.kill_at[name] = child
        assert child.wait(60) == -9
    assert start().wait(60) == 0, (tmp_path / "errors").read_text()

    assert {file.stem for file in (root / "cuts").iterdir()} == {clip.name for clip in clips if clip.video != "v4"}
    rejected = RejectLog(root).rows
    assert set(rejected) == {"v4_0", "v4_1"}
    assert all(
        row.stage == "fetch" and row.reason.endswith("the server answers 404 Not Found") for row in rejected.values()
    )
    assert list((root / "videos").iterdir()) == []  # all deleted
    resumed = {name for name, first in site.requests if first}  # and others in transfer at a kill
    assert {"v0.mp4", "v5.mp4"} <= resumed and {"v3.mp4", "v6.mp4"} & resumed
    for name in site.files:
        starts = [first for requested, first in site.requests if requested == name]
        # A page is requested before its video, and again after a refusal or a kill; the video itself is resumed.
        whole = len(video) * (1 + starts.count(0) - (name not in ("v0.mp4", "v3.mp4", "v5.mp4", "v6.mp4")))
        assert site.sent[name] <= whole, name

    before = list(site.requests)
    assert len(fetch_cuts(clips, _web(site, root), Fetching(), "videos")) == 2
    assert site.requests == before  # complete: no network is used


def test_a_busy_site_rejects_no_clip(site: Site, video: bytes, tmp_path: Path) -> None:
    clips = _clips(2)
    site.files = {"v0.mp4": video, "v1.mp4": video}
    site.refusals = {"v0.mp4": [429] * 5}
    with pytest.raises(download.Unavailable, match=r"2 of 4 clips are still to come.*gave up after 5 tries.*429"):
        fetch_cuts(clips, _web(site, tmp_path), Fetching(jobs=1), "videos")
    assert RejectLog(tmp_path).rows == {} and len(list((tmp_path / "cuts").iterdir())) == 2
    assert fetch_cuts(clips, _web(site, tmp_path), Fetching(keep=True), "videos") == []
    assert [folder.name for folder in (tmp_path / "videos").iterdir()] == ["v0"]
    before = list(site.requests)
    next((tmp_path / "cuts").glob("v0_*")).unlink()
    assert fetch_cuts(clips, _web(site, tmp_path), Fetching(), "videos") == []
    assert site.requests == before  # the video is kept


def test_the_video_that_a_killed_process_left_is_deleted(
    site: Site, video: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A process may die after the last cut of a video and before it deletes the video."""
    clips, left = _clips(1), tmp_path / "videos/v0"
    site.files = {"v0.mp4": video}
    assert fetch_cuts(clips, _web(site, tmp_path), Fetching(), "videos") == []
    left.mkdir()
    (left / "video.mp4").write_bytes(video)
    assert fetch_cuts(clips, _web(site, tmp_path), Fetching(keep=True), "videos") == [] and left.is_dir()
    assert fetch_cuts(clips, _web(site, tmp_path), Fetching(), "videos") == [] and not left.exists()
    assert f"{left}: deleted, since all of its clips are cut" in capsys.readouterr().err


def test_a_clip_after_the_end_is_rejected(site: Site, video: bytes, tmp_path: Path) -> None:
    site.files = {"v0.mp4": video}
    spans = {"a": (50, 60.5), "b": (55, 90)}
    clips = [ListedClip(name, "v0", start, end, "v0", "train", None) for name, (start, end) in spans.items()]
    [row] = fetch_cuts(clips, _web(site, tmp_path), Fetching(), "videos")
    assert (row.clip, row.stage) == ("b", "cut")
    assert row.reason == "the video, of 60.0 s, has no frames up to 90.00 s: not the video of the list"
    assert read_cut(tmp_path / "cuts/a.mkv").frames == pytest.approx(250, abs=2)  # lists count in whole seconds
