"""The test videos of a baseline: made by upstream's own command, or taken from where they were made.

Both ways give ``<clip>.mp4`` at the corpus' size and rate, each with a sidecar that says what made it. A clip that is
there already and was made by the same causes is kept, so a broken-off run continues.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from dawn.baselines.declaration import Baseline, Crop, fill
from dawn.baselines.place import ELSEWHERE, HERE, Place, missing
from dawn.config import Config
from dawn.corpora.manifest import Clip, read_manifest
from dawn.errors import InputError
from dawn.features.boxes import face_box
from dawn.features.store import Features
from dawn.fingerprint import fingerprint
from dawn.media.audio import read_audio, write_wav
from dawn.media.files import atomic_path, sha256_file
from dawn.media.framing import FACE_CENTRE, crop
from dawn.media.json_files import read_json, write_json
from dawn.media.video import iter_frames, probe
from dawn.media.video_writer import write_video
from dawn.paths import Paths

_TAIL = 20  # lines of a failed command's output that are kept beside the reason
_MIN_SHARE = 0.8  # a video that holds less of the clip's frames is a failure


def make_videos(name: str, baseline: Baseline, config: Config, paths: Paths, place: Place) -> None:
    """Write the test videos of one baseline, then the report that lists them with hashes.

    The source is the first frame of each test clip, cropped by the declared rule, and the speech its sound. Videos in
    `place` named by clip are taken instead where there are any. Clips that fail are listed with the reason and the end
    of the command's output in ``<run>/baselines/<name>.failed.json``. Raises InputError when the baseline is not set
    up, or when any clip failed; what was made stays for the next try, and no report is written.
    """
    clips = read_manifest(paths.test)
    elsewhere = place.videos()
    made = ELSEWHERE if any(clip.clip in elsewhere for clip in clips) else HERE
    if made == ELSEWHERE:
        absent = [clip.clip for clip in clips if clip.clip not in elsewhere]
        if absent:
            raise InputError(
                f"{place.home}: holds videos of {len(clips) - len(absent)} of the run's {len(clips)} test clips; "
                f"add {absent[0]}.mp4, or take all of them away"
            )
    else:
        lines = missing(baseline, place)
        if lines:
            raise InputError(
                f"{name}: {place.home} holds no video of this run's test clips and is not set up: {lines[0]} "
                f"('dawn baseline check {name}' lists {len(lines)})"
            )
    folder, report = paths.baseline_videos(name), paths.videos_report(name)
    setup = {"declaration": baseline.cause(), "commit": place.head()} if made == HERE else {}
    files: dict[str, str] = {}
    failed: dict[str, Any] = {}
    for clip in tqdm(clips, desc=f"baseline {name}", unit="clip", mininterval=2):
        out = folder / f"{clip.clip}.mp4"
        log = paths.run / "logs/baselines" / name / f"{clip.clip}.log"
        true = paths.clips / f"{clip.clip}.mp4"
        cause: dict[str, Any] = {
            "baseline": name,
            "clip": clip.clip,
            "made": made,
            "true": sha256_file(true),
            "frames": min(clip.frames, config.evaluate.inference_frames or clip.frames),
            "resolution": config.corpus.resolution,
            "fps": config.corpus.fps,
            **setup,
        }
        if made == ELSEWHERE:
            cause["original"] = sha256_file(elsewhere[clip.clip])
        if not _kept(out, cause):
            out.unlink(missing_ok=True)
            try:
                if made == ELSEWHERE:
                    _take(elsewhere[clip.clip], true, baseline, config, cause["frames"], out)
                else:
                    cause |= _generate(baseline, config, paths, place, clip, cause["frames"], out, log)
            except InputError as error:
                failed[clip.clip] = {"reason": str(error), "log": str(log), "tail": _tail(log)}
                continue
            write_json(out.with_suffix(".json"), cause | {"sha256": sha256_file(out)})
        files[clip.clip] = sha256_file(out)
    failures = folder.with_name(f"{name}.failed.json")
    if failed:
        report.unlink(missing_ok=True)
        write_json(failures, failed)
        first, about = next(iter(failed.items()))
        raise InputError(
            f"{name}: {len(failed)} of {len(clips)} clips failed, listed in {failures}; {first}: {about['reason']}"
        )
    failures.unlink(missing_ok=True)
    write_json(report, {"files": files, "digest": fingerprint(files), "made": made})


def portrait(frame: NDArray[np.uint8], rule: Crop, landmarks: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The source as a baseline takes it, uint8 (side, side, 3), from a square frame (S, S, 3) and landmarks (68, 2)."""
    if rule.face is None:
        return crop(frame, (0, 0, frame.shape[1], frame.shape[0]), rule.side)
    x0, y0, x1, y1 = (float(value) for value in face_box(landmarks))
    side = (y1 - y0) / rule.face
    left, top = (x0 + x1) / 2 - FACE_CENTRE[0] * side, (y0 + y1) / 2 - FACE_CENTRE[1] * side
    return crop(frame, (left, top, left + side, top + side), rule.side)


def _kept(out: Path, cause: dict[str, Any]) -> bool:
    """Whether `out` is there, whole, and made by this cause."""
    sidecar = out.with_suffix(".json")
    if not (out.is_file() and sidecar.is_file()):
        return False
    about = read_json(sidecar)
    return all(about.get(key) == value for key, value in cause.items()) and about.get("sha256") == sha256_file(out)


def _generate(
    baseline: Baseline, config: Config, paths: Paths, place: Place, clip: Clip, frames: int, out: Path, log: Path
) -> dict[str, Any]:
    """Run upstream's command for one clip and write its video to `out`; what the sidecar says of it."""
    true = paths.clips / f"{clip.clip}.mp4"
    sound = _sound(true, config, frames)
    landmarks = Features.load(paths.features / f"{clip.clip}.safetensors").landmarks[0]
    # Some programs split paths and names at dots, so neither the folder nor the stem holds one.
    name = re.sub(r"[^A-Za-z0-9_-]", "_", clip.clip)
    with tempfile.TemporaryDirectory(prefix="dawn_") as made:
        work = Path(made)
        Image.fromarray(portrait(next(iter_frames(true)), baseline.crop, landmarks)).save(work / f"{name}.png")
        write_wav(work / f"{name}.wav", sound, config.corpus.sample_rate)
        given = {
            "python": str(place.python.absolute()),
            "portrait": str(work / f"{name}.png"),
            "speech": str(work / f"{name}.wav"),
            "output": str(work / f"{name}.mp4"),
            "folder": str(work),
            "name": name,
        }
        for file, tree in baseline.files.items():
            with atomic_path(work / file) as aside:
                aside.write_text(yaml.safe_dump(fill(tree, given), sort_keys=False), encoding="utf-8")
        command = fill(baseline.command, given)
        result = _run(command, place, fill(baseline.output, given), log)
        size = _conform(result, sound, baseline, config, frames, out)
        if place.repo.absolute() in result.parents:
            result.unlink()  # taken; the checkout stays as it was
    return {"command": " ".join(baseline.command), "native": size}


def _run(command: list[str], place: Place, pattern: str, log: Path) -> Path:
    """Run `command` in the checkout, its output into `log`; the video matching `pattern` that is new since."""
    repo = place.repo.absolute()
    before = _matches(repo, pattern)
    # Its own environment, and nothing of ours.
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["PATH"] = f"{place.python.absolute().parent}{os.pathsep}{environment.get('PATH', '')}"
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "w", encoding="utf-8") as stream:
        try:
            done = subprocess.run(
                command, cwd=repo, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise InputError(f"{command[0]}: does not start ({error.strerror})") from None
    if done.returncode:
        last = (_tail(log) or ["it printed nothing"])[-1]
        raise InputError(f"the command ended with code {done.returncode}: {last}")
    new = {path: stamp for path, stamp in _matches(repo, pattern).items() if before.get(path) != stamp}
    if not new:
        raise InputError(f"the command ended well but wrote no {pattern}")
    return max(new, key=lambda path: (new[path], path))


def _matches(repo: Path, pattern: str) -> dict[Path, int]:
    root = Path("/") if pattern.startswith("/") else repo
    return {path: path.stat().st_mtime_ns for path in root.glob(pattern.lstrip("/")) if path.is_file()}


def _take(original: Path, true: Path, baseline: Baseline, config: Config, frames: int, out: Path) -> None:
    """A video made elsewhere: byte for byte where size, rate and sound are the corpus', else resampled."""
    info = probe(original)
    side, fps = config.corpus.resolution, config.corpus.fps
    if info.has_audio and info.width == info.height == side and abs(info.fps - fps) < 0.01:
        _long_enough(original, info.frames, frames)
        with atomic_path(out) as aside:
            shutil.copyfile(original, aside)
        return
    _conform(original, _sound(true, config, frames), baseline, config, frames, out)


def _conform(
    video: Path, sound: NDArray[np.float32], baseline: Baseline, config: Config, frames: int, out: Path
) -> list[int]:
    """`video` at the corpus' size and rate, at most `frames` long, with the clip's own sound; its size before."""
    info = probe(video)
    if info.width != info.height:
        raise InputError(f"{video.name}: {info.width} x {info.height} pixels; the clips are square")
    side = config.corpus.resolution

    def resampled() -> Iterator[NDArray[np.uint8]]:
        count = 0
        for frame in iter_frames(video, config.corpus.fps):
            if count == frames:
                return
            count += 1
            if frame.shape[0] != side:
                method = cv2.INTER_AREA if frame.shape[0] > side else cv2.INTER_CUBIC
                frame = np.asarray(cv2.resize(frame, (side, side), interpolation=method), np.uint8)
            yield frame
        _long_enough(video, count, frames)

    write_video(
        out,
        resampled(),
        fps=config.corpus.fps,
        audio=sound,
        sample_rate=config.corpus.sample_rate,
        metadata={"title": "Synthetic talking head", "comment": f"AI-generated with {baseline.title}: synthetic"},
    )
    return [info.width, info.height]


def _long_enough(video: Path, count: int, frames: int) -> None:
    if count < _MIN_SHARE * frames:
        raise InputError(f"{video.name}: holds {count} of the clip's {frames} frames")


def _sound(true: Path, config: Config, frames: int) -> NDArray[np.float32]:
    """The clip's speech, float32 (T,), as long as `frames` frames."""
    rate = config.corpus.sample_rate
    return read_audio(true, rate)[: frames * rate // config.corpus.fps]


def _tail(log: Path) -> list[str]:
    """The last lines of a log; none when there is no log."""
    if not log.is_file():
        return []
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if line.strip()][-_TAIL:]
