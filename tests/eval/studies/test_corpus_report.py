"""The report of a prepared corpus: counts, measured motion, and the picture of its clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dawn.config import parse
from dawn.corpora.manifest import Clip, Rejected, write_manifest, write_rejected
from dawn.media.json_files import read_json, write_json
from dawn.media.video_writer import write_video
from dawn.paths import Paths
from eval.backbones.syncnet import SyncNet
from eval.cli import main
from eval.studies.corpus_report import select_clips
from tests.support.clips import features_of

FRAMES = 50


def _clip(name: str, identity: str, split: str = "train") -> Clip:
    return Clip(name, identity, split, FRAMES, FRAMES / 25, f"{name}.mov", "0" * 64)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Two people of two clips each, the second for testing; two clips that fell out."""
    monkeypatch.chdir(tmp_path)
    config = parse({"name": "small", "corpus": {"name": "small", "resolution": 64}})
    paths = Paths.of(config)
    clips = [_clip(f"{who}{k}", who, split) for who, split in (("ann", "train"), ("ben", "test")) for k in range(2)]
    rng = np.random.default_rng(0)
    points = np.tile(rng.uniform(8, 56, (68, 2)).astype(np.float32), (FRAMES, 1, 1))
    tone = 0.3 * np.sin(np.arange(FRAMES * 640) / 9).astype(np.float32)
    for index, clip in enumerate(clips):
        frame = np.full((64, 64, 3), 40 * index + 40, np.uint8)
        write_video(paths.clip(clip.clip), [frame] * FRAMES, audio=tone)
        pose = np.zeros((FRAMES, 6), np.float32)
        pose[:, 0] = np.linspace(-10, 10, FRAMES)
        blink = np.full((FRAMES, 2), 0.3, np.float32)
        blink[20:23] = 0.05
        features = features_of(FRAMES, landmarks=points, pose=pose, blink=blink)
        features.save(paths.clip_features(clip.clip))
    write_manifest(paths.dataset, clips)
    reasons = ("x/y1.mov: a face in 3 of 50 frames; film again", "x/z22.mov: a face in 11 of 75 frames; film again")
    write_rejected(paths.rejected, [Rejected(f"r{k}", "features", reason) for k, reason in enumerate(reasons)])
    write_json(paths.coverage, {"clips": {"listed": 7, "had": 6}, "videos": None})
    (tmp_path / "config.yaml").write_text(config.dump())
    return paths


def test_the_report_counts_clips_measures_motion_and_shows_frames(paths: Paths) -> None:
    torch.manual_seed(0)
    SyncNet(48, 0.25).save("sync.safetensors")
    out = paths.run / "corpus.md"
    assert main(["corpus", "--config", "config.yaml", "--syncnet", "sync.safetensors", "--out", str(out)]) == 0
    found = read_json(out.with_suffix(".json"))
    assert (found["clips"], found["people"], found["rejected"]) == (4, 2, 2)
    assert found["splits"]["test"] == {"clips": 2, "people": 1, "hours": pytest.approx(4 / 3600)}
    assert found["reject_reasons"] == {"features: a face in N of N frames": 2}
    assert (found["yaw"]["least"], found["yaw"]["most"]) == (-10, 10)
    assert found["blinks_per_second"]["median"] == pytest.approx(0.5)
    assert -15 <= found["offset"]["median"] <= 15
    text = out.read_text()
    assert "4 clips, 0.00 hours, 2 people, 2 rejected." in text and "| clips | 7        | 6           |" in text
    assert "Audio offsets: 4 clips, by the SyncNet sync.safetensors." in text
    with Image.open(out.with_suffix(".png")) as picture:
        assert picture.size == (4 * 128, 144)
        assert picture.getpixel((2 * 128, 0)) == (200, 30, 30) != picture.getpixel((0, 0))  # the first test clip
    assert main(["corpus", "--config", "config.yaml", "--out", str(out)]) == 0
    assert "offset" not in read_json(out.with_suffix(".json"))
    assert "results/small/syncnet.safetensors` trains one" in out.read_text()


def test_a_corpus_that_is_not_prepared_is_one_line_of_error(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    paths.dataset.unlink()
    assert main(["corpus", "--config", "config.yaml", "--out", "corpus.md"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "dataset.csv" in error


def test_weights_of_something_else_are_named_before_the_corpus_is_read(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("other.safetensors").write_bytes(b"no weights")
    paths.clip_features("ann0").unlink()
    assert main(["corpus", "--config", "config.yaml", "--syncnet", "other.safetensors", "--out", "corpus.md"]) == 2
    assert "other.safetensors: no SyncNet weights" in capsys.readouterr().err
    assert not Path("corpus.md").exists()


def test_the_picture_shows_every_person_before_any_twice() -> None:
    def clips(people: int, each: int) -> list[Clip]:
        return [_clip(f"{who}-{k}", f"p{who}") for who in range(people) for k in range(each)]

    assert len(select_clips(clips(3, 2), 40)) == 6
    assert {clip.identity for clip in select_clips(clips(40, 9), 40)} == {f"p{who}" for who in range(40)}
    many = select_clips(clips(500, 2), 40)
    assert len(many) == len({clip.identity for clip in many}) == 40 and any(c.identity == "p499" for c in many)
