"""Three-dimensional head of a rendered person: a smooth surface, and the features on it.

Head units: 1 is the height from the brows to the chin. x points to the right of the image, y down, z to the camera; the
origin lies between the eyes, on the axis of the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

from dawn.demo.look import Look
from dawn.demo.shape import Deformation

Points = NDArray[np.float64]  # (n, 3) head units

BROW, CHIN = -0.22, 0.78
PIVOT = np.array([0.0, 0.38, 0.13])  # the head turns about this point
EYE_X, MOUTH_Y = 0.235, 0.515
_TOP = -0.84
_PROFILE_Y = (_TOP, -0.8, -0.68, -0.5, -0.3, -0.1, 0.1, 0.3, 0.45, 0.58, 0.68, 0.75, 0.79)
_HALF_WIDTH = (0.0, 0.24, 0.42, 0.525, 0.565, 0.57, 0.565, 0.535, 0.49, 0.405, 0.29, 0.17, 0.0)
_FORWARD = (0.0, 0.26, 0.49, 0.64, 0.70, 0.67, 0.67, 0.67, 0.67, 0.66, 0.61, 0.51, 0.35)
_ROWS, _COLUMNS = 56, 46
_SIDE = np.radians(98)  # the mesh reaches a little behind the ears

# Curves of the eyes and of the mouth, from left to right, and terms that their formulas share.
_SPAN = np.linspace(-1, 1, 13)
_BODY = 1 - _SPAN**2
_ANGLES = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_LIPS = np.linspace(-1, 1, 21)
_LIP_BODY = 1 - _LIPS**2
_LIP_ROUND = _LIP_BODY**0.72
_LIP_FULL = _LIP_BODY**0.58
_CUPID = 1 - 0.28 * np.exp(-((_LIPS / 0.16) ** 2))
_LIP_LIFT = np.array([0.0, 0.012, 0.01, 0.0, -0.03, -0.03, 0.0])


def _layout(lengths: dict[str, int]) -> dict[str, slice]:
    """Compute the slice of each outline in an array of concatenated outlines; 'length' spans all of them."""
    ends = np.cumsum(list(lengths.values())).tolist()
    return {name: slice(end - lengths[name], end) for name, end in zip(lengths, ends, strict=True)} | {
        "length": slice(0, ends[-1])
    }


EYE = _layout(
    dict.fromkeys(("upper", "lower", "crease", "lash", "bag", "shadow"), len(_SPAN))
    | dict.fromkeys(("iris", "inner", "pupil", "spot"), len(_CIRCLE))
)
MOUTH = _layout(
    dict.fromkeys(
        ("outer upper", "inner upper", "inner lower", "outer lower", "teeth", "tongue", "shine"),
        len(_LIPS),
    )
)


@dataclass(frozen=True)
class Mesh:
    """Surface points for shading: positions, unit normals and tint (RGB factors), each (n, 3).

    Positions and tint are those of the average head, normals those of the deformed one. `texture` (n, 2) are the
    coordinates of the points in an image of the head's surface, 0..1, from ear to ear and crown to chin.
    """

    points: Points
    normals: Points
    tint: Points
    texture: NDArray[np.float64]


class Head:
    """Geometry of one person's head, in head units, before its rotation."""

    def __init__(self, look: Look) -> None:
        self.look = look
        lower = np.clip((np.asarray(_PROFILE_Y) - 0.2) / 0.4, 0, 1)
        width = np.asarray(_HALF_WIDTH) * (look.width + (look.jaw - 1) * lower)
        self._levels = np.linspace(_TOP, _PROFILE_Y[-1], 400)
        self._widths = PchipInterpolator(_PROFILE_Y, width)(self._levels)
        self._depths = PchipInterpolator(_PROFILE_Y, _FORWARD)(self._levels)
        self._bumps = _bumps(look)
        self.deformation = Deformation(look.finish.shape) if look.finish else None
        side = np.array([[-1.0], [1.0]])
        centre = side * EYE_X * (0.5 + 0.5 * look.width)
        depth = self.on_surface(centre, 0.0)[..., 2]
        self._eye_x = centre + 0.138 * look.eye * _SPAN
        self._eye_z = depth + 0.012 + 0.035 * _BODY - 0.03 * np.abs(_SPAN) ** 3 * (side * _SPAN > 0)
        self._eye_middle = -look.tilt * side * _SPAN
        self._eye_arch = (1 - np.abs(_SPAN + 0.12 * side * _BODY) ** 2.2) ** 0.85
        self._eye_centre = np.concatenate([centre - 0.006 * side, np.full_like(side, -0.012), depth + 0.045], axis=1)

    def on_surface(self, x: ArrayLike, y: ArrayLike, lift: ArrayLike = 0.0) -> Points:
        """Compute points (n, 3) of the front of the face at x, y, moved outwards by `lift`."""
        x, y, lift = np.broadcast_arrays(*(np.asarray(value, float) for value in (x, y, lift)))
        half = np.maximum(self._width(y), 1e-6)
        cosine = np.sqrt(np.clip(1 - (x / half) ** 2, 0, 1))
        z = self._forward(y) * cosine + self._relief(x, y) * (cosine > 0)
        return np.stack([x, y, z + lift], axis=-1)

    def around(self, degrees: ArrayLike, y: ArrayLike, grow: float = 1.0) -> Points:
        """Compute points (n, 3) of the skull, scaled by `grow`, at angles from straight ahead (positive: right)."""
        angle, height = np.broadcast_arrays(np.radians(degrees), np.asarray(y, float))
        depth = np.where(np.cos(angle) > 0, self._forward(height), _backward(height))
        points = np.stack([self._width(height) * np.sin(angle), height, depth * np.cos(angle)], axis=-1)
        centre = np.array([0.0, -0.1, 0.0])
        return np.asarray((points - centre) * grow + centre)

    def rim(self, points: Points) -> NDArray[np.float64]:
        """Compute elliptic coordinates (n, 3) of points on the sides of the head: half width, depth, angle in radians.

        x = half width * sin(angle), z = depth * cos(angle).
        """
        width, forward = np.maximum(self._width(points[:, 1]), 0.1), np.maximum(self._forward(points[:, 1]), 0.1)
        angle = np.arctan2(points[:, 0] / width, points[:, 2] / forward)
        stretch = np.hypot(points[:, 0] / width, points[:, 2] / forward)
        return np.stack([width * stretch, forward * stretch, angle], axis=1)

    def mesh(self) -> Mesh:
        """Sample the shaded surface: about 2600 points of the front and the sides."""
        angle = np.linspace(-_SIDE, _SIDE, _COLUMNS)
        y = np.linspace(_TOP + 0.005, _PROFILE_Y[-1] - 0.003, _ROWS)
        grid_angle, grid_y = np.meshgrid(angle, y)
        points = self.around(np.degrees(grid_angle), grid_y)
        front = np.cos(grid_angle) > 0
        points[..., 2] += self._relief(points[..., 0], grid_y) * front
        flat = points.reshape(-1, 3)
        if self.deformation:
            points = self.deformation(flat).reshape(points.shape)
        along, down = np.gradient(points, axis=1), np.gradient(points, axis=0)
        normals = np.cross(along, down)
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-9
        across = grid_angle / (2 * _SIDE) + 0.5
        texture = np.stack([across, (grid_y - _TOP) / (_PROFILE_Y[-1] - _TOP)], axis=-1)
        return Mesh(flat, normals.reshape(-1, 3), self._tint(flat), texture.reshape(-1, 2))

    def eyes(self, closure: ArrayLike, gaze: ArrayLike) -> Points:
        """Compute the outlines of both eyes, that at image left first: (2, k, 3), concatenated as in `EYE`.

        closure (2,) is 0 open to 1 closed; gaze (2,) is right and down, -1..1.
        """
        size = self.look.eye
        shut = np.asarray(closure, float)[:, None]
        right, down = np.asarray(gaze, float)
        high, low = 0.078 * size * self.look.eye_open, 0.054 * size * self.look.eye_open
        middle, closed = self._eye_middle, self._eye_middle + 0.7 * low * _BODY
        upper = (middle - high * self._eye_arch) * (1 - shut) + closed * shut
        lower = (middle + low * _BODY**0.9) * (1 - shut) + closed * shut
        crease = middle - (high + 0.035 - 0.012 * shut) * self._eye_arch
        x, z = self._eye_x, self._eye_z
        points = np.empty((2, EYE["length"].stop, 3))
        thick = (0.024 if self.look.feminine else 0.017) * self.look.lash * (1 - 0.5 * _SPAN**2)
        for name, y, lift in (
            ("upper", upper, 0.012),
            ("lower", lower, 0.006),
            ("crease", crease, 0.0),
            ("lash", upper - thick, 0.014),
            ("bag", lower + 0.062 * _BODY, 0.0),
            ("shadow", upper + 0.024 * (1 - shut), 0.008),
        ):
            where = EYE[name]
            points[:, where, 0], points[:, where, 1], points[:, where, 2] = x, y, z + lift
        centre = self._eye_centre + np.array([0.055 * right, 0.028 * down, -0.02 * abs(right)])
        radius = 0.074 * size
        for name, circle, offset in (
            ("iris", _CIRCLE * radius, (0.0, 0.0)),
            ("inner", _CIRCLE * (0.84 * radius), (0.0, 0.0)),
            ("pupil", _CIRCLE * (0.45 * radius), (0.0, 0.0)),
            ("spot", _CIRCLE * (0.24 * radius), (0.36 * radius * np.sign(self.look.light), -0.32 * radius)),
        ):
            points[:, EYE[name], :2] = centre[:, None, :2] + circle + offset
            points[:, EYE[name], 2] = centre[:, None, 2]
        return points

    def mouth(self, shape: ArrayLike, smile: float) -> Points:
        """Compute the outlines of the mouth, (k, 3), concatenated as in `MOUTH`, each from left to right.

        shape is opening 0..1, width -1..1, rounding 0..1, press 0..1.
        """
        opening, width, rounding, press = np.asarray(shape, float)
        s, body = _LIPS, _LIP_BODY
        half = 0.202 * self.look.mouth * (1 + 0.13 * width - 0.26 * rounding - 0.05 * opening + 0.05 * smile)
        gap = 0.25 * opening
        corners = MOUTH_Y + (0.3 * gap - 0.034 * smile) * s**2 + 0.008 * body
        inner_upper = corners - 0.22 * gap * _LIP_ROUND - 0.006 * np.exp(-((s / 0.25) ** 2))
        inner_lower = np.maximum(corners + 0.78 * gap * _LIP_ROUND, inner_upper)
        thick = self.look.lip * (1 - 0.45 * press) * (1 + 0.25 * rounding - 0.12 * opening)
        outer_upper = inner_upper - 0.052 * thick * _LIP_FULL * _CUPID
        outer_lower = inner_lower + 0.064 * thick * _LIP_FULL
        space = inner_lower - inner_upper
        rows = np.stack(
            [
                outer_upper,
                inner_upper,
                inner_lower,
                outer_lower,
                inner_upper
                + self.look.teeth * np.minimum(0.2 * np.maximum(space - 0.03, 0), 0.022 * body**0.5),  # their edge
                inner_lower - np.clip(0.5 * (space - 0.05), 0, 0.05) * body**0.5,  # of the tongue
                0.4 * inner_lower + 0.6 * outer_lower,  # shine on the lower lip
            ]
        )
        lift = (0.022 + 0.05 * rounding) * body + _LIP_LIFT[:, None]
        return self.on_surface(half * s, np.minimum(rows, 0.77), lift).reshape(-1, 3)

    def _width(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Interpolate half the width of the head at height y."""
        return np.asarray(np.interp(y, self._levels, self._widths))

    def _forward(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Interpolate the distance of the face from the axis at height y."""
        return np.asarray(np.interp(y, self._levels, self._depths))

    def _relief(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Evaluate the relief of nose, sockets, brow ridge, cheeks, muzzle and chin on the smooth skull, head units."""
        cx, cy, height, sx, sy = (column[:, None] for column in self._bumps.T)
        flat = np.exp(-(((x.ravel() - cx) / sx) ** 2) - ((y.ravel() - cy) / sy) ** 2)
        return np.asarray((height * flat).sum(axis=0).reshape(x.shape))

    def _tint(self, points: Points) -> Points:
        """Compute colour factors (n, 3) of the skin: rosy cheeks and nose, darker sockets, soft shadows."""
        x, y = points[:, 0], points[:, 1]

        def spot(cx: float, cy: float, sx: float, sy: float) -> Points:
            near = np.exp(-(((np.abs(x) - cx) / sx) ** 2) - ((y - cy) / sy) ** 2)
            return np.asarray(near[:, None])

        rosy = np.array([0.02, 0.075, 0.07]) * (1.2 if self.look.feminine else 0.8)
        tint = 1 - rosy * (spot(0.3, 0.25, 0.16, 0.13) + 0.6 * spot(0.0, 0.29, 0.08, 0.07))
        tint -= np.array([0.10, 0.12, 0.11]) * spot(EYE_X, -0.06, 0.17, 0.08)
        tint -= np.array([0.16, 0.2, 0.2]) * spot(0.0, 0.375, 0.1, 0.035)
        tint -= np.array([0.08, 0.1, 0.1]) * spot(0.0, 0.645, 0.13, 0.03)
        tint -= np.array([0.05, 0.06, 0.06]) * spot(EYE_X, 0.1, 0.13, 0.04) * (0.5 + self.look.age)
        if self.look.beard != "none":
            jaw = np.clip((y - 0.36 + 0.35 * np.clip(0.3 - np.abs(x), 0, 1) * (y < 0.42)) / 0.1, 0, 1)
            tint -= np.array([0.2, 0.19, 0.16]) * jaw[:, None]
        return tint


def _backward(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate the depth of the back of the skull at height y; it decreases below the ears."""
    return np.asarray(np.interp(y, (_TOP, -0.7, -0.4, 0.0, 0.3, 0.5), (0.0, 0.45, 0.66, 0.62, 0.4, 0.1)))


def jaw_weights(points: Points) -> NDArray[np.float64]:
    """Compute the weight, 0..1, with which each point follows the jaw."""
    rise = np.clip((points[..., 1] - 0.46) / 0.24, 0, 1)
    return np.asarray(rise * rise * (3 - 2 * rise))


def open_jaw(points: Points, weights: NDArray[np.float64], opening: float) -> Points:
    """Return a copy of the points with the jaw opened (0..1); `weights` are those of :func:`jaw_weights`."""
    moved = points.copy()
    moved[:, 1] += (0.105 * opening) * weights
    moved[:, 2] -= (0.03 * opening) * weights
    return moved


def rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """Compute the rotation (3, 3) for angles in degrees: yaw, then pitch, then roll, signs as in `motion.Motion`."""
    a, b, c = -np.radians((yaw, pitch, roll))
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    nod = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    tilt = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(tilt @ nod @ turn)


def _bumps(look: Look) -> NDArray[np.float64]:
    """Return the Gaussian bumps (n, 5) of the relief: centre x, centre y, height, extent in x, extent in y."""
    n = look.nose
    midline = [
        (0.0, -0.02, 0.045, 0.05, 0.13),
        (0.0, 0.13, 0.13 * n, 0.052, 0.12),
        (0.0, 0.265, 0.205 * n, 0.072 * n, 0.085),
        (0.0, 0.51, 0.045, 0.22, 0.13),
        (0.0, 0.64, -0.03, 0.15, 0.035),
        (0.0, 0.72, 0.05, 0.14, 0.08),
        (0.0, -0.42, 0.02, 0.3, 0.18),
    ]
    mirrored = [
        (0.085 * n, 0.30, 0.06 * n, 0.042, 0.045),
        (EYE_X, 0.0, -0.055, 0.14, 0.085),
        (0.2, -0.19, 0.03, 0.2, 0.06),
        (0.33, 0.22, 0.045, 0.14, 0.13),
        (0.2, 0.42, -0.018 - 0.02 * look.age, 0.05, 0.08),
    ]
    return np.array([*midline, *mirrored, *((-x, *rest) for x, *rest in mirrored)])
