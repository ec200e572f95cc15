"""A drawn person with speech, and a run of untrained networks that can make it speak."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dawn.config import load, parse
from dawn.demo import generate_truth
from dawn.demo.look import generate_person
from dawn.demo.render import render_frames
from dawn.media.audio import write_wav
from tests.support.networks import write_run
from tests.support.repository import REPOSITORY


def write_person(folder: Path, run: Path) -> list[NDArray[np.uint8]]:
    """Write ``portrait.png``, ``speech.wav`` (1 s at 16 kHz) and the run; returns the frames, each (192, 192, 3)."""
    truth = generate_truth(1234, 0, 0, 1.0)
    frames = list(render_frames(generate_person(1234, 0), truth.motion, 192))
    Image.fromarray(frames[0]).save(folder / "portrait.png")
    write_wav(folder / "speech.wav", truth.speech.audio)
    tree = load(REPOSITORY / "config/smoke.yaml").model_dump(mode="json")
    tree["generate"]["threads"] = 1  # more than the machine has free wait for each other, busily
    write_run(run, parse(tree))
    return frames
