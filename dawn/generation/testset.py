"""The test videos of a run: DAWN's own, the controls that its numbers are read against, and the other strategies.

=============  =====================================================================================================
dawn           speech of the clip, pose and blink from PBNet
other_speech   the same, driven by the speech of another person's clip; the clip's own sound is muxed
commanded      speech, pose and blink of the clip: what the networks follow when told exactly
reenact        speech, sound, pose and blink of another person's clip, as ``dawn generate --pose-from`` takes them
styled         as dawn, from the source as a painting, a sketch or a cartoon, which lies beside the video as a picture
still          the source frame, held
sar, ttr, ar   as dawn, with time covered in another way (docs/explanation/strategies.md)
=============  =====================================================================================================

The source is the first frame of each clip. The video is as long as the clip unless ``evaluate.inference_frames`` is
given; beyond the clip, speech goes on as ``dawn/generation/longer.py`` says, and commanded pose and blink turn back.
Every video has a sidecar: what made it, and the pose and blink commanded.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import save_file
from tqdm import tqdm

from dawn.config import Config
from dawn.corpora.manifest import Clip, read_manifest, write_manifest
from dawn.errors import InputError
from dawn.features.store import Features
from dawn.fingerprint import fingerprint
from dawn.generation.longer import back_and_forth, sound_of, speech_of, spoken
from dawn.generation.motion import Source, sample_pose_blink
from dawn.generation.networks import Networks
from dawn.generation.strategies import load_strategy
from dawn.generation.styles import STYLES, style_of
from dawn.generation.talk import carried, write_talk
from dawn.generation.timed import Timed
from dawn.media.files import atomic_path, sha256_file
from dawn.media.json_files import write_json
from dawn.media.video import iter_frames
from dawn.methods import Method, get_method, networks_of_method
from dawn.paths import Paths
from dawn.seeds import torch_generator, video_seed


def choose_clips(config: Config, paths: Paths) -> None:
    """Write the clips that are measured: the test split, at most ``evaluate.max_clips``, spread over identities."""
    clips = [clip for clip in read_manifest(paths.dataset) if clip.split == "test"]
    rank: dict[str, int] = {}
    order = []
    for clip in clips:
        rank[clip.identity] = rank.get(clip.identity, -1) + 1
        order.append((rank[clip.identity], clip.identity, clip.clip))
    chosen = {row[2] for row in sorted(order)[: config.evaluate.max_clips]}
    if not chosen:
        raise InputError(f"{paths.dataset}: no clips in the test split")
    write_manifest(paths.test, [clip for clip in clips if clip.clip in chosen])


def make_videos(config: Config, paths: Paths, name: str) -> None:
    """Write the test videos of the method `name` with their sidecars, then the report that lists them with hashes."""
    method = get_method(name)
    torch.set_num_threads(config.generate.threads)
    torch.use_deterministic_algorithms(True)
    stages = networks_of_method(config, name)
    nets = Networks.load(paths.run, config, stages=stages) if stages else None
    clips = read_manifest(paths.test)
    test_split = [clip for clip in read_manifest(paths.dataset) if clip.split == "test"]
    folder = paths.videos(name)
    files = {}
    for index, clip in enumerate(tqdm(clips, desc=f"generate {name}", unit="clip", mininterval=2)):
        out = folder / f"{clip.clip}.mp4"
        needs_other = "other" in (method.speech, method.sound, method.pose_blink)
        driver = _other_person(clips, index, name) if needs_other else clip
        speaker = driver if method.sound == "other" else clip
        frames = config.evaluate.inference_frames or speaker.frames
        speakers = spoken(test_split, speaker, frames)
        sound = sound_of(speakers, frames, config, paths)
        if nets is None:
            first = next(iter_frames(paths.clips / f"{clip.clip}.mp4"))
            write_talk(config, itertools.repeat(first, frames), sound, out)
        else:
            if method.speech != method.sound:
                speech = _repeated_speech(driver, frames, paths)
            else:
                speech = speech_of(speakers, frames, paths)
            style = style_of(index) if method.styled else None
            _generate(nets, method, clip, driver, speech, sound, style, paths, out)
        files[clip.clip] = sha256_file(out)
    write_json(paths.videos_report(name), {"files": files, "digest": fingerprint(files)})


def source_of(clip: Clip, features: Features, paths: Paths) -> Source:
    """The first frame of a clip."""
    picture = next(iter_frames(paths.clips / f"{clip.clip}.mp4"))
    return Source(picture, features.pose[0], features.blink[0], features.face_box[0])


def _generate(
    nets: Networks,
    method: Method,
    clip: Clip,
    driver: Clip,
    speech: NDArray[np.float32],
    sound: NDArray[np.float32],
    style: str | None,
    paths: Paths,
    out: Path,
) -> None:
    config = nets.config
    features = Features.load(paths.features / f"{clip.clip}.safetensors")
    source = source_of(clip, features, paths)
    if style is not None:
        source = replace(source, image=STYLES[style](source.image))
        with atomic_path(out.with_suffix(".png")) as aside:
            Image.fromarray(source.image).save(aside)
    # The seed is of the clip: its video does not depend on which others are generated.
    seed = video_seed(config.seed, clip.clip)
    generator = torch_generator(seed)
    clock = time.perf_counter()
    if method.pose_blink == "clip":
        order = back_and_forth(len(features.pose), len(speech))
        pose, blink = features.pose[order], features.blink[order]
    elif method.pose_blink == "other":
        driving = Features.load(paths.features / f"{driver.clip}.safetensors")
        pose, blink = carried(driving.pose, driving.blink, source, len(speech))
    else:
        pose, blink = sample_pose_blink(nets, source, speech, generator)
    seconds = time.perf_counter() - clock
    assert method.strategy is not None
    frames = Timed(load_strategy(method.strategy)(nets, source, speech, pose, blink, generator))
    write_talk(config, frames, sound, out)
    with atomic_path(out.with_suffix(".safetensors")) as aside:
        save_file({"pose": np.ascontiguousarray(pose), "blink": np.ascontiguousarray(blink)}, aside)
    write_json(
        out.with_suffix(".json"),
        {
            "clip": clip.clip,
            "driver": driver.clip,
            "method": method.name,
            "style": style,
            "strategy": {"name": method.strategy}
            | config.generate.model_dump(include={method.strategy}).get(method.strategy, {}),
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
    """The next test clip of another person."""
    own = clips[index]
    other = next((clip for clip in clips[index + 1 :] + clips[:index] if clip.identity != own.identity), None)
    if other is None:
        raise InputError(f"the test split holds one person; the videos {method!r} need two")
    return other


def _repeated_speech(clip: Clip, frames: int, paths: Paths) -> NDArray[np.float32]:
    """Speech features of a clip, repeated or cut to `frames`."""
    speech = Features.load(paths.features / f"{clip.clip}.safetensors").speech
    return speech[np.arange(frames) % len(speech)]
