"""Identities of the varied demo corpus: appearance, voice and manner from far wider ranges than :mod:`.look`.

Traits are drawn independently (domain randomisation), so that networks cannot rely on what drawn people share and
photographs of people, paintings and renderings of heads lie within the range.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dawn.demo.look import HAIR_OF_MEN, HAIR_OF_WOMEN, Appearance, Colour, Finish, Look, blend, skin_colour
from dawn.demo.motion import Manner
from dawn.demo.scenery import random_colour
from dawn.demo.shape import draw_shape
from dawn.demo.voices import VariedVoice, draw_voice
from dawn.seeds import numpy_generator

_HAIR = ((22, 18, 18), (44, 32, 27), (70, 48, 36), (108, 76, 50), (156, 118, 74), (206, 172, 118))  # dark to blond
_IRISES = ((46, 28, 20), (86, 56, 34), (116, 90, 52), (98, 110, 72), (84, 116, 140), (120, 136, 148), (60, 84, 112))
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)


@dataclass(frozen=True)
class VariedPerson(Appearance):
    """One identity: appearance and manner, and a voice of any synthesiser."""

    voice: VariedVoice


def generate_varied_person(seed: int, index: int, voices: Sequence[str] = ("espeak",)) -> VariedPerson:
    """Generate identity number `index` of the varied corpus of `seed`. Depends on the arguments only.

    `voices` are the synthesisers of ``corpus.demo.voices``; appearance and manner do not depend on them.
    """
    rng = numpy_generator(seed, 4, index)
    feminine = bool(rng.random() < 0.5)
    child = bool(rng.random() < 0.12)
    age = 0.0 if child else float(rng.random() ** 1.2)
    styles: tuple[str, ...] = HAIR_OF_WOMEN if feminine else HAIR_OF_MEN
    if rng.random() < 0.15:
        styles = HAIR_OF_WOMEN + HAIR_OF_MEN
    style = styles[rng.integers(len(styles))]
    if child and style in ("bald", "receding"):
        style = "short"
    depth = float(rng.random() ** 1.15)
    skin = _tinted(rng, skin_colour(depth), 0.05)
    skin = blend(skin, (round(0.94 * skin[0]), round(0.76 * skin[1]), round(0.74 * skin[2])), 0.5 * rng.random())
    hair = _hair(rng, depth, age)
    makeup = rng.uniform(0.2, 1) if feminine and not child and rng.random() < 0.4 else 0.0
    lips = _lips(rng, skin, depth, makeup)
    beard, moustache, stubble = _beard(rng, feminine or child)
    hat = str(rng.choice(("beanie", "cap"))) if style != "scarf" and rng.random() < 0.1 else ""
    finish = Finish(
        shape=draw_shape(rng, child, feminine),
        seed=int(rng.integers(2**31)),
        blotches=rng.uniform(0.003, 0.03),
        pores=rng.uniform(0.0, 0.035),
        relief=rng.uniform(0.1, 1.0),
        stubble=stubble,
        wrinkles=float(np.clip(1.4 * age - 0.35 + rng.normal(0, 0.1), 0, 1)),
        freckles=int(rng.integers(20, 120)) if rng.random() < 0.15 else int(rng.integers(0, 12)),
        gloss=rng.uniform(0, 0.35) if rng.random() < 0.6 else rng.uniform(0.3, 1.0),
        strands=rng.uniform(0.06, 0.3),
        curl=float(rng.uniform(0.5, 1) if style == "curly" else rng.uniform(0, 0.5)),
        moustache=moustache,
        hat=hat,
        hat_colour=_cloth_colour(rng),
        colours=_colours(rng, skin, hair, lips, makeup, feminine, age),
    )
    look = Look(
        feminine=feminine,
        age=age,
        skin=skin,
        hair=hair,
        style=style,
        eyes=_tinted(rng, _IRISES[min(int(rng.integers(len(_IRISES))), int((1.6 - depth) * len(_IRISES)))], 0.12),
        lips=lips,
        clothes=_cloth_colour(rng),
        collar=("round", "v", "shirt")[rng.integers(3)],
        background=(_BLACK, _BLACK),  # that of the scene is painted
        pattern="plain",
        scarf=_cloth_colour(rng),
        beard=beard,
        glasses=bool(rng.random() < 0.2),
        width=rng.uniform(0.92, 1.07),
        jaw=rng.uniform(0.86, 1.06),
        nose=rng.uniform(0.75, 0.95) if child else rng.uniform(0.8, 1.25),
        eye=rng.uniform(0.98, 1.14) if child else rng.uniform(0.82, 1.06),
        tilt=rng.uniform(-0.015, 0.028),
        brow=rng.uniform(0.45, 0.9) if feminine or child else rng.uniform(0.6, 1.5),
        lip=rng.uniform(0.55, 1.25) + 0.2 * depth,
        mouth=rng.uniform(0.88, 1.1),
        light=rng.choice((-1.0, 1.0)),
        eye_open=rng.uniform(0.6, 1.0) - 0.08 * age,
        lash=rng.uniform(0.5, 1.1) if makeup else rng.uniform(0.2, 0.7),
        teeth=rng.uniform(0.0, 3.2),
        volume=rng.uniform(0.6, 1.9),
        hairline=rng.uniform(-0.04, 0.09),
        lens=(rng.uniform(0.145, 0.19), rng.uniform(0.1, 0.155), rng.uniform(0.45, 1.0)),
        neck=rng.uniform(0.85, 1.25),
        shoulders=rng.uniform(-0.02, 0.06),
        frame=float(rng.choice((0.5, 0.8, 1.2, 1.6))),
        finish=finish,
    )
    voice = draw_voice(numpy_generator(seed, 7, index), feminine, child, age, voices)
    return VariedPerson(look, _manner(rng), voice)


def _hair(rng: np.random.Generator, depth: float, age: float) -> Colour:
    """Draw the colour of hair: black to blond, darker for dark skin, red, grey of the old, or dyed."""
    kind = rng.random()
    if kind < 0.04:
        return _random(rng, 40, 190, 0.8)
    position = (len(_HAIR) - 1.001) * rng.random() ** (1 + 2.5 * depth)
    colour = blend(_HAIR[int(position)], _HAIR[int(position) + 1], position % 1)
    if kind < 0.12 and depth < 0.5:
        colour = blend(colour, (176, 84, 40), rng.uniform(0.4, 0.9))
    if rng.random() < 1.6 * age - 0.6:
        grey = rng.uniform(120, 235)
        colour = blend(colour, (round(grey), round(0.985 * grey), round(0.96 * grey)), rng.uniform(0.5, 1))
    return _tinted(rng, colour, 0.06)


def _lips(rng: np.random.Generator, skin: Colour, depth: float, makeup: float) -> Colour:
    """Draw the colour of lips: most are a little darker and redder than skin."""
    natural = blend(blend(_BLACK, skin, rng.uniform(0.8, 0.97)), (176, 84, 84), rng.uniform(0.08, 0.42))
    natural = blend(natural, (96, 48, 48), 0.3 * depth * rng.random())
    if not makeup:
        return natural
    painted = colorsys.hsv_to_rgb(rng.uniform(0.93, 1.03) % 1, rng.uniform(0.45, 0.85), rng.uniform(0.45, 0.85))
    return blend(natural, _bytes(255 * np.array(painted)), makeup * rng.uniform(0.4, 1))


def _beard(rng: np.random.Generator, none: bool) -> tuple[str, bool, float]:
    """Draw beard, moustache and the darkness of stubble."""
    if none:
        return "none", False, 0.0
    kind = rng.choice(("none", "stubble", "full", "moustache", "both"), p=(0.45, 0.27, 0.08, 0.06, 0.14))
    stubble = rng.uniform(0.15, 0.7) if kind == "stubble" else rng.uniform(0, 0.3)
    beard = "full" if kind in ("full", "both") else "none"
    return beard, kind in ("moustache", "both"), float(stubble)


def _colours(
    rng: np.random.Generator, skin: Colour, hair: Colour, lips: Colour, makeup: float, feminine: bool, age: float
) -> tuple[tuple[str, Colour], ...]:
    """Draw the colours of painted parts that vary by themselves."""
    dark = (44, 22, 18)
    white = rng.uniform(196, 242)
    teeth = rng.uniform(150, 236)
    teeth_colour = round(teeth), round(teeth * rng.uniform(0.93, 0.99)), round(teeth * rng.uniform(0.82, 0.96))
    shadow = _random(rng, 50, 160, 0.7) if makeup and rng.random() < 0.5 else dark
    lash = blend((22, 16, 16), skin, 0.0 if makeup else rng.uniform(0.05, 0.35))
    brow = blend(blend(hair, (40, 28, 24), rng.uniform(0, 0.8)), skin, rng.uniform(0.05, 0.55))
    depth = round(rng.uniform(14, 46))
    tongue = (round(rng.uniform(120, 176)), round(rng.uniform(52, 92)), round(rng.uniform(56, 92)))
    frame = _random(rng, 10, 90, 0.5) if rng.random() < 0.7 else _random(rng, 110, 220, 0.4)
    return (
        ("white", _tinted(rng, (round(white), round(0.97 * white), round(0.94 * white)), 0.02)),
        ("lid", blend(skin, shadow, makeup * rng.uniform(0.2, 0.5) if makeup else rng.uniform(0.0, 0.16))),
        ("crease", blend(skin, dark, rng.uniform(0.1, 0.5))),
        ("lash", lash),
        ("lower lash", blend(skin, dark, rng.uniform(0.15, 0.5))),
        ("brow", brow),
        ("nostril", blend(skin, dark, rng.uniform(0.35, 0.8))),
        ("wing", blend(skin, dark, rng.uniform(0.03, 0.25))),
        ("age", blend(skin, dark, 0.05 + rng.uniform(0.05, 0.25) * age)),
        ("neck", blend(skin, dark, rng.uniform(0.05, 0.25))),
        ("chin shadow", blend(skin, dark, rng.uniform(0.12, 0.5))),
        ("upper lip", blend(lips, dark, rng.uniform(0.05, 0.25))),
        ("lower lip", blend(lips, _WHITE, rng.uniform(0.0, 0.1))),
        ("lip edge", blend(lips, dark, rng.uniform(0.4, 0.9))),
        ("shine", blend(lips, (255, 226, 218), rng.uniform(0.0, 0.12 + 0.3 * makeup))),
        ("teeth", teeth_colour),
        ("tongue", blend(teeth_colour, tongue, 0.2) if rng.random() < 0.25 else tongue),  # or lower teeth
        ("mouth", (depth, round(depth * rng.uniform(0.3, 0.8)), round(depth * rng.uniform(0.3, 0.8)))),
        ("frame", frame),
        ("spot", blend(_random(rng, 90, 160, 0.2), _WHITE, float(rng.random()))),
    )


def _cloth_colour(rng: np.random.Generator) -> Colour:
    return _random(rng, 15, 235, 0.7)


def _random(rng: np.random.Generator, darkest: float, brightest: float, vivid: float) -> Colour:
    return _bytes(random_colour(rng, darkest, brightest, vivid))


def _tinted(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    """Multiply each channel by a random factor."""
    return _bytes(np.array(colour) * (1 + rng.normal(0, spread)) * (1 + rng.normal(0, 0.4 * spread, 3)))


def _bytes(values: NDArray[np.float64]) -> Colour:
    red, green, blue = np.clip(np.rint(values), 0, 255).astype(int).tolist()
    return red, green, blue


def _manner(rng: np.random.Generator) -> Manner:
    return Manner(
        turn=rng.uniform(0.6, 1.2),
        nod=rng.uniform(0.4, 1.4),
        tilt=rng.uniform(0.6, 1.4),
        mouth=rng.uniform(0.6, 1.2),
        brows=rng.uniform(0.3, 1.2),
        blinks=rng.uniform(0.25, 0.6),
        smile=rng.uniform(-0.3, 0.9),
        yaw_spread=rng.uniform(2.5, 7.0),
    )
