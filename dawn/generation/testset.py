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

import itertools
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from dawn.config import Config
from dawn.corpora.manifest import Clip, read_manifest
from dawn.errors import InputError
from dawn.features.store import Features
from dawn.fingerprint import fingerprint
from dawn.generation.driving import Source, start_video, transfer_pose_blink
from dawn.generation.networks import Networks
from dawn.generation.outputs import write_synthetic
from dawn.generation.sequences import clips_filling, joined_sound, joined_speech, ping_pong
from dawn.generation.strategies import load_strategy
from dawn.generation.styles import STYLES, style_of
from dawn.generation.timed import Timed
from dawn.media.files import atomic_path, sha256_file
from dawn.media.json_files import write_json
from dawn.methods import Method, get_method, networks_of_method
from dawn.paths import Paths
from dawn.seeds import video_seed


def generate_videos(config: Config, paths: Paths, name: str) -> None:
    """Write the test videos of the method `name`, then the report that lists them with hashes."""
    from tqdm import tqdm

    method = get_method(name)
    torch.set_num_threads(config.generate.threads)
    torch.use_deterministic_algorithms(True)
    stages = networks_of_method(config, name)
    nets = Networks.load(paths.run, config, stages=stages) if stages else None
    clips = read_manifest(paths.test)
    test_split = [clip for clip in read_manifest(paths.dataset) if clip.split == "test"]
    files = {}
    for index, clip in enumerate(tqdm(clips, desc=f"generate {name}", unit="clip", mininterval=2)):
        out = paths.videos(name) / f"{clip.clip}.mp4"
        needs_other = "other" in (method.speech, method.sound, method.pose_blink)
        driver = _other_person(clips, index, name) if needs_other else clip
        speaker = driver if method.sound == "other" else clip
        frames = config.evaluate.inference_frames or speaker.frames
        speakers = clips_filling(test_split, speaker, frames)
        sound = joined_sound(speakers, frames, config, paths)
        if nets is None:
            write_synthetic(out, itertools.repeat(_first_frame(clip, paths), frames), sound, config)
        else:
            if method.speech == method.sound:
                speech = joined_speech(speakers, frames, paths)
            else:
                speech = _repeated_speech(driver, frames, paths)
            _generate(nets, method, _TestVideo(clip, driver, index, speech, sound, out), paths)
        files[clip.clip] = sha256_file(out)
    write_json(paths.videos_report(name), {"files": files, "digest": fingerprint(files)})


def source_of(clip: Clip, features: Features, paths: Paths) -> Source:
    """Build the source from the first frame of a clip and its measured features."""
    return Source(_first_frame(clip, paths), features.pose[0], features.blink[0], features.face_box[0])


@dataclass(frozen=True)
class _TestVideo:
    """Inputs and output file of one test video."""

    clip: Clip
    driver: Clip  # the clip itself, or one of another person
    index: int  # of the clip among the evaluated ones
    speech: NDArray[np.float32]  # (n, c)
    sound: NDArray[np.float32]  # (T,)
    out: Path


def _generate(nets: Networks, method: Method, video: _TestVideo, paths: Paths) -> None:
    config, clip, speech, out = nets.config, video.clip, video.speech, video.out
    features = Features.load(paths.clip_features(clip.clip))
    source = source_of(clip, features, paths)
    style = style_of(video.index) if method.styled else None
    if style is not None:
        source = replace(source, image=STYLES[style](source.image))
        _write_image(source.image, out.with_suffix(".png"))
    # The seed depends on the clip: its video is independent of the other videos.
    seed = video_seed(config.seed, clip.clip)
    clock = time.perf_counter()
    pose_blink = None
    if method.pose_blink == "clip":
        order = ping_pong(len(features.pose), len(speech))
        pose_blink = features.pose[order], features.blink[order]
    elif method.pose_blink == "other":
        others = Features.load(paths.clip_features(video.driver.clip))
        pose_blink = transfer_pose_blink(others.pose, others.blink, source, len(speech))
    driving, generator = start_video(nets, source, speech, seed, pose_blink)
    seconds = time.perf_counter() - clock
    assert method.strategy is not None
    frames = Timed(load_strategy(method.strategy)(nets, source, driving, generator))
    write_synthetic(out, frames, video.sound, config)
    with atomic_path(out.with_suffix(".safetensors")) as aside:
        arrays = {"pose": driving.pose, "blink": driving.blink}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, aside)
    settings = config.generate.model_dump(include={method.strategy}).get(method.strategy, {})
    write_json(
        out.with_suffix(".json"),
        {
            "clip": clip.clip,
            "driver": video.driver.clip,
            "method": method.name,
            "style": style,
            "strategy": {"name": method.strategy} | settings,
            "weights": nets.hashes,
            "seed": seed,
            "frames": len(speech),
            "steps": config.generate.steps,
            "eta": config.generate.eta,
            "guidance": config.generate.guidance,
            "window": config.generate.window,
            "pbnet_window": config.generate.pbnet_window,
            "seconds": round(seconds + frames.seconds, 3),  # pose and blink, motion, decoding
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


def _first_frame(clip: Clip, paths: Paths) -> NDArray[np.uint8]:
    from dawn.media.video import iter_frames

    return next(iter_frames(paths.clip(clip.clip)))


def _write_image(image: NDArray[np.uint8], path: Path) -> None:
    from PIL import Image

    with atomic_path(path) as aside:
        Image.fromarray(image).save(aside)
