"""Identities of the demo corpus: appearance, voice and manner of each person, from the seed.

The main traits are spread evenly over the identities (a golden-ratio sequence for each trait) rather than drawn
independently, so that even a few people cover the range of skin, age and hair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dawn.demo.motion import Manner
from dawn.demo.shape import Shape
from dawn.demo.speech import Voice
from dawn.seeds import numpy_generator

Colour = tuple[int, int, int]  # RGB

_SKIN = ((250, 221, 201), (241, 204, 176), (230, 187, 150), (213, 165, 124), (190, 140, 100), (160, 112, 78),
         (138, 95, 66), (120, 81, 57), (106, 71, 51))  # fmt: skip
_DARK_HAIR = ((28, 24, 24), (42, 30, 26), (58, 40, 30))
_LIGHT_HAIR = ((96, 62, 38), (134, 88, 50), (176, 132, 76), (206, 168, 104), (150, 72, 38), (70, 46, 32))
_GREY_HAIR = ((150, 148, 146), (186, 184, 182), (214, 212, 208))
_EYES = ((74, 48, 30), (92, 62, 36), (110, 84, 46), (88, 106, 66), (78, 112, 140), (96, 118, 132))
_DARK_EYES = ((54, 34, 24), (66, 42, 28), (84, 56, 34))
_CLOTHES = ((44, 62, 92), (122, 46, 54), (58, 92, 76), (208, 204, 196), (60, 58, 66), (188, 140, 70), (104, 84, 132),
            (60, 116, 138), (176, 96, 88), (86, 96, 60))  # fmt: skip
_BACKGROUND = ((206, 218, 226), (222, 214, 200), (196, 210, 196), (214, 204, 216), (180, 196, 212), (226, 222, 216),
               (168, 184, 180), (204, 190, 178), (150, 164, 186), (190, 184, 200))  # fmt: skip
_SCARF = ((70, 96, 128), (148, 84, 96), (92, 116, 96), (196, 178, 150), (84, 72, 104))

HAIR_OF_WOMEN = ("long", "bob", "tied", "wavy", "curly", "short", "scarf", "fringe")
HAIR_OF_MEN = ("short", "side", "crop", "bald", "curly", "side", "short", "receding")


@dataclass(frozen=True)
class Finish:
    """What the look of a varied person has beyond that of a plain one."""

    shape: Shape
    seed: int  # of the textures
    blotches: float  # standard deviations of the skin's factors, as are pores
    pores: float
    relief: float  # of shadows along nose, mouth and eyes, 0 to 1
    stubble: float  # 0 to 1, as is the depth of wrinkles
    wrinkles: float
    freckles: int
    gloss: float  # brightness of highlights
    strands: float  # contrast of the hair's strands
    curl: float  # of the strands, 0 to 1
    moustache: bool
    hat: str  # none is empty; beanie or cap
    hat_colour: Colour
    colours: tuple[tuple[str, Colour], ...]  # of painted parts, in place of those that skin, hair and lips give


@dataclass(frozen=True)
class Look:
    """Appearance of a person. Sizes are factors of the average unless a unit is stated."""

    feminine: bool
    age: float  # 0 young adult to 1 old
    skin: Colour
    hair: Colour
    style: str  # one of HAIR_OF_WOMEN or HAIR_OF_MEN
    eyes: Colour
    lips: Colour
    clothes: Colour
    collar: str  # round, v or shirt
    background: tuple[Colour, Colour]
    pattern: str  # plain, gradient, spots or bars
    scarf: Colour
    beard: str  # none, stubble or full
    glasses: bool
    width: float
    jaw: float
    nose: float
    eye: float
    tilt: float  # outer corner of the eye above the inner one, in head units
    brow: float
    lip: float
    mouth: float
    light: float  # position of the light: -1 left to 1 right
    eye_open: float = 1.0
    lash: float = 1.0  # thickness
    teeth: float = 1.0  # how far the upper teeth show
    volume: float = 1.0  # of the hair
    hairline: float = 0.0  # raised by, head units
    lens: tuple[float, float, float] = (0.178, 0.145, 0.75)  # of glasses: half width, half height, exponent of its edge
    neck: float = 1.0  # width
    shoulders: float = 0.0  # raised by, frame sides
    frame: float = 1.0  # thickness of the frame of glasses
    finish: Finish | None = None


@dataclass(frozen=True)
class Appearance:
    """What pictures show of a person: look and manner."""

    look: Look
    manner: Manner


@dataclass(frozen=True)
class Person(Appearance):
    """One identity: appearance, manner and voice."""

    voice: Voice


def generate_person(seed: int, index: int) -> Person:
    """Generate identity number `index` of the corpus of `seed`; it is independent of the number of identities."""
    rng = numpy_generator(seed, 1, index)
    offsets = numpy_generator(seed, 0).random(8)

    def even(trait: int, step: float = 0.6180339887498949) -> float:
        """Value in [0, 1) of an evenly spread trait; different irrational steps keep the traits uncorrelated."""
        return float((offsets[trait] + (index + 1) * step) % 1)

    feminine = bool((index + int(offsets[7] * 2)) % 2)
    depth = even(0)
    age = even(1, 0.7548776662466927) ** 1.4
    styles = HAIR_OF_WOMEN if feminine else HAIR_OF_MEN
    style = styles[int(even(2, 0.5698402909980532) * len(styles))]
    skin = skin_colour(depth)
    dark = depth > 0.45
    if age > 0.72 and style != "scarf":
        hair = _GREY_HAIR[rng.integers(len(_GREY_HAIR))]
    else:
        hairs = _DARK_HAIR if dark or rng.random() < 0.25 else _LIGHT_HAIR
        hair = hairs[rng.integers(len(hairs))]
    irises = _DARK_EYES if dark else _EYES
    beard = "none"
    if not feminine:
        beard = ("none", "stubble", "none", "full", "none", "stubble")[int(even(3, 0.4656) * 6)]
    rosy = (186, 74, 82) if feminine else (186, 96, 92)
    backdrop = _BACKGROUND[int(even(4, 0.3819660112501051) * len(_BACKGROUND))]
    look = Look(
        feminine=feminine,
        age=age,
        skin=skin,
        hair=hair,
        style=style,
        eyes=irises[rng.integers(len(irises))],
        lips=blend(_shade(skin, 0.86 + 0.24 * depth), rosy, (0.42 if feminine else 0.32) + 0.24 * depth),
        clothes=_CLOTHES[int(even(5, 0.2451) * len(_CLOTHES))],
        collar=("round", "v", "shirt")[rng.integers(3)],
        background=(backdrop, _shade(backdrop, rng.uniform(0.72, 0.9))),
        pattern=("plain", "gradient", "gradient", "spots", "bars")[rng.integers(5)],
        scarf=_SCARF[rng.integers(len(_SCARF))],
        beard=beard,
        glasses=even(6, 0.1710) < 0.16,
        width=rng.uniform(0.94, 1.05) * (0.97 if feminine else 1.02),
        jaw=rng.uniform(0.9, 1.02) * (0.93 if feminine else 1.06),
        nose=rng.uniform(0.85, 1.15) * (0.93 if feminine else 1.05),
        eye=rng.uniform(0.94, 1.08) * (1.04 if feminine else 0.97),
        tilt=rng.uniform(-0.006, 0.022),
        brow=rng.uniform(0.8, 1.2) * (0.75 if feminine else 1.15),
        lip=rng.uniform(0.88, 1.2) * (1.08 if feminine else 0.92) * (1 + 0.15 * depth),
        mouth=rng.uniform(0.94, 1.08),
        light=rng.uniform(0.3, 0.9) * rng.choice((-1, 1)),
    )
    return Person(look=look, voice=_voice(feminine, age, rng), manner=_manner(rng))


def _voice(feminine: bool, age: float, rng: np.random.Generator) -> Voice:
    accents = ("en-us", "en-us", "en", "en-gb-x-rp", "en-gb-scotland", "en-029")
    variants = ("f1", "f2", "f3", "f4", "f5", "linda") if feminine else ("m1", "m2", "m3", "m4", "m7", "paul")
    return Voice(
        name=f"{accents[rng.integers(len(accents))]}+{variants[rng.integers(len(variants))]}",
        pitch=int(rng.integers(40, 62) - 10 * age),
        range=int(rng.integers(40, 75)),
        rate=int(rng.integers(114, 142) - 12 * age),
    )


def _manner(rng: np.random.Generator) -> Manner:
    return Manner(
        turn=rng.uniform(0.85, 1.15),
        nod=rng.uniform(0.7, 1.3),
        tilt=rng.uniform(0.75, 1.25),
        mouth=rng.uniform(0.9, 1.12),
        brows=rng.uniform(0.6, 1.2),
        blinks=rng.uniform(0.34, 0.52),
        smile=rng.uniform(0.1, 0.8),
    )


def skin_colour(depth: float) -> Colour:
    """Interpolate the colour of skin, from light (0) to dark (1)."""
    position = depth * (len(_SKIN) - 1)
    low = min(int(position), len(_SKIN) - 2)
    return blend(_SKIN[low], _SKIN[low + 1], position - low)


def blend(a: Colour, b: Colour, share: float) -> Colour:
    """Interpolate between colours a (share 0) and b (share 1)."""
    red, green, blue = (round(p + (q - p) * share) for p, q in zip(a, b, strict=True))
    return red, green, blue


def _shade(colour: Colour, factor: float) -> Colour:
    return blend((0, 0, 0), colour, factor)
