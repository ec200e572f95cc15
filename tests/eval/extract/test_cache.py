"""Features are computed once for each video and part, whatever the batch; what cannot be had is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.media.video_writer import write_video
from eval.extract import reading
from eval.extract.cache import Arrays, Cache
from eval.extract.features import Choices, Part, Seen
from eval.extract.reading import available, read
from eval.extract.video import Footage, footage


@pytest.fixture
def video(tmp_path: Path) -> Path:
    frames = [np.full((32, 48, 3), 5 * k, np.uint8) for k in range(20)]
    write_video(tmp_path / "a.mp4", frames, fps=50, audio=np.zeros(6400, np.float32))
    return tmp_path / "a.mp4"


class _Counted:
    """A part that counts how often it is computed."""

    def __init__(self, setting: int = 0) -> None:
        self.calls = 0
        self.part = Part("mean", {"setting": setting}, lambda: self._run)

    def _run(self, film: Footage, _: Seen) -> Arrays:
        self.calls += 1
        mean: NDArray[np.float64] = film.frames.mean(axis=(1, 2))
        return {"rows": mean}


def test_frames_follow_the_rule_and_leave_nothing(video: Path) -> None:
    with footage(video) as film:
        assert film.frames.shape == (10, 32, 48, 3)
        assert film.stored.fps == pytest.approx(50)
        assert film.frames[:, 16, 24, 0] == pytest.approx(np.arange(10) * 10, abs=3)
        assert len(film.audio) == pytest.approx(6400, abs=1024)


def test_a_part_is_computed_once_for_each_content_and_setting(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, counted = Cache(tmp_path / "cache"), _Counted()
    first = read([video], {"mean": counted.part}, cache)
    copy = tmp_path / "renamed.mp4"
    copy.write_bytes(video.read_bytes())
    monkeypatch.setattr(reading, "footage", None)  # nothing is decoded again
    again = read([copy, video], {"mean": counted.part}, cache)
    assert counted.calls == 1
    assert (again.videos[copy].parts["mean"]["rows"] == first.videos[video].parts["mean"]["rows"]).all()
    assert again.videos[copy].sha256 == first.videos[video].sha256
    monkeypatch.undo()
    other = _Counted(setting=1)
    read([video], {"mean": other.part}, cache)
    assert other.calls == 1


def test_a_damaged_file_of_the_cache_is_made_again(video: Path, tmp_path: Path) -> None:
    cache, counted = Cache(tmp_path / "cache"), _Counted()
    read([video], {"mean": counted.part}, cache)
    (file,) = (tmp_path / "cache").rglob("*.safetensors")
    file.write_bytes(b"cut")
    assert len(read([video], {"mean": counted.part}, cache).videos[video].parts["mean"]["rows"]) == 10
    assert counted.calls == 2
    assert not [path for path in (tmp_path / "cache").rglob(".*") if path.is_file()]  # nothing half-written is left


def test_batches_change_nothing_beyond_rounding(video: Path, tmp_path: Path) -> None:
    name = "efficientnet-lite0-1280:fifth"
    rows = []
    for batch in (1, 16):
        found, missing = available([name], Choices(batch=batch))
        assert not missing
        rows.append(read([video], found, Cache(tmp_path / str(batch))).videos[video].parts[name]["rows"])
    assert found[name].key == available([name], Choices())[0][name].key
    assert rows[0] == pytest.approx(rows[1], abs=1e-5)


def test_absent_weights_and_unreadable_videos_stop_nothing(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DAWN_WEIGHTS", "TORCH_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "empty"))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    found, missing = available(["inception-fid:frames", "beats"], Choices())
    result = read([video, broken], found, Cache(tmp_path / "cache"))
    assert "not on this machine" in missing["inception-fid:frames"]
    assert set(result.videos[video].parts) == {"footage", "beats"}
    assert list(result.unreadable) == [broken]
