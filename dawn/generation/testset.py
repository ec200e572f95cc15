"""The test videos of a run: DAWN's own and the controls that its numbers are read against.

=============  =====================================================================================================
dawn           speech of the clip, pose and blink from PBNet
other_speech   the same, driven by the speech of another person's clip; the clip's own sound is muxed
commanded      speech, pose and blink of the clip: what the networks follow when told exactly
still          the source frame, held
=============  =====================================================================================================

The source is the first frame of each clip. Every video has a sidecar: what made it, and the pose and blink commanded.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tqdm import tqdm

from dawn.config import Config
from dawn.corpora.manifest import Clip, read_manifest, write_manifest
from dawn.errors import InputError
from dawn.features.store import Features
from dawn.generation.nar import Source, sample_motion, sample_pose_blink
from dawn.generation.networks import Networks
from dawn.generation.talk import SYNTHETIC, write_talk
from dawn.media.audio import read_audio
from dawn.media.files import atomic_path, sha256_file
from dawn.media.video import iter_frames, write_video
from dawn.paths import METHODS, Paths
from dawn.provenance import digest, write_json
from dawn.training.loop import step_seed


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


def make_videos(config: Config, paths: Paths, method: str) -> None:
    """Write the test videos of one method with their sidecars, then the report that lists them with hashes."""
    if method not in METHODS:
        raise InputError(f"no method {method!r}; methods are {', '.join(METHODS)}")
    torch.set_num_threads(config.generate.threads)
    torch.use_deterministic_algorithms(True)
    nets = None if method == "still" else Networks.load(paths.run, config)
    clips = read_manifest(paths.test)
    folder = paths.videos(method)
    files = {}
    for index, clip in enumerate(tqdm(clips, desc=f"generate {method}", unit="clip", mininterval=2)):
        out = folder / f"{clip.clip}.mp4"
        features = Features.load(paths.features / f"{clip.clip}.safetensors")
        speech = features.speech
        if method == "other_speech":
            speech = _other_speech(clips, index, paths)
        if nets is None:
            _hold(paths.clips / f"{clip.clip}.mp4", len(features.found), out, config)
        else:
            _generate(nets, clip, features, speech, method, paths, out)
        files[clip.clip] = sha256_file(out)
    write_json(paths.videos_report(method), {"files": files, "digest": digest(files)})


def _generate(
    nets: Networks,
    clip: Clip,
    features: Features,
    speech: NDArray[np.float32],
    method: str,
    paths: Paths,
    out: Path,
) -> None:
    config = nets.config
    video = paths.clips / f"{clip.clip}.mp4"
    source = Source(next(iter_frames(video)), features.pose[0], features.blink[0], features.face_box[0])
    frames = config.evaluate.inference_frames or len(speech)
    speech = speech[:frames]
    # Its own generator: a clip's video does not depend on which others are made.
    seed = step_seed(config.seed, f"generate/{clip.clip}", 0)
    generator = torch.Generator().manual_seed(seed)
    clock = time.perf_counter()
    if method == "commanded":
        pose, blink = features.pose[:frames], features.blink[:frames]
    else:
        pose, blink = sample_pose_blink(nets, source, speech, generator)
    motion = sample_motion(nets, source, speech, pose, blink, generator)
    seconds = time.perf_counter() - clock
    audio = read_audio(video, config.corpus.sample_rate)[: len(speech) * config.corpus.sample_rate // config.corpus.fps]
    write_talk(nets, source, motion, audio, out)
    with atomic_path(out.with_suffix(".safetensors")) as aside:
        save_file({"pose": np.ascontiguousarray(pose), "blink": np.ascontiguousarray(blink)}, aside)
    write_json(
        out.with_suffix(".json"),
        {
            "clip": clip.clip,
            "method": method,
            "weights": nets.hashes,
            "seed": seed,
            "frames": len(speech),
            "steps": config.generate.steps,
            "eta": config.generate.eta,
            "guidance": config.generate.guidance,
            "window": config.generate.window,
            "pbnet_window": config.generate.pbnet_window,
            "motion_seconds": round(seconds, 3),
        },
    )


def _other_speech(clips: list[Clip], index: int, paths: Paths) -> NDArray[np.float32]:
    """Speech features of the next test clip of another person, repeated or cut to this clip's length."""
    own = clips[index]
    order = clips[index + 1 :] + clips[:index]
    other = next((clip for clip in order if clip.identity != own.identity), None)
    if other is None:
        raise InputError("the test split holds one person; the other-speech control needs two")
    speech = Features.load(paths.features / f"{other.clip}.safetensors").speech
    return speech[np.arange(own.frames) % len(speech)]


def _hold(video: Path, frames: int, out: Path, config: Config) -> None:
    """The first frame of `video` for its whole length, with its sound."""
    first = next(iter_frames(video))
    audio = read_audio(video, config.corpus.sample_rate)
    write_video(
        out,
        (first for _ in range(frames)),
        fps=config.corpus.fps,
        audio=audio,
        sample_rate=config.corpus.sample_rate,
        metadata=SYNTHETIC,
    )
