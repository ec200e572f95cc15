"""The embedded corpus: drawn people who really speak, with the exact motion behind every frame.

Everything follows from `corpus.seed` and the number of a person and utterance: the look, voice and manner of a person
(`look`), speech with phoneme times (`speech`), the motion that goes with it (`motion`), and pictures (`render`).
"""

from __future__ import annotations

from pathlib import Path

from tqdm import tqdm

from dawn.config import Corpus
from dawn.corpora.manifest import Clip
from dawn.demo.look import person
from dawn.demo.motion import FPS, move
from dawn.demo.render import render as frames_of
from dawn.demo.speech import SAMPLE_RATE, speak
from dawn.demo.truth import Truth
from dawn.media.files import sha256_file
from dawn.media.video import write_video
from dawn.seeds import numpy_generator

_TEST_PEOPLE = 1000  # test persons are numbered from here, so that they stay themselves when training persons are added


def prepare(corpus: Corpus, folder: Path) -> list[Clip]:
    """Write the truth of every clip to `folder`/truth; the clips, in the order of persons and utterances."""
    demo = corpus.demo
    wanted = [
        (split, index, utterance)
        for split, first, people, utterances in (
            ("train", 0, demo.train_identities, demo.train_utterances),
            ("test", _TEST_PEOPLE, demo.test_identities, demo.test_utterances),
        )
        for index in range(first, first + people)
        for utterance in range(utterances)
    ]
    clips = []
    for split, index, utterance in tqdm(wanted, desc="speech", unit="clip", mininterval=2, dynamic_ncols=True):
        identity = f"p{index:03d}" if split == "train" else f"t{index - _TEST_PEOPLE:03d}"
        name = f"{identity}-{utterance:02d}"
        truth = imagine(corpus.seed, index, utterance, demo.seconds)
        source = f"truth/{name}.safetensors"
        truth.save(folder / source)
        frames = len(truth.motion.pose)
        clips.append(Clip(name, identity, split, frames, frames / corpus.fps, source, sha256_file(folder / source)))
    return clips


def imagine(seed: int, index: int, utterance: int, seconds: float) -> Truth:
    """What person `index` says and does in an utterance, the same wherever and whenever it is asked."""
    who = person(seed, index)
    rng = numpy_generator(seed, 2, index, utterance)
    frames = round(seconds * FPS)
    speech = speak(who.voice, frames / FPS, rng)
    return Truth(seed, index, speech, move(speech, who.manner, rng))


def draw(truth: Truth, side: int, out: Path) -> None:
    """Write the clip's video, `side` pixels square, with its sound."""
    frames = frames_of(person(truth.seed, truth.index), truth.motion, side)
    write_video(out, frames, fps=FPS, audio=truth.speech.audio, sample_rate=SAMPLE_RATE)
