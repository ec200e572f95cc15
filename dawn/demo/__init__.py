"""Demo corpus of rendered people who speak synthesised sentences, with the ground-truth motion of every frame.

All of it follows from a seed and the numbers of a person and an utterance: appearance, voice and manner of a person
(:mod:`.look`), speech with phoneme times (:mod:`.speech`), the motion that accompanies it (:mod:`.motion`), and frames
(:mod:`.render`). People, scenes and voices of a varied corpus (``corpus.demo.variety: wide``) are drawn from far wider
ranges (:mod:`.casting`, :mod:`.studio`, :mod:`.voices`, :mod:`.acoustics`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dawn.demo.acoustics import draw_acoustics, record
from dawn.demo.casting import generate_varied_person
from dawn.demo.look import generate_person
from dawn.demo.motion import FPS, Motion, generate_motion
from dawn.demo.render import render_frames
from dawn.demo.speech import SAMPLE_RATE, Speech, synthesise
from dawn.demo.studio import draw_scene, render_scene
from dawn.demo.truth import GroundTruth
from dawn.demo.voices import draw_babble, synthesise_varied
from dawn.media.video_writer import write_video
from dawn.seeds import numpy_generator


def generate_truth(
    seed: int,
    index: int,
    utterance: int,
    seconds: float,
    variety: str = "plain",
    voices: Sequence[str] = ("espeak",),
) -> GroundTruth:
    """Generate speech and motion of utterance number `utterance` of person `index`. Depends on the arguments only.

    `variety` and `voices` are those of ``corpus.demo``. Raises InputError when a synthesiser is missing.
    """
    seconds = round(seconds * FPS) / FPS
    if variety == "wide":
        speech, motion = _varied(seed, index, utterance, seconds, voices)
    else:
        person = generate_person(seed, index)
        rng = numpy_generator(seed, 2, index, utterance)
        speech = synthesise(person.voice, seconds, rng)
        motion = generate_motion(speech, person.manner, rng)
    return GroundTruth(seed, index, speech, motion, variety, utterance)


def _varied(seed: int, index: int, utterance: int, seconds: float, voices: Sequence[str]) -> tuple[Speech, Motion]:
    """Generate speech and motion of a varied person; the motion follows the voice before it is recorded."""
    person = generate_varied_person(seed, index, voices)
    rng = numpy_generator(seed, 6, index, utterance)
    speech = synthesise_varied(person.voice, seconds, rng)
    motion = generate_motion(speech, person.manner, rng)
    acoustics = draw_acoustics(rng)
    babble = draw_babble(seconds, rng) if acoustics.noise == "babble" else None
    return replace(speech, audio=record(speech.audio, acoustics, babble)), motion


def render_truth(truth: GroundTruth, side: int) -> Iterator[NDArray[np.uint8]]:
    """Render the clip's frames, RGB uint8 (side, side, 3)."""
    if truth.variety == "wide":
        scene = draw_scene(truth.seed, truth.index, truth.utterance)
        return render_scene(generate_varied_person(truth.seed, truth.index), truth.motion, side, scene)
    return render_frames(generate_person(truth.seed, truth.index), truth.motion, side)


def render_clip(truth: GroundTruth, side: int, out: Path) -> None:
    """Render the clip's frames, `side` pixels square, and write them with its sound as video."""
    frames = render_truth(truth, side)
    write_video(out, frames, fps=FPS, audio=truth.speech.audio, sample_rate=SAMPLE_RATE)
