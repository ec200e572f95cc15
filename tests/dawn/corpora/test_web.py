"""Videos on the net, through yt-dlp itself, from a server on this machine that fails as sites do."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.support.server import HttpServer

pytest.importorskip("yt_dlp")

from dawn import download
from dawn.config import Corpus, Fetching, HdtfCorpus, VoxcelebCorpus, WebCorpus
from dawn.corpora.cut import cut_span, read_cut, span_audio, span_frames
from dawn.corpora.fetch import RejectLog
from dawn.corpora.kinds import hdtf, voxceleb
from dawn.corpora.lists import ListedClip
from dawn.corpora.manifest import read_manifest, read_rejected
from dawn.corpora.prepare import prepare, write_clip
from dawn.corpora.web import fetch_cuts
from dawn.corpora.ytdlp import classify_error, fetch_video, select_formats
from dawn.errors import InputError
from dawn.media.audio import read_audio
from dawn.media.video import iter_frames, load_frames, probe
from dawn.media.video_writer import write_video

# Runs in a process of its own, so that it can be killed as a machine would be.
CHILD = """
import json, sys
from dawn import download
from dawn.config import Fetching, WebCorpus
from dawn.corpora.lists import ListedClip
from dawn.corpora.web import fetch_cuts
download.PAUSE = 0.0
told = json.loads(sys.argv[1])
fetch_cuts([ListedClip(**row) for row in told["items"]], WebCorpus(**told["web"]), Fetching(jobs=2), "videos")
"""


class Site:
    """A server of videos."""

    def __init__(self) -> None:
        self.address = ""
        self.files: dict[str, bytes] = {}
        self.refusals: dict[str, list[int]] = {}  # status of the first answers
        self.broken: set[str] = set()  # breaks off the first answer that carries the video
        self.kill_at: dict[str, subprocess.Popen[bytes]] = {}  # who dies in the middle of a video
        self.asked: list[tuple[str, int]] = []  # video and first byte of each request
        self.since = 0  # the first of them by the process at hand
        self.sent: Counter[str] = Counter()  # bytes
        self.cookies: list[str] = []
        self._lock = threading.Lock()

    def give(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.rsplit("/", 1)[1]
        start = int((request.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        with self._lock:
            self.asked.append((name, start))
            self.cookies.append(request.headers.get("Cookie") or "")
            status = self.refusals[name].pop(0) if self.refusals.get(name) else 200 if name in self.files else 404
            if status != 200:
                request.send_response(status)
                request.send_header("Retry-After", "0")
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
        body = self.files[name]
        if start >= len(body):  # all of it came before a kill
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(body)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        request.send_header("Content-Type", "text/plain" if name.endswith(".txt") else "video/mp4")
        request.send_header("Accept-Ranges", "bytes")
        request.send_header("Content-Length", str(len(body) - start))
        request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        request.end_headers()
        if request.command == "HEAD":
            return
        with self._lock:
            first = sum(one == name for one, _ in self.asked[self.since :]) == 2  # the one before asks what the page is
            victim = self.kill_at.pop(name, None) if first else None
            stops = victim is not None or (first and name in self.broken)
            if stops:
                self.broken.discard(name)
        end = start + (len(body) - start) // 2 if stops else len(body)
        request.wfile.write(body[start:end])
        self.sent[name] += end - start
        if victim is not None:
            time.sleep(0.3)  # for what came to reach the disk
            victim.kill()
            victim.wait()
        request.close_connection = True


@pytest.fixture
def site(http_server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(download, "PAUSE", 0.0)
    told = Site()
    with http_server(GET=told.give, HEAD=told.give) as told.address:
        yield told


@pytest.fixture(scope="module")
def video(real: Path) -> bytes:
    """A minute of a man who speaks, with sound."""
    return (real / "clips/hdtf_WDA_TedLieu_256_60s.mp4").read_bytes()


def _items(count: int) -> list[ListedClip]:
    """Two clips of each of some videos, with a window and without."""
    return [
        ListedClip(f"v{k}_{part}", f"v{k}", 2.0 + 10 * part, 6.5 + 10 * part, f"v{k}", "train", box)
        for k in range(count)
        for part, box in enumerate([(0.1, 0.0, 0.9, 0.8), None])
    ]


def _web(site: Site, root: Path) -> WebCorpus:
    return WebCorpus(root=str(root), lists=site.address, watch=f"{site.address}/{{id}}.mp4")


def test_videos_come_through_faults_and_two_kills(site: Site, video: bytes, tmp_path: Path) -> None:
    items, root = _items(8), tmp_path / "raw"
    names = [f"v{k}.mp4" for k in range(8)]
    site.files = {name: video for name in names if name != "v4.mp4"}
    site.refusals = {"v1.mp4": [429], "v2.mp4": [503, 403]}
    site.broken = {"v3.mp4", "v6.mp4"}
    told = json.dumps({"items": [item.__dict__ for item in items], "web": _web(site, root).model_dump()})
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(hdtf.__file__).parents[2]), *sys.path])}

    def start() -> subprocess.Popen[bytes]:
        site.since = len(site.asked)
        with open(tmp_path / "said", "wb") as said:
            return subprocess.Popen([sys.executable, "-c", CHILD, told], env=environment, stderr=said)

    for name in ("v0.mp4", "v5.mp4"):
        # Its next request for the video itself, whatever came before.
        child = start()
        site.kill_at[name] = child
        assert child.wait(60) == -9
    assert start().wait(60) == 0, (tmp_path / "said").read_text()

    assert {file.stem for file in (root / "cuts").iterdir()} == {one.name for one in items if one.video != "v4"}
    rejected = RejectLog(root).rows
    assert set(rejected) == {"v4_0", "v4_1"}
    assert all(
        row.stage == "fetch" and row.reason.endswith("the server answers 404 Not Found") for row in rejected.values()
    )
    assert list((root / "videos").iterdir()) == []  # all let go
    going_on = {name for name, first in site.asked if first}  # and what else was on its way at a kill
    assert {"v0.mp4", "v5.mp4"} <= going_on and {"v3.mp4", "v6.mp4"} & going_on
    for name in site.files:
        starts = [first for asked, first in site.asked if asked == name]
        # A page is looked at before its video is asked for, anew after a refusal or a kill; the video itself goes on.
        whole = len(video) * (1 + starts.count(0) - (name not in ("v0.mp4", "v3.mp4", "v5.mp4", "v6.mp4")))
        assert site.sent[name] <= whole, name

    before = list(site.asked)
    assert len(fetch_cuts(items, _web(site, root), Fetching(), "videos")) == 2
    assert site.asked == before  # complete: no network at all


def test_a_site_that_is_busy_makes_no_reject(site: Site, video: bytes, tmp_path: Path) -> None:
    items = _items(2)
    site.files = {"v0.mp4": video, "v1.mp4": video}
    site.refusals = {"v0.mp4": [429] * 5}
    with pytest.raises(download.Unavailable, match=r"2 of 4 clips are still to come.*gave up after 5 tries.*429"):
        fetch_cuts(items, _web(site, tmp_path), Fetching(jobs=1), "videos")
    assert RejectLog(tmp_path).rows == {} and len(list((tmp_path / "cuts").iterdir())) == 2
    assert fetch_cuts(items, _web(site, tmp_path), Fetching(keep=True), "videos") == []
    assert [folder.name for folder in (tmp_path / "videos").iterdir()] == ["v0"]
    before = list(site.asked)
    next((tmp_path / "cuts").glob("v0_*")).unlink()
    assert fetch_cuts(items, _web(site, tmp_path), Fetching(), "videos") == []
    assert site.asked == before  # the video was kept


def test_a_clip_behind_the_end_is_rejected(site: Site, video: bytes, tmp_path: Path) -> None:
    site.files = {"v0.mp4": video}
    spans = {"a": (50, 60.5), "b": (55, 90)}
    items = [ListedClip(name, "v0", start, end, "v0", "train", None) for name, (start, end) in spans.items()]
    [row] = fetch_cuts(items, _web(site, tmp_path), Fetching(), "videos")
    assert (row.clip, row.stage) == ("b", "cut")
    assert row.reason == "the video, of 60.0 s, has no frames up to 90.00 s: not the video of the list"
    assert read_cut(tmp_path / "cuts/a.mkv").frames == pytest.approx(250, abs=2)  # lists count in whole seconds


def test_the_picture_is_as_high_as_asked_and_never_without_sound() -> None:
    def one(name: str, height: int | None, picture: str | None, sound: str | None) -> dict[str, Any]:
        return {"format_id": name, "height": height, "vcodec": picture, "acodec": sound}

    sounds = [one("140", None, "none", "aac"), one("251", None, "none", "opus")]
    boards, small, large = one("sb", 90, "none", "none"), one("18", 360, "avc", "aac"), one("22", 720, "avc", "aac")
    full, huge = one("137", 1080, "avc", "none"), one("313", 2160, "vp9", "none")
    offers = [
        ([boards, *sounds, small, large, full, huge], 1080, ["137", "251"]),
        ([boards, *sounds, small, large, full, huge], 720, ["22"]),
        ([small, large, full, huge], 1080, ["22"]),  # no sound to go with more
        ([*sounds, huge], 1080, ["313", "251"]),  # nothing lower
        ([one("mp4", None, None, None)], 1080, ["mp4"]),
        (sounds, 1080, []),
    ]
    for formats, height, wanted in offers:
        assert [chosen["format_id"] for chosen in select_formats(formats, height)] == wanted


def test_cookies_are_sent_and_left_as_they_are(site: Site, video: bytes, tmp_path: Path) -> None:
    site.files = {"v0.mp4": video}
    jar = tmp_path / "cookies.txt"
    jar.write_text("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tpass\tgranted\n")
    before = jar.read_bytes()
    fetch_video(f"{site.address}/v0.mp4", tmp_path / "v0", 1080, Fetching(cookies=str(jar), rate=50))
    assert set(site.cookies) == {"pass=granted"} and jar.read_bytes() == before
    with pytest.raises(InputError, match=r"nowhere\.txt: cannot be read as cookies"):
        fetch_video(f"{site.address}/v0.mp4", tmp_path / "v1", 1080, Fetching(cookies="nowhere.txt"))


@pytest.mark.parametrize(
    ("words", "expected", "gone"),
    [
        ("Video unavailable. This video has been removed by the uploader", True, True),
        (
            "Private video. Sign in if you've been granted access to this video. Use --cookies-from-browser or",
            True,
            True,
        ),
        ("Sign in to confirm your age. This video may be inappropriate for some users. Use --cookies for", True, True),
        ("Sign in to confirm you\u2019re not a bot. Use --cookies-from-browser or --cookies", True, False),
        ("This content isn't available, try again later. The current session has been rate-limited", True, False),
        ("Requested format is not available. Use --list-formats for a list of available formats", True, False),
        ("The following content is not available on this app. Watch on the latest version of YouTube", True, False),
        ("Unable to extract player response; please report this issue on", False, False),
    ],
)
def test_what_is_gone_is_told_from_what_is_refused_now(words: str, expected: bool, gone: bool) -> None:
    from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError

    fault = ExtractorError(words, expected=expected, video_id="abc", ie="youtube")
    found = classify_error(DownloadError(f"ERROR: {fault}", (type(fault), fault, None)))
    assert found.gone == gone and words.startswith(found.reason)
    assert "--" not in found.reason and "report" not in found.reason
    region = GeoRestrictedError("The uploader has not made this video available in your country")
    assert classify_error(DownloadError("ERROR", (type(region), region, None))).gone


@pytest.fixture(scope="module")
def clocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 s, white at each full second, else as bright as the second, with a click at each; and their picture alone."""
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
    shown = np.stack(list(span_frames(tmp_path / "cut.mkv", span, 25)))[:, 10, 10, 0].astype(int)
    heard = span_audio(tmp_path / "cut.mkv", span, 25, 16000)
    assert len(shown) == span.frames == round((end - start) * 25) and len(heard) == 640 * span.frames
    white = np.flatnonzero(shown > 230) / 25 + start
    np.testing.assert_allclose(white, np.arange(np.ceil(start), end))
    between = (np.arange(len(shown)) + round(start * 25)) % 25 == 12
    wanted = 10 * ((np.flatnonzero(between) + round(start * 25)) // 25) + 20
    assert np.abs(shown[between] - wanted).max() <= 3
    loud = np.flatnonzero(np.abs(heard) > 0.3) / 16000 + start
    assert np.abs((loud + 0.5) % 1 - 0.5).max() < 0.055 and {round(v) for v in loud} == {round(v) for v in white}


def test_hdtf_comes_from_its_lists_to_clips(
    site: Site, video: bytes, real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = {
        "video_url": "\ufeffOne https://www.youtube.com/watch?v=aaaaaaaaaaa&t=6s\nTwo https://www.youtube.com/watch?v=bbbbbbbbbbb\n"
        "Gone https://www.youtube.com/watch?v=ccccccccccc\nNoTimes https://www.youtube.com/watch?v=ddddddddddd\n",
        "annotion_time": "Two.mp4 00:02-00:04 00:05-00:14 \nOne.mp4 00:03-00:14\nGone.mp4 00:02-00:20\n",
        "resolution": "One.mp4 512\nTwo.mp4 0\nGone.mp4 720\n",
        "crop_wh": "One_0.mp4 64 320 32 320\nTwo_1.mp4 64 320 32 320\nTwo_0.mp4 64 320 32 320\nGone_0.mp4 1 9 1 9\n",
    }
    for name, text in lists.items():
        for group in ("RD", "WDA", "WRA"):
            site.files[f"{group}_{name}.txt"] = text.encode() if group == "RD" else b"\n"
    hashes = {name: hashlib.sha256(body).hexdigest() for name, body in site.files.items()}
    monkeypatch.setattr(hdtf.CORPUS, "lists", hashes)
    site.files |= {"aaaaaaaaaaa.mp4": video, "bbbbbbbbbbb.mp4": video}
    section = HdtfCorpus(
        root=str(tmp_path / "raw"),
        lists=site.address,
        watch=f"{site.address}/{{id}}.mp4",
        min_seconds=8,
        test_fraction=0.5,
    )
    corpus = Corpus(name="hdtf", kind="hdtf", resolution=128, hdtf=section)
    data = tmp_path / "data"
    prepare(corpus, data)
    clips = {clip.clip: clip for clip in read_manifest(data / "clips.csv")}
    assert {name: (clip.identity, clip.frames) for name, clip in clips.items()} == {
        "RD_One_000": ("RD_One", 275),
        "RD_Two_001": ("RD_Two", 225),
    }
    assert {
        (row.clip, row.stage, row.reason.split(": ")[-1]) for row in read_rejected(data / "rejected.corpus.csv")
    } == {
        ("RD_NoTimes", "corpus", "the publisher's list has no times for this video"),
        ("RD_Two_000", "corpus", "2 s, shorter than min_seconds = 8"),
        ("RD_Gone_000", "fetch", "the server answers 404 Not Found"),
    }
    assert json.loads((data / "coverage.json").read_text()) == {
        "clips": {"listed": 5, "had": 2},
        "videos": {"listed": 3, "had": 2},
    }

    # By the list: 320 of 512 rows; the video has 256. Nobody looks for a face.
    write_clip(corpus, clips["RD_One_000"], data, data / "one.mp4", lambda frame: pytest.fail("has a window"))
    info = probe(data / "one.mp4")
    assert (info.width, info.height, info.frames, info.has_audio) == (128, 128, 275, True)
    true = real / "clips/hdtf_WDA_TedLieu_256_60s.mp4"
    source = np.stack(list(islice(iter_frames(true), 75, 75 + 275, 50)))
    ours = load_frames(data / "one.mp4")[::50]
    window = source[:, 16:176, 32:192].reshape(len(source), 160, 160, 3)
    wanted = np.stack([cv2.resize(frame, (128, 128), interpolation=cv2.INTER_AREA) for frame in window])
    assert np.abs(ours.astype(int) - wanted).mean() < 2
    speech = read_audio(data / "one.mp4")
    spoken = read_audio(true)[3 * 16000 : 14 * 16000]
    # To a millisecond, as exactly as the cut's container tells times.
    assert max(np.corrcoef(speech[k : k + 160000], spoken[16 : 16 + 160000])[0, 1] for k in range(33)) > 0.95
    # Without a usable height, around the face.
    write_clip(corpus, clips["RD_Two_001"], data, data / "two.mp4", lambda frame: (80.0, 60.0, 176.0, 170.0))
    assert probe(data / "two.mp4").frames == 225

    before = list(site.asked)
    prepare(corpus, data)
    assert site.asked == before
    other = corpus.model_copy(update={"hdtf": section.model_copy(update={"crop": "face"})})
    prepare(other, data)  # the same cuts
    assert site.asked == before
    with pytest.raises(InputError, match=r"RD_One_000\.mkv: a face in 0 of 55 frames searched"):
        write_clip(other, clips["RD_One_000"], data, data / "one.mp4", lambda frame: None)


def test_voxceleb_comes_from_its_list_to_clips(
    site: Site, video: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ["video_id,start,end,bbox,fps,width,height,partition,person_id"]
    rows += [f"-{k}aaaaaaaaa,{25 + 50 * k},{125 + 50 * k},100-0-420-700,25,720,720,train,id1" for k in range(2)]
    rows += ["-2aaaaaaaaa,25,125,100-0-420-700,25,720,720,test,id2", "-0aaaaaaaaa,30,45,0-0-9-9,25,720,720,train,id1"]
    site.files["vox-metadata.csv"] = "\n".join(rows).encode()
    sha256 = hashlib.sha256(site.files["vox-metadata.csv"]).hexdigest()
    monkeypatch.setattr(voxceleb.CORPUS, "lists", {"vox-metadata.csv": sha256})
    site.files |= {f"-{k}aaaaaaaaa.mp4": video for k in (0, 2)}
    section = VoxcelebCorpus(root=str(tmp_path / "raw"), lists=site.address, watch=f"{site.address}/{{id}}.mp4")
    corpus = Corpus(name="voxceleb", kind="voxceleb", resolution=64, voxceleb=section)
    prepare(corpus, tmp_path / "data")
    first, second = read_manifest(tmp_path / "data/clips.csv")
    assert (first.clip, first.identity, first.split, first.frames) == (
        "id1_-0aaaaaaaaa_000025_000125",
        "id1",
        "train",
        100,
    )
    assert (second.identity, second.split) == ("id2", "test")
    reasons = [(row.clip, row.stage) for row in read_rejected(tmp_path / "data/rejected.corpus.csv")]
    assert reasons == [("id1_-0aaaaaaaaa_000030_000045", "corpus"), ("id1_-1aaaaaaaaa_000075_000175", "fetch")]
    write_clip(corpus, first, tmp_path, tmp_path / "one.mp4", lambda frame: pytest.fail("has a window"))
    assert probe(tmp_path / "one.mp4").frames == 100


def test_other_lists_are_refused(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdtf.CORPUS, "lists", {"RD_video_url.txt": hashlib.sha256(b"as it was").hexdigest()})
    site.files["RD_video_url.txt"] = b"as it is now"
    corpus = Corpus(kind="hdtf", hdtf=HdtfCorpus(root=str(tmp_path), lists=site.address))
    with pytest.raises(
        InputError, match=r"lists of HDTF: RD_video_url\.txt: the file that came has sha256.*set lists to a place"
    ):
        prepare(corpus, tmp_path / "data")
    site.files["RD_video_url.txt"] = b"as it was"
    with pytest.raises(InputError, match=r"RD_annotion_time\.txt: cannot be read"):  # it went on to the next list
        prepare(corpus, tmp_path / "data")
