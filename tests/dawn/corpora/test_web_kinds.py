"""HDTF and VoxCeleb from their lists to clips, from a site on loopback."""

from __future__ import annotations

import hashlib
import json
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("yt_dlp")

from dawn.config import Corpus, HdtfCorpus, VoxcelebCorpus
from dawn.corpora.kinds import hdtf, voxceleb
from dawn.corpora.manifest import read_manifest, read_rejected
from dawn.corpora.prepare import prepare, write_clip
from dawn.errors import InputError
from dawn.media.audio import read_audio
from dawn.media.video import iter_frames, load_frames, probe
from tests.support.video_site import Site


def test_hdtf_from_its_lists_to_clips(
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

    # By the list: 320 of 512 rows; the video has 256. No face is detected.
    write_clip(corpus, clips["RD_One_000"], data, data / "one.mp4", lambda frame: pytest.fail("has a window"))
    info = probe(data / "one.mp4")
    assert (info.width, info.height, info.frames, info.has_audio) == (128, 128, 275, True)
    true = real / "clips/hdtf_WDA_TedLieu_256_60s.mp4"
    source = np.stack(list(islice(iter_frames(true), 75, 75 + 275, 50)))
    frames = load_frames(data / "one.mp4")[::50]
    window = source[:, 16:176, 32:192].reshape(len(source), 160, 160, 3)
    expected = np.stack([cv2.resize(frame, (128, 128), interpolation=cv2.INTER_AREA) for frame in window])
    assert np.abs(frames.astype(int) - expected).mean() < 2
    speech = read_audio(data / "one.mp4")
    spoken = read_audio(true)[3 * 16000 : 14 * 16000]
    # To a millisecond, the resolution of the container.
    assert max(np.corrcoef(speech[k : k + 160000], spoken[16 : 16 + 160000])[0, 1] for k in range(33)) > 0.95
    # Without a usable height, around the face.
    write_clip(corpus, clips["RD_Two_001"], data, data / "two.mp4", lambda frame: (80.0, 60.0, 176.0, 170.0))
    assert probe(data / "two.mp4").frames == 225

    before = list(site.requests)
    prepare(corpus, data)
    assert site.requests == before
    by_face = corpus.model_copy(update={"hdtf": section.model_copy(update={"crop": "face"})})
    prepare(by_face, data)  # the same cuts
    assert site.requests == before
    with pytest.raises(InputError, match=r"RD_One_000\.mkv: a face in 0 of 55 frames searched"):
        write_clip(by_face, clips["RD_One_000"], data, data / "one.mp4", lambda frame: None)


def test_voxceleb_from_its_list_to_clips(
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


def test_changed_lists_are_refused(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdtf.CORPUS, "lists", {"RD_video_url.txt": hashlib.sha256(b"as it was").hexdigest()})
    site.files["RD_video_url.txt"] = b"as it is now"
    corpus = Corpus(kind="hdtf", hdtf=HdtfCorpus(root=str(tmp_path), lists=site.address))
    with pytest.raises(
        InputError, match=r"lists of HDTF: RD_video_url\.txt: the file that came has sha256.*set lists to a place"
    ):
        prepare(corpus, tmp_path / "data")
    site.files["RD_video_url.txt"] = b"as it was"
    with pytest.raises(InputError, match=r"RD_annotion_time\.txt: cannot be read"):  # it read the next list
        prepare(corpus, tmp_path / "data")
