"""Generation of a run's test videos: those of DAWN, its controls, and the other strategies.

=============  =====================================================================================================
dawn           speech of the clip; pose and blink from PBNet
other_speech   as dawn, with the speech of another person's clip as condition; the sound track is the clip's
commanded      speech, pose and blink of the clip: measures how well the networks follow given conditions
reenact        speech, sound, pose and blink of another person's clip, as ``dawn generate --pose-from`` takes them
styled         as dawn, from the source as a painting, a sketch or a cartoon, saved as a PNG file next to the video
still          the source frame, repeated
sar, ttr, ar   as dawn, by another strategy (docs/explanation/strategies.md)
=============  =====================================================================================================

The source is the first frame of each clip. The video is as long as the clip unless ``evaluate.inference_frames`` is
given; beyond the clip, speech continues as in :mod:`dawn.generation.sequences`, and the clip's pose and blink are
played back and forth. Every video has a JSON file that states its inputs and settings, and a safetensors file with the
pose and blink that conditioned it.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from dawn.config import Config
from dawn.corpora.manifest import Clip, read_manifest
from dawn.devices import device_name
from dawn.errors import InputError
from dawn.features.store import Features
from dawn.fingerprint import fingerprint
from dawn.generation.driving import Source, VideoStart, start_video, transfer_pose_blink
from dawn.generation.networks import Networks
from dawn.generation.outputs import open_synthetic, write_synthetic
from dawn.generation.sequences import clips_filling, joined_sound, joined_speech, ping_pong
from dawn.generation.sources import first_frame, source_of
from dawn.generation.strategies import load_strategy, videos_at_once
from dawn.generation.styles import STYLES, style_of
from dawn.generation.timed import Timed
from dawn.media.files import atomic_path, sha256_file
from dawn.media.json_files import read_json, write_json
from dawn.methods import Method, get_method, networks_of_method
from dawn.paths import Paths
from dawn.seeds import video_seed


def generate_videos(config: Config, paths: Paths, name: str, shard: int | None = None) -> None:
    """Write the test videos of the method `name`, then the report that lists them with hashes.

    With `shard`, from 0 to ``evaluate.shards`` - 1, only those of this share, and its report: :func:`gather_videos`.
    """
    from tqdm import tqdm

    method = get_method(name)
    torch.set_num_threads(config.generate.threads)
    torch.use_deterministic_algorithms(True)
    stages = networks_of_method(config, name)
    nets = Networks.load(paths.run, config, stages=stages) if stages else None
    clips = read_manifest(paths.test)
    share = range(len(clips)) if shard is None else range(shard, len(clips), config.evaluate.shards)
    test_split = [clip for clip in read_manifest(paths.dataset) if clip.split == "test"]
    videos = [_test_video(config, paths, method, clips, index, test_split) for index in share]
    with tqdm(total=len(videos), desc=f"generate {name}", unit="clip", mininterval=2) as bar:
        for group in _together(config, method, nets, videos):
            if nets is None:
                for video in group:
                    sound = joined_sound(video.speakers, video.frames, config, paths)
                    write_synthetic(
                        video.out, itertools.repeat(first_frame(video.clip, paths), video.frames), sound, config
                    )
            else:
                _generate(nets, method, group, paths)
            bar.update(len(group))
    files = {video.clip.clip: sha256_file(video.out) for video in videos}
    if shard is None:
        _write_report(paths.videos_report(name), files)
    else:
        write_json(paths.videos_shard(name, shard), {"files": files})


def gather_videos(config: Config, paths: Paths, name: str) -> None:
    """Write the report of all test videos of a method, which were generated in shards.

    Raises InputError when a shard's report is missing or does not list the present test clips, and when a video is not
    the one that a report lists.
    """
    files: dict[str, str] = {}
    for shard in range(config.evaluate.shards):
        report = paths.videos_shard(name, shard)
        if not report.is_file():
            raise InputError(f"{report}: missing; generate the shard (dawn videos {name} --shard {shard})")
        listed = read_json(report)["files"]
        files |= listed
        for clip, sha256 in listed.items():
            video = paths.videos(name) / f"{clip}.mp4"
            if not video.is_file() or sha256_file(video) != sha256:
                raise InputError(
                    f"{video}: missing, or another than shard {shard} wrote; generate it again "
                    f"(dawn videos {name} --shard {shard})"
                )
    clips = [clip.clip for clip in read_manifest(paths.test)]
    if set(clips) != set(files):
        raise InputError(
            f"{paths.test}: other clips than those of the shards; generate them again (dawn videos {name})"
        )
    _write_report(paths.videos_report(name), {clip: files[clip] for clip in clips})


def _write_report(path: Path, files: dict[str, str]) -> None:
    write_json(path, {"files": files, "digest": fingerprint(files)})


@dataclass(frozen=True)
class _TestVideo:
    """Inputs and output file of one test video."""

    clip: Clip
    driver: Clip  # the clip itself, or one of another person
    index: int  # of the clip among the evaluated ones
    frames: int
    speakers: list[Clip]  # whose sound it has
    out: Path


def _test_video(
    config: Config, paths: Paths, method: Method, clips: list[Clip], index: int, test_split: list[Clip]
) -> _TestVideo:
    clip = clips[index]
    needs_other = "other" in (method.speech, method.sound, method.pose_blink)
    driver = _other_person(clips, index, method.name) if needs_other else clip
    speaker = driver if method.sound == "other" else clip
    frames = config.evaluate.inference_frames or speaker.frames
    out = paths.videos(method.name) / f"{clip.clip}.mp4"
    return _TestVideo(clip, driver, index, frames, clips_filling(test_split, speaker, frames), out)


def _together(
    config: Config, method: Method, nets: Networks | None, videos: Sequence[_TestVideo]
) -> Iterator[Sequence[_TestVideo]]:
    """Divide videos into groups of equal length that are generated together."""
    for frames, group in itertools.groupby(sorted(videos, key=lambda video: video.frames), lambda video: video.frames):
        equal = list(group)
        count = 1
        if nets is not None and method.strategy is not None:
            count = videos_at_once(method.strategy, config, frames, nets.device)
        yield from (equal[start : start + count] for start in range(0, len(equal), count))


def _generate(nets: Networks, method: Method, videos: Sequence[_TestVideo], paths: Paths) -> None:
    """Generate videos of equal length, and write each with what it was generated from."""
    assert method.strategy is not None
    inputs = [_inputs(method, video, paths) for video in videos]
    clock = time.perf_counter()
    # The seed depends on the clip: its video is independent of the other videos.
    starts = [
        start_video(nets, source, speech, video_seed(nets.config.seed, video.clip.clip), pose_blink)
        for video, (source, speech, pose_blink) in zip(videos, inputs, strict=True)
    ]
    seconds = time.perf_counter() - clock
    generated = Timed(load_strategy(method.strategy)(nets, starts))
    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(
                open_synthetic(
                    video.out, joined_sound(video.speakers, video.frames, nets.config, paths), nets.config, nets
                )
            )
            for video in videos
        ]
        for frames in generated:
            for writer, frame in zip(writers, frames, strict=True):
                writer.write(frame)
    seconds = (seconds + generated.seconds) / len(videos)
    for video, start in zip(videos, starts, strict=True):
        _write_inputs(nets, method, video, start, seconds, len(videos))


def _inputs(
    method: Method, video: _TestVideo, paths: Paths
) -> tuple[Source, NDArray[np.float32], tuple[NDArray[np.float32], NDArray[np.float32]] | None]:
    """Read the source, the speech (n, c), and where the method has them, pose (n, 6) and blink (n, 2) of a video."""
    if method.speech == method.sound:
        speech = joined_speech(video.speakers, video.frames, paths)
    else:
        speech = _repeated_speech(video.driver, video.frames, paths)
    features = Features.load(paths.clip_features(video.clip.clip))
    source = source_of(video.clip, features, paths)
    if method.styled:
        from dawn.media.image import write_image

        source = replace(source, image=STYLES[style_of(video.index)](source.image))
        write_image(video.out.with_suffix(".png"), source.image)
    pose_blink = None
    if method.pose_blink == "clip":
        order = ping_pong(len(features.pose), len(speech))
        pose_blink = features.pose[order], features.blink[order]
    elif method.pose_blink == "other":
        others = Features.load(paths.clip_features(video.driver.clip))
        pose_blink = transfer_pose_blink(others.pose, others.blink, source, len(speech))
    return source, speech, pose_blink


def _write_inputs(
    nets: Networks, method: Method, video: _TestVideo, start: VideoStart, seconds: float, together: int
) -> None:
    """Write the files next to a video: the pose and blink that conditioned it, and its inputs and settings."""
    config, out = nets.config, video.out
    with atomic_path(out.with_suffix(".safetensors")) as aside:
        arrays = {"pose": start.driving.pose, "blink": start.driving.blink}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, aside)
    assert method.strategy is not None
    settings = config.generate.model_dump(include={method.strategy}).get(method.strategy, {})
    write_json(
        out.with_suffix(".json"),
        {
            "clip": video.clip.clip,
            "driver": video.driver.clip,
            "method": method.name,
            "style": style_of(video.index) if method.styled else None,
            "strategy": {"name": method.strategy} | settings,
            "weights": nets.hashes,
            "seed": video_seed(config.seed, video.clip.clip),
            "frames": video.frames,
            "steps": config.generate.steps,
            "eta": config.generate.eta,
            "guidance": config.generate.guidance,
            "speech_guidance": config.generate.speech_guidance,
            "window": config.generate.window,
            "pbnet_window": config.generate.pbnet_window,
            "device": device_name(nets.device),
            "together": together,  # videos that were generated at once
            "seconds": round(seconds, 3),  # pose and blink, motion, decoding; an equal share of those together
        },
    )


def _other_person(clips: list[Clip], index: int, method: str) -> Clip:
    """Return the next test clip of another person. Raises InputError when the test split holds one person."""
    identity = clips[index].identity
    other = next((clip for clip in clips[index + 1 :] + clips[:index] if clip.identity != identity), None)
    if other is None:
        raise InputError(f"the test split holds one person; the videos {method!r} need two")
    return other


def _repeated_speech(clip: Clip, frames: int, paths: Paths) -> NDArray[np.float32]:
    """Load the speech features of a clip, repeated or cut to (frames, c)."""
    speech = Features.load(paths.clip_features(clip.clip)).speech
    return speech[np.arange(frames) % len(speech)]
