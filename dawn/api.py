"""The Python interface: talking videos from portraits and speech.

>>> import dawn
>>> talker = dawn.load()                         # the networks of this package, or dawn.load("results/demo")
>>> video = talker.generate("portrait.png", "speech.wav", seed=1)
>>> frames = video.frames()                      # (n, H, W, 3) uint8, or: for frame in video
>>> video.save("out.mp4")                        # the file that `dawn generate` writes, with sound
PosixPath('out.mp4')

Portraits are files, PIL images or arrays, speech is a file or ``(samples, rate)``:

>>> video = talker.generate(PIL.Image.open("portrait.png"), (samples, 16000), pose_from="driving.mp4")
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dawn import pretrained
from dawn.choices import Device, Precision, Solver
from dawn.config import Config
from dawn.errors import InputError
from dawn.generation.driving import Driving, Source, start_video
from dawn.generation.inputs import PathLike, Portrait, Speech, read_pose_blink, read_source, read_speech
from dawn.generation.motion import Motion, decode, sample_motion
from dawn.generation.networks import Networks
from dawn.generation.outputs import metadata_of, write_synthetic
from dawn.media.files import check_writable
from dawn.seeds import checked_seed


def load(
    run: PathLike | None = None,
    device: Device | None = None,
    *,
    max_memory: str | None = None,
    threads: int | None = None,
    steps: int | None = None,
    solver: Solver | None = None,
    precision: Precision | None = None,
    compile: bool | None = None,
) -> Talker:
    """Load the networks of a trained run, a folder such as ``results/demo``; None: of the run in this package.

    Arguments that are None keep the run's settings (section ``generate`` of its configuration):

    device
        ``"auto"`` (CUDA if there is a GPU, else MPS, else CPU; the default of a run), ``"cpu"``, ``"cuda"``, ``"mps"``.
    max_memory
        Memory limit of the process, or of the GPU on one, such as ``"4GiB"``. The video stays the same.
    threads
        CPU threads.
    steps, solver
        Sampling steps, and ``"ddim"`` or ``"dpm++"``, which needs fewer. Both change the video.
    precision
        ``"float32"``, or ``"bfloat16"``, which is faster and inexact.
    compile
        Compile the denoiser first, which takes minutes.

    Raises :class:`dawn.errors.InputError` when the folder holds no trained run, or none is given and this package holds
    none, or this machine lacks what the settings need.
    """
    settings: dict[str, Any] = {
        "device": device,
        "max_memory": max_memory,
        "threads": threads,
        "steps": steps,
        "solver": solver,
        "precision": precision,
        "compile": compile,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    return Talker(Networks.load(pretrained.run() if run is None else Path(run), **given))


class Talker:
    """Trained networks of a run, ready to generate videos. Created by :func:`load`."""

    def __init__(self, networks: Networks) -> None:
        self.networks = networks

    def __repr__(self) -> str:
        return f"<Talker: {self.description}, weights {self.networks.digest}>"

    @property
    def description(self) -> str:
        """The run that the networks are of, in half a line."""
        run, config = self.networks.run, self.config
        return config.name if run is None else pretrained.description(run, config)

    @property
    def config(self) -> Config:
        """Configuration of the run, with the arguments of :func:`load` substituted."""
        return self.networks.config

    def generate(
        self,
        portrait: Portrait,
        speech: Speech,
        *,
        pose_from: PathLike | None = None,
        seed: int = 0,
        progress: bool = False,
    ) -> Video:
        """Generate a video of the person in `portrait` speaking `speech`.

        The largest face of the portrait is cropped as in training; frames are ``corpus.resolution`` pixels wide and
        high, at ``corpus.fps`` frames a second, and as many as the speech covers. This call samples the latent motion
        of all frames, which takes most of the time; images are decoded when the video is iterated or saved. Equal
        arguments give equal videos; another seed gives other head motion, blinks and lips.

        portrait
            An image file, a PIL image, or an RGB array uint8 (H, W, 3).
        speech
            A sound file, a video with sound, or ``(samples, rate)`` with samples (T,) or (T, channels): floats in
            [-1, 1], or 16-bit integers.
        pose_from
            A video whose head pose and blinks are used instead of sampled ones.
        seed
            Seed of all random numbers, from 0 to 2**63 - 1.
        progress
            Show a progress bar of the sampling steps.

        Raises :class:`dawn.errors.InputError` for an input that cannot be used, such as a portrait without a face.
        """
        networks, config, seed = self.networks, self.config, checked_seed(seed)
        torch.set_num_threads(config.generate.threads)
        source = read_source(portrait, config)
        audio, frames = read_speech(speech, config)
        clock = time.perf_counter()
        features = self._encode(audio, frames)
        pose_blink = None if pose_from is None else read_pose_blink(pose_from, source, frames, config)
        start = start_video(networks, source, features, seed, pose_blink)
        motion = sample_motion(networks, [start], progress=progress)
        return Video(networks, source, start.driving, motion, audio, seed, time.perf_counter() - clock)

    def _encode(self, audio: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
        from dawn.features.speech import encode

        return encode(audio, frames, self.config.features.speech, self.config.generate.device)


class Video:
    """A generated video: an iterable of frames (S, S, 3) uint8 RGB, with sound.

    Each iteration decodes the frames again from the sampled latent motion, a few at a time, and yields identical
    frames. Memory grows with length only by the latent motion, about 12 kB a frame at 128 pixels.
    """

    def __init__(
        self,
        networks: Networks,
        source: Source,
        driving: Driving,
        motion: Motion,
        audio: NDArray[np.float32],
        seed: int,
        motion_seconds: float,
    ) -> None:
        self._networks, self._source, self._driving, self._motion = networks, source, driving, motion
        self.audio = audio  # (T,) float32 in [-1, 1]
        self.seed = seed
        self.motion_seconds = motion_seconds  # wall time of speech encoding, driving video and motion sampling

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._driving)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Decode the frames in order, each (S, S, 3) uint8 RGB."""
        return (frame for (frame,) in decode(self._networks, [self._source], self._motion))

    def frames(self) -> NDArray[np.uint8]:
        """Return all frames as one array (n, S, S, 3) uint8 RGB."""
        return np.stack(list(self))

    @property
    def fps(self) -> int:
        """Frames a second."""
        return self._networks.config.corpus.fps

    @property
    def sample_rate(self) -> int:
        """Samples of :attr:`audio` a second."""
        return self._networks.config.corpus.sample_rate

    @property
    def pose(self) -> NDArray[np.float32]:
        """Head pose (n, 6) that conditioned the denoiser: yaw, pitch, roll in degrees, scale, tx, ty."""
        return self._driving.pose

    @property
    def blink(self) -> NDArray[np.float32]:
        """Eye aspect ratios (n, 2), left and right, that conditioned the denoiser."""
        return self._driving.blink

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata that :meth:`save` writes; it states that the video is synthetic, the run and its weights."""
        return metadata_of(self._networks)

    def save(self, path: PathLike) -> Path:
        """Write an MP4 file with sound and :attr:`metadata`, and return its path. Nothing is written on failure."""
        path = check_output(path)
        write_synthetic(path, self, self.audio, self._networks.config, self._networks)
        return path


def check_output(path: PathLike) -> Path:
    """Return `path` as a Path. Raises InputError when its name does not end in .mp4 or it cannot be written."""
    if Path(path).suffix.lower() != ".mp4":
        raise InputError(f"{path}: the output is an MP4 video; give a name that ends in .mp4")
    return check_writable(path)
