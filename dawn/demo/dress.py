"""Hair, beard, glasses and background of a rendered person: outlines that move rigidly with the head, and backdrop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dawn.demo.head import BROW, EYE_X, Head, Points
from dawn.demo.look import Finish, Look

CLOSE_CROPPED = ("crop", "receding", "bald")
CURLY = ("curly",)
VOLUME = {"curly": 1.12, "wavy": 1.12, "long": 1.09, "bob": 1.11, "fringe": 1.1, "scarf": 1.13, "side": 1.1,
          "short": 1.08, "tied": 1.05, "crop": 1.03, "receding": 1.03, "bald": 1.0}  # fmt: skip
_HAIRLINE = {  # height of the hair above the face at 0, 20, 40, 55, 66 and 76 degrees from straight ahead
    "default": (-0.5, -0.5, -0.47, -0.41, -0.27, -0.08),
    "receding": (-0.66, -0.68, -0.62, -0.5, -0.3, -0.08),
    "crop": (-0.53, -0.53, -0.5, -0.42, -0.27, -0.05),
    "scarf": (-0.44, -0.44, -0.42, -0.36, -0.26, -0.1),
    "fringe": (-0.36, -0.36, -0.35, -0.32, -0.24, -0.08),
    "tied": (-0.54, -0.52, -0.47, -0.4, -0.28, -0.1),
}


def rigid_outlines(head: Head) -> dict[str, Points]:
    """Compute the rigid outlines by name, (n, 3) head units each; the set of names depends on the appearance."""
    look = head.look
    outlines: dict[str, Points] = {
        "skull": np.concatenate([head.around(angle, np.linspace(-0.84, 0.79, 18)) for angle in range(-180, 180, 15)]),
        "lower": np.concatenate([head.around(angle, np.linspace(0.02, 0.79, 12)) for angle in range(-105, 106, 15)]),
        "patch": _patch(head),
    }
    for side, name in ((-1, "left"), (1, "right")):
        outlines[f"ear {name}"] = _ear(head, side, 1.0)
        outlines[f"concha {name}"] = _ear(head, side, 0.52)
        outlines[f"brow {name}"] = _brow(head, side)
        outlines[f"nostril {name}"] = _nostril(head, side)
        outlines[f"wing {name}"] = _wing(head, side)
        if look.age > 0.45:
            outlines[f"fold {name}"] = head.on_surface(
                side * np.array([0.125, 0.165, 0.2, 0.222]), [0.31, 0.35, 0.405, 0.47], 0.004
            )
        if look.glasses:
            outlines[f"ring {name}"] = _ring(head, side)
            outlines[f"temple {name}"] = np.stack(
                [head.on_surface(side * 0.41, -0.03, 0.07), head.around(side * 92, -0.02, 1.01)]
            )
    if look.age > 0.6 and look.style not in ("fringe", "side"):
        for number, y in enumerate((-0.37, -0.43)):
            x = np.linspace(-0.22, 0.22, 9)
            outlines[f"brow line {number}"] = head.on_surface(x, y - 0.02 * np.cos(np.linspace(-2, 2, 9)), 0.002)
    if look.glasses:
        outlines["bridge"] = head.on_surface([-0.07, 0.0, 0.07], [-0.03, -0.05, -0.03], [0.07, 0.05, 0.07])
    if look.style != "bald":
        outlines |= _hair(head)
    outlines |= _beard(head)
    if look.finish:
        outlines |= _extras(head, look.finish)
    return outlines


def backdrop(look: Look, size: int) -> NDArray[np.uint8]:
    """Render the background, uint8 (size, size, 3): plain, a gradient, soft large spots or bars."""
    near, far = (np.asarray(colour, np.float64) for colour in look.background)
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size
    if look.pattern == "plain":
        share = 0.25 * (np.hypot(x - 0.5, y - 0.4))
    elif look.pattern == "gradient":
        share = 0.7 * y + 0.3 * (x if look.light < 0 else 1 - x)
    elif look.pattern == "spots":
        share = 0.5 + 0.5 * np.sin(7 * x + 2 * np.sin(4 * y)) * np.sin(6 * y + 1)
    else:
        share = 0.5 + 0.5 * np.tanh(4 * np.sin(14 * x + 0.6)) * 0.7
    return np.asarray(np.round(near + (far - near) * share[..., None]), np.uint8)


def _patch(head: Head) -> Points:
    """Compute the outline of the bare face: hairline, temples, then down in front of the ears to the jaw."""
    style = head.look.style
    if style == "bald":
        return head.around(np.linspace(-75, 75, 21), -0.5)
    line = np.asarray(_HAIRLINE.get(style, _HAIRLINE["default"])) - head.look.hairline
    angles = np.array([0, 20, 40, 55, 66, 76])
    fine = np.linspace(0, 76, 20)
    heights = np.interp(fine, angles, line)
    heights = np.convolve(np.pad(heights, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    right = head.around(fine, heights)
    if style == "scarf":
        x = np.array([0.55, 0.53, 0.465, 0.36, 0.23, 0.1, 0.0]) * head.look.width
        below = head.on_surface(x, [0.08, 0.3, 0.48, 0.61, 0.7, 0.742, 0.75])
    else:
        below = head.around(np.array([80, 86, 86]), np.array([0.06, 0.12, 0.3]))
    half = np.concatenate([right, below])
    return np.concatenate([half[::-1] * (-1, 1, 1), half[1:]])


def _ear(head: Head, side: int, size: float) -> Points:
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    outward = np.array([0.62 * side, 0.0, -0.78])
    up = np.array([0.1 * side, -0.99, -0.08])
    wide, tall = 0.085 * size * (1 + 0.25 * np.sin(angle)), 0.155 * size
    centre = head.around(90.0 * side, 0.1) + np.array([0.012 * side, 0.0, -0.02])
    return np.asarray(centre + (wide * np.cos(angle))[:, None] * outward + (tall * np.sin(angle))[:, None] * up)


def _brow(head: Head, side: int) -> Points:
    u = np.linspace(0, 1, 9)
    x = side * (0.085 + 0.31 * u)
    arch = 0.05 if head.look.feminine else 0.03
    middle = BROW + 0.045 - arch * np.sin(np.pi * np.clip(u * 1.15, 0, 1)) + 0.02 * u**3
    half = 0.026 * head.look.brow * np.sqrt(np.clip(1.02 - u**2.2, 0, 1)) * (0.75 + 0.5 * np.minimum(u * 3, 1) / 2)
    upper, lower = head.on_surface(x, middle - half, 0.01), head.on_surface(x, middle + half, 0.01)
    return np.concatenate([upper, lower[::-1]])


def _nostril(head: Head, side: int) -> Points:
    angle = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    n = head.look.nose
    x = side * 0.048 * n + 0.028 * n * np.cos(angle)
    return head.on_surface(x, 0.336 + 0.0125 * np.sin(angle) + side * 0.25 * (x - side * 0.048 * n), 0.0)


def _wing(head: Head, side: int) -> Points:
    n = head.look.nose
    x = side * n * np.array([0.117, 0.122, 0.105, 0.082])
    return head.on_surface(x, [0.285, 0.31, 0.338, 0.345], 0.006)


def _ring(head: Head, side: int) -> Points:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    wide, tall, square = head.look.lens
    bulge = (
        np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** square,
        np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** square,
    )
    centre = head.on_surface(side * EYE_X, 0.0, 0.1)
    return np.stack(
        [
            centre[0] + side * 0.01 + wide * bulge[0],
            0.01 + tall * bulge[1],
            centre[2] - 0.35 * np.abs(wide * bulge[0] * (side * bulge[0] > 0)),
        ],
        axis=1,
    )


def _hair(head: Head) -> dict[str, Points]:
    style = head.look.style
    grow = 1 + (VOLUME[style] - 1) * head.look.volume if head.look.finish else VOLUME[style]
    bottom = 0.75 if style == "scarf" else 0.12 if style in CLOSE_CROPPED else 0.2
    levels = np.linspace(-0.84, bottom, 14)
    reach = 180 if style == "scarf" else 105
    front = [head.around(angle, levels, grow) for angle in range(-reach, reach + 1, 15)]
    rear = [head.around(angle, np.linspace(-0.84, 0.0, 8), grow) for angle in (-165, -135, 135, 165, 180)]
    outlines = {"shell": np.concatenate(front + rear)}
    if style in ("long", "wavy", "bob"):
        outlines["back"] = _fall(style)
        for side, name in ((-1, "left"), (1, "right")):
            outlines[f"lock {name}"] = _lock(head, side, style)
    if style in ("fringe", "side"):
        outlines["fringe"] = _fringe(head, style)
    if style == "fringe":
        outlines["back"] = _fall("bob")
        for side, name in ((-1, "left"), (1, "right")):
            outlines[f"lock {name}"] = _lock(head, side, "bob")
    if style in CURLY:
        rng = np.random.default_rng(6)
        angle = np.repeat(np.arange(-108, 109, 9), 4) + rng.uniform(-4, 4, 100)
        y = np.tile([-0.74, -0.5, -0.22, 0.06], 25) + rng.uniform(-0.09, 0.09, 100)
        far = np.abs(angle) > np.interp(y, [-0.7, -0.45, -0.2, 0.1], [0, 62, 84, 92])
        outlines["curls"] = head.around(angle[far], y[far], grow)
    if style not in ("scarf", "long", "wavy", "bob", *CURLY, *CLOSE_CROPPED):
        rng = np.random.default_rng(5)
        for number in range(14):
            azimuth = -78 + 12 * number + rng.uniform(-4, 4)
            top, low = rng.uniform(-0.8, -0.72), min(-0.56 + 0.0075 * max(abs(azimuth) - 30, 0), 0.1)
            outlines[f"strand {number}"] = head.around(
                azimuth * np.linspace(0.75, 1.0, 6) + 5 * np.sin(np.linspace(0, 2, 6)), np.linspace(top, low, 6), grow
            )
    return outlines


def _fall(style: str) -> Points:
    """Compute the outline of the hair behind the neck, from the crown down."""
    end = 0.86 if style == "bob" else 1.9
    y = np.concatenate([np.linspace(-0.9, -0.3, 10), np.linspace(-0.2, end, 14)])
    wave = 0.028 * np.sin(9 * y) * (y > 0) if style == "wavy" else 0.0 * y
    dome = np.sqrt(np.clip(1 - ((y + 0.05) / 0.88) ** 2, 0, 1))
    half = np.where(y < -0.05, 0.665 * dome, 0.665 + 0.07 * np.clip((y + 0.05) / 0.8, 0, 1)) + wave
    if style == "bob":
        half -= 0.16 * np.clip((y - 0.55) / 0.31, 0, 1) ** 2
    right = np.stack([half, y, np.full_like(y, -0.12)], axis=1)
    return np.concatenate([right, right[::-1] * (-1, 1, 1)])


def _lock(head: Head, side: int, style: str) -> Points:
    """Compute the outline of the hair from the parting over the edge of the cheek, in front of the ear."""
    end = 0.84 if style == "bob" else 1.9
    y = np.linspace(0.0, end, 12)
    wave = 0.028 * np.sin(9 * y) if style == "wavy" else 0.0 * y
    inner = 0.54 + 0.05 * np.clip(y - 0.2, 0, 1) + wave
    outer = 0.665 + 0.07 * np.clip((y + 0.05) / 0.8, 0, 1) + wave
    if style == "bob":
        inner -= 0.06 * np.clip((y - 0.45) / 0.4, 0, 1)
        outer -= 0.14 * np.clip((y - 0.5) / 0.34, 0, 1) ** 2
    depth = np.full_like(y, 0.04)
    top_inner = head.around(np.array([8, 22, 36, 50, 64, 74]), np.array([-0.6, -0.54, -0.47, -0.38, -0.24, -0.1]), 1.03)
    top_outer = head.around(np.array([8, 30, 60, 84, 90]), np.array([-0.84, -0.8, -0.6, -0.36, -0.14]), 1.12)
    low_inner = np.stack([inner, y, depth + 0.06], axis=1)
    low_outer = np.stack([outer, y, depth - 0.08], axis=1)
    shape = np.concatenate([top_inner, low_inner, low_outer[::-1], top_outer[::-1]])
    return np.asarray(shape * (side, 1, 1))


def _fringe(head: Head, style: str) -> Points:
    """Compute the outline of the hair on the forehead: straight above the brows, or swept to one side."""
    angles = np.linspace(-80, 80, 24)
    if style == "fringe":
        low = -0.33 - 0.008 * np.cos(np.linspace(0, 20, 24)) + 0.16 * (np.abs(angles) / 80) ** 6
    else:
        share = (angles + 80) / 160
        low = -0.42 - 0.13 * np.sin(np.pi * share**0.6) + 0.14 * np.abs(2 * share - 1) ** 5 + 0.05 * share
    lower = head.around(angles, low, 1.03)
    upper = head.around(angles[::-1], -0.66, 1.07)
    return np.concatenate([lower, upper])


def _beard(head: Head) -> dict[str, Points]:
    """Compute the outline of the beard along the jaw, below the mouth.

    Above the lip only the skin's tint shows stubble, since a landmark detector confuses a dark moustache with the upper
    lip.
    """
    if head.look.beard != "full":
        return {}
    cheek = head.around(np.array([84.0, 74.0, 62.0, 48.0]), np.array([0.16, 0.32, 0.43, 0.49]))
    chin = head.on_surface([0.235, 0.2, 0.12, 0.0], [0.545, 0.605, 0.64, 0.645])
    inner = np.concatenate([cheek, chin])
    outer = head.around(
        np.array([86, 86, 86, 80, 62, 40, 20]), np.array([0.2, 0.35, 0.48, 0.6, 0.71, 0.77, 0.79]), 1.02
    )
    below = np.array([[0.0, 0.83, 0.45]])
    left, mirror = inner[:-1][::-1], np.array([-1, 1, 1])
    return {"beard": np.concatenate([inner, left * mirror, outer * mirror, below, outer[::-1]])}


def _extras(head: Head, finish: Finish) -> dict[str, Points]:
    """Compute the outlines of a moustache and of a hat."""
    outlines: dict[str, Points] = {}
    if finish.moustache:
        x = np.linspace(-1, 1, 13)
        upper = head.on_surface(0.19 * x, 0.4 + 0.055 * np.abs(x) ** 1.5, 0.016)
        lower = head.on_surface(0.2 * x, 0.452 + 0.05 * np.abs(x) ** 1.5, 0.018)
        outlines["moustache"] = np.concatenate([upper, lower[::-1]])
    if finish.hat:
        edge = -0.43 if finish.hat == "cap" else -0.38
        outlines["hat"] = np.concatenate(
            [head.around(np.arange(-180, 180, 15), y, 1.15) for y in (*np.linspace(-0.84, edge - 0.1, 5), edge)]
        )
        angles = np.linspace(-85, 85, 15)
        outlines["band"] = np.concatenate(
            [head.around(angles, edge - 0.13, 1.155), head.around(angles[::-1], edge, 1.155)]
        )
    if finish.hat == "cap":
        angles = np.radians(np.linspace(-62, 62, 15))
        brim = head.around(np.degrees(angles), -0.43, 1.15)
        front = np.stack([0.6 * np.sin(angles), np.full(15, -0.4), 0.75 + 0.42 * np.cos(1.35 * angles)], axis=1)
        outlines["brim"] = np.concatenate([brim, front[::-1]])
    return outlines
