"""Demo corpus of rendered people who speak synthesised sentences, with the ground-truth motion of every frame.

All of it follows from a seed and the numbers of a person and an utterance: appearance, voice and manner of a person
(:mod:`.look`), speech with phoneme times (:mod:`.speech`), the motion that accompanies it (:mod:`.motion`), and frames
(:mod:`.render`).
"""

from __future__ import annotations

from pathlib import Path

from dawn.demo.look import generate_person
from dawn.demo.motion import FPS, generate_motion
from dawn.demo.render import render_frames
from dawn.demo.speech import SAMPLE_RATE, synthesise
from dawn.demo.truth import GroundTruth
from dawn.media.video_writer import write_video
from dawn.seeds import numpy_generator


def generate_truth(seed: int, index: int, utterance: int, seconds: float) -> GroundTruth:
    """Generate speech and motion of utterance number `utterance` of person `index`. Depends on the arguments only."""
    person = generate_person(seed, index)
    rng = numpy_generator(seed, 2, index, utterance)
    frames = round(seconds * FPS)
    speech = synthesise(person.voice, frames / FPS, rng)
    return GroundTruth(seed, index, speech, generate_motion(speech, person.manner, rng))


def render_clip(truth: GroundTruth, side: int, out: Path) -> None:
    """Render the clip's frames, `side` pixels square, and write them with its sound as video."""
    frames = render_frames(generate_person(truth.seed, truth.index), truth.motion, side)
    write_video(out, frames, fps=FPS, audio=truth.speech.audio, sample_rate=SAMPLE_RATE)
