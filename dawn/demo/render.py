"""Rendering of a person from appearance and motion: projection, then painting from back to front."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawn.config import FACE_HEIGHT
from dawn.demo.dress import CLOSE_CROPPED, CURLY, backdrop, rigid_outlines
from dawn.demo.head import BROW, CHIN, EYE, MOUTH, PIVOT, Head, Points, jaw_weights, open_jaw, rotation
from dawn.demo.light import UNIT, Light
from dawn.demo.look import Appearance, Colour, blend
from dawn.demo.motion import Motion
from dawn.media.framing import FACE_CENTRE

CAMERA = 5.6  # distance of the camera from the head's axis, head units
_FACE_DEPTH = 0.57  # depth z at which the projection has scale 1
BITS = 4  # sub-pixel bits of polygon corners

SWAY = 0.35  # share of the head's shift that the shoulders follow

Corners = NDArray[np.int32]  # (n, 2), in 1 / 2**BITS pixels of the canvas
Ink = tuple[int, ...]  # one value for each channel of the canvas
Canvas = NDArray[np.uint8]
_WRAPPED = ("patch", "beard", "fringe", "band")  # outlines around the head, which must not fold at its silhouette
_SIDEWAYS = np.radians(45)
ON: Ink = (255, 255, 255)
_SPAN = np.linspace(-1, 1, 15)


def render_frames(person: Appearance, motion: Motion, side: int) -> Iterator[NDArray[np.uint8]]:
    """Render the frames of a clip, RGB uint8 (side, side, 3), one for each row of `motion`."""
    yield from paint_frames(Painter(person, side), motion)


def paint_frames(painter: Painter, motion: Motion) -> Iterator[NDArray[np.uint8]]:
    """Paint a frame for each row of `motion`, RGB uint8 (side, side, 3)."""
    rows = zip(motion.pose, motion.closure, motion.mouth, motion.gaze, motion.brows, strict=True)
    for pose, closure, mouth, gaze, brows in rows:
        yield painter.frame(pose, closure, mouth, gaze, float(brows))


@dataclass(frozen=True)
class Placed:
    """A frame's outlines before they are painted."""

    turn: NDArray[np.float64]  # (3, 3), rotation of the head
    yaw: float  # degrees
    shift: NDArray[np.float64]  # (2,), frame sides
    part: dict[str, Corners]
    lips: dict[str, Corners]
    eyes: list[dict[str, Corners]]
    closure: list[float]
    gap: float  # opening of the mouth, head units
    neck: NDArray[np.float64]  # (3, 2), ends of the jaw and chin, 0..1
    mesh: NDArray[np.float64]  # (n, 2), points of the shaded surface, 0..1
    outline: Corners  # of the skull
    shell: Corners  # of the skull with its hair


class Painter:
    """Renderer of one person at one size; static parts are prepared once."""

    def __init__(self, person: Appearance, side: int, distance: float = CAMERA) -> None:
        """`distance` of the camera from the axis of the head is in head units."""
        look = self.look = person.look
        self.smile = person.manner.smile
        self.side = side
        self.size = side * self._magnification(side)
        self._distance = distance
        self.head = Head(look)
        self._backdrop = self._background()
        self._mask = np.zeros((self.size, self.size), np.uint8)
        self._paint: Mapping[str, Ink] = palette(person)

        self._mesh = self.head.mesh()
        rigid = rigid_outlines(self.head)
        rigid["neck"] = np.array([[-0.34, 0.5, 0.05], [0.34, 0.5, 0.05], [0.0, 0.79, 0.4]])
        self._names: dict[str, slice] = {}
        start = 0
        for name, points in rigid.items():
            self._names[name] = slice(start, start + len(points))
            start += len(points)
        self._points = np.concatenate([*rigid.values(), self._mesh.points])
        self._jaw = jaw_weights(self._points)
        for name in ("back", "lock left", "lock right", "neck"):
            self._jaw[self._names.get(name, slice(0))] = 0.0
        self._mesh_start = start
        wrapped = [np.arange(start)[where] for name, where in self._names.items() if name in _WRAPPED]
        self._side = np.concatenate(wrapped)
        self._side = self._side[np.abs(self.head.rim(self._points[self._side])[:, 2]) > _SIDEWAYS]
        self._rim = self.head.rim(self._points[self._side]).T
        self._offset = self._deformed(self._points) - self._points
        self._light = Light(self._mesh, look.light)
        self._strands = [name for name in rigid if name.startswith("strand")]
        self._lines = [name for name in rigid if name.startswith(("fold", "brow line"))]

    def frame(
        self, pose: ArrayLike, closure: ArrayLike, mouth: ArrayLike, gaze: ArrayLike, brows: float
    ) -> NDArray[np.uint8]:
        """Render one frame, RGB uint8 (side, side, 3); the arguments are rows of :class:`dawn.demo.motion.Motion`."""
        placed = self._place(pose, closure, mouth, gaze, brows)
        canvas = self._unlit(placed)
        self._mask[:] = 0
        for corners in (placed.outline, placed.shell, hull(placed.part["lower"])):
            self._fill(self._mask, corners, ON)
        lit = cv2.multiply(canvas, self._light.factors(placed.turn, placed.mesh, self.size), scale=1 / UNIT)
        cv2.copyTo(lit, self._mask, canvas)
        self._spots(canvas, placed)
        self._front(canvas, placed.part)
        return np.asarray(cv2.resize(canvas, (self.side, self.side), interpolation=cv2.INTER_AREA), np.uint8)

    def _unlit(self, placed: Placed) -> Canvas:
        """Paint backdrop, body and head, from back to front."""
        canvas = self._backdrop.copy()
        self._body(canvas, placed)
        self._skull(canvas, placed)
        self._face(canvas, placed)
        return canvas

    @staticmethod
    def _magnification(side: int) -> int:
        """Frames are painted larger by this factor, then averaged."""
        return 4 if side <= 96 else 3 if side <= 256 else 2

    def _background(self) -> Canvas:
        return backdrop(self.look, self.size)

    def _deformed(self, points: Points) -> Points:
        return self.head.deformation(points) if self.head.deformation else points

    def _place(self, pose: ArrayLike, closure: ArrayLike, mouth: ArrayLike, gaze: ArrayLike, brows: float) -> Placed:
        """Compute the outlines of a frame."""
        yaw, pitch, roll, scale, *shift = np.asarray(pose, float).tolist()
        shut = np.asarray(closure, float).tolist()
        turn = rotation(yaw, pitch, roll)
        points = open_jaw(self._points, self._jaw, float(np.asarray(mouth)[0]))
        points[self._side, 0], points[self._side, 2] = self._to_edge(yaw)
        for name in ("brow left", "brow right"):
            points[self._names[name], 1] -= 0.055 * brows
        if self.head.deformation:
            points += self._offset
        lips = self.head.mouth(mouth, self.smile)
        eyes = self.head.eyes(closure, gaze).reshape(-1, 3)
        inside = lips[MOUTH["inner lower"], 1] - lips[MOUTH["inner upper"], 1]
        start, count = self._mesh_start, len(self._points)
        features = self._deformed(np.concatenate([lips, eyes]))
        placed = _project(np.concatenate([points, features]), turn, scale, np.array(shift), self._distance)
        corners = self._fixed(placed)
        part = {name: corners[where] for name, where in self._names.items()}
        lip_part = corners[count : count + len(lips)]
        eye_part = corners[count + len(lips) :].reshape(2, -1, 2)
        outline = hull(part["skull"])
        return Placed(
            turn=turn,
            yaw=yaw,
            shift=np.array(shift),
            part=part,
            lips={name: lip_part[where] for name, where in MOUTH.items()},
            eyes=[{name: corners_of_eye[where] for name, where in EYE.items()} for corners_of_eye in eye_part],
            closure=shut,
            gap=float(inside.max()),
            neck=placed[self._names["neck"]],
            mesh=placed[start:count],
            outline=outline,
            shell=hull(part["shell"]) if "shell" in part else outline,
        )

    def _to_edge(self, yaw: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute x and z of the side points; points that a rotation hides stop at the silhouette of the head.

        A section of the head is an ellipse; rotated, it is visible from -90 to 90 degrees minus `ahead`.
        """
        half, depth, angle = self._rim
        turn = np.radians(-yaw)
        ahead = np.arctan2(depth * np.sin(turn), half * np.cos(turn))
        angle = np.clip(angle, -np.pi / 2 - ahead, np.pi / 2 - ahead)
        return half * np.sin(angle), depth * np.cos(angle)

    def _fixed(self, placed: NDArray[np.float64]) -> Corners:
        return np.asarray(np.rint((placed * self.size - 0.5) * (1 << BITS)), np.int32)

    def _fill(self, canvas: Canvas, corners: Corners, colour: Ink) -> None:
        cv2.fillPoly(canvas, [corners], colour, lineType=cv2.LINE_8, shift=BITS)

    def _between(self, canvas: Canvas, first: Corners, second: Corners, colour: Ink) -> None:
        """Fill the area between two curves of the same direction."""
        self._fill(canvas, np.concatenate([first, second[::-1]]), colour)

    def _line(self, canvas: Canvas, lines: list[Corners], colour: Ink, width: float, closed: bool = False) -> None:
        """Draw lines `width` frame sides wide."""
        cv2.polylines(canvas, lines, closed, colour, max(1, round(width * self.size)), cv2.LINE_AA, BITS)

    def _body(self, canvas: Canvas, placed: Placed) -> None:
        """Paint hair behind the neck, neck and clothes."""
        look, paint, part, sway = self.look, self._paint, placed.part, SWAY * placed.shift
        if "back" in part:
            self._fill(canvas, part["back"], paint["hair behind"])
        broad = (0.165 if look.feminine else 0.2) * look.neck
        base = np.array([0.5, 1.0 - look.shoulders]) + sway
        left, right, chin = placed.neck
        sides = np.stack(
            [np.add(base, offset) for offset in ((broad, -0.03), (broad, 0.2), (-broad, 0.2), (-broad, -0.03))]
        )
        self._fill(canvas, self._fixed(np.stack([left, right, *sides])), paint["neck"])
        across = chin[1] + 0.06 - 0.055 * _SPAN**2
        edge = [np.interp(across, (corner[1], base[1] - 0.03), (corner[0], base[0] + sign * broad))
                for corner, sign in ((left, -1), (right, 1))]  # fmt: skip
        below = np.stack([edge[0] + (edge[1] - edge[0]) * (_SPAN + 1) / 2, across], axis=1)
        self._fill(canvas, self._fixed(np.concatenate([below, [right, left]])), paint["chin shadow"])
        if look.style == "scarf":
            drape = base + np.stack([_SPAN * 0.46, -0.03 - 0.14 * np.sqrt(1 - _SPAN**2)], axis=1)
            self._fill(
                canvas, self._fixed(np.concatenate([drape, np.add(base, [[0.5, 0.3], [-0.5, 0.3]])])), paint["drape"]
            )
            return
        depth = {"round": 0.02, "v": 0.075, "shirt": 0.05}[look.collar]
        dip = np.sqrt(1 - _SPAN**2) if look.collar == "round" else 1 - np.abs(_SPAN)
        collar = base + np.stack([_SPAN * (broad + 0.012), -0.028 + depth * dip + 0.012 * (1 - _SPAN**2)], axis=1)
        ends = np.add(base, [[0.36, 0.012], [0.62, 0.07], [0.62, 0.3], [-0.62, 0.3], [-0.62, 0.07], [-0.36, 0.012]])
        self._fill(canvas, self._fixed(np.concatenate([collar, ends])), paint["clothes"])
        if look.collar != "shirt":
            self._line(canvas, [self._fixed(collar)], paint["seam"], 0.012)
            return
        for sign in (-1, 1):
            flap = [[sign * broad, -0.045], [sign * 0.01, 0.045], [sign * 0.1, 0.1], [sign * (broad + 0.05), 0.0]]
            self._fill(canvas, self._fixed(base + flap), paint["flap"])
            self._line(canvas, [self._fixed(base + flap)], paint["seam"], 0.004, closed=True)

    def _skull(self, canvas: Canvas, placed: Placed) -> None:
        """Paint ears, hair on the skull and the bare face."""
        style, paint, part, yaw = self.look.style, self._paint, placed.part, placed.yaw
        covered = "lock left" in part or style == "scarf"
        near = [] if covered else [name for name, away in (("left", yaw), ("right", -yaw)) if away <= 4]
        if not covered:
            for name in {"left", "right"} - set(near):
                self._fill(canvas, part[f"ear {name}"], paint["ear"])
        if style == "bald":
            self._fill(canvas, placed.outline, paint["skin"])
        else:
            self._fill(canvas, placed.shell, paint["cover"])
            if style in CURLY:
                for number, (x, y) in enumerate(part["curls"].tolist()):
                    radius = (0.055, 0.068, 0.06)[number % 3] * self.size * (1 << BITS)
                    cv2.circle(canvas, (x, y), int(radius), paint["cover"], -1, cv2.LINE_8, BITS)
            if style != "scarf":
                self._fill(canvas, hull(part["lower"]), paint["skin"])
            strands = [part[name] for name in self._strands]
            if strands:
                self._line(canvas, strands[::2], paint["strand light"], 0.007)
                self._line(canvas, strands[1::2], paint["strand dark"], 0.007)
            self._fill(canvas, part["patch"], paint["skin"])
        for name in near:
            self._fill(canvas, part[f"ear {name}"], paint["ear"])
            self._fill(canvas, part[f"concha {name}"], paint["concha"])
        if "beard" in part:
            self._fill(canvas, part["beard"], paint["beard"])

    def _face(self, canvas: Canvas, placed: Placed) -> None:
        """Paint eyes, brows, nose and mouth."""
        for part, closed in zip(placed.eyes, placed.closure, strict=True):
            self._eye(canvas, part, closed)
        self._features(canvas, placed.part)
        self._mouth(canvas, placed.lips, placed.gap)

    def _spots(self, canvas: Canvas, placed: Placed) -> None:
        """Paint the reflection of a lamp in the open eyes."""
        for part, closed in zip(placed.eyes, placed.closure, strict=True):
            if closed < 0.5:
                self._fill(canvas, part["spot"], self._paint["spot"])

    def _eye(self, canvas: Canvas, part: dict[str, Corners], closed: float) -> None:
        """Paint white, iris and pupil, then the lids, then the lashes."""
        paint = self._paint
        if closed < 0.97:
            self._between(canvas, part["upper"], part["lower"], paint["white"])
            self._fill(canvas, part["iris"], paint["iris edge"])
            self._fill(canvas, part["inner"], paint["iris"])
            self._fill(canvas, part["pupil"], paint["pupil"])
            self._dim(canvas, np.concatenate([part["upper"], part["shadow"][::-1]]))
        self._between(canvas, part["crease"], part["upper"], paint["lid"])
        self._between(canvas, part["lower"], part["bag"], paint["skin"])
        self._line(canvas, [part["crease"]], paint["crease"], 0.004)
        self._line(canvas, [part["lower"]], paint["lower lash"], 0.004)
        self._between(canvas, part["lash"], part["upper"], paint["lash"])
        self._line(canvas, [part["upper"]], paint["lash"], 0.005)

    def _dim(self, canvas: Canvas, corners: Corners) -> None:
        """Darken the inside of an outline."""
        left, top = np.maximum(corners.min(axis=0) >> BITS, 0).tolist()
        right, bottom = np.minimum((corners.max(axis=0) >> BITS) + 2, self.size).tolist()
        if left >= right or top >= bottom:
            return
        view, mask = canvas[top:bottom, left:right], self._mask[top:bottom, left:right]
        mask[:] = 0
        self._fill(mask, corners - (left << BITS, top << BITS), ON)
        cv2.copyTo(cv2.convertScaleAbs(view, alpha=0.78), mask, view)

    def _features(self, canvas: Canvas, part: dict[str, Corners]) -> None:
        """Paint brows, nose and the lines of age."""
        paint = self._paint
        for name in ("left", "right"):
            self._fill(canvas, part[f"nostril {name}"], paint["nostril"])
            self._fill(canvas, part[f"brow {name}"], paint["brow"])
        self._line(canvas, [part["wing left"], part["wing right"]], paint["wing"], 0.006)
        if self._lines:
            self._line(canvas, [part[name] for name in self._lines], paint["age"], 0.006)

    def _mouth(self, canvas: Canvas, part: dict[str, Corners], gap: float) -> None:
        """Paint the inside of the mouth with teeth and tongue, then the lips; `gap` is the opening in head units."""
        paint = self._paint
        if gap > 0.012:
            self._between(canvas, part["inner upper"], part["inner lower"], paint["mouth"])
            self._between(canvas, part["tongue"], part["inner lower"], paint["tongue"])
            self._between(canvas, part["inner upper"][1:-1], part["teeth"][1:-1], paint["teeth"])
        self._between(canvas, part["outer upper"], part["inner upper"], paint["upper lip"])
        self._between(canvas, part["inner lower"], part["outer lower"], paint["lower lip"])
        self._line(canvas, [part["shine"][6:-6]], paint["shine"], 0.010)
        self._line(canvas, [part["inner upper"], part["inner lower"]], paint["lip edge"], 0.005)

    def _front(self, canvas: Canvas, part: dict[str, Corners]) -> None:
        """Paint hair in front of the face, and glasses."""
        for name in ("fringe", "lock left", "lock right"):
            if name in part:
                self._fill(canvas, part[name], self._paint["lock"])
        if self.look.glasses:
            width, paint = 0.010 * self.look.frame, self._paint["frame"]
            self._line(canvas, [part["ring left"], part["ring right"]], paint, width, closed=True)
            self._line(canvas, [part["bridge"], part["temple left"], part["temple right"]], paint, width)


def hull(corners: Corners) -> Corners:
    """Compute the convex hull of the points."""
    return np.asarray(cv2.convexHull(corners), np.int32)


def _project(
    points: Points, turn: NDArray[np.float64], scale: float, shift: NDArray[np.float64], distance: float
) -> NDArray[np.float64]:
    """Project points (n, 3) in head units to frame coordinates (n, 2), 0..1, by a perspective camera."""
    turned = points @ turn.T
    turned += PIVOT - turn @ PIVOT
    near = (FACE_HEIGHT * scale * (distance - _FACE_DEPTH)) / (distance - turned[:, 2])
    turned[:, 1] -= (BROW + CHIN) / 2
    return np.asarray(turned[:, :2] * near[:, None] + (shift + FACE_CENTRE))


def palette(person: Appearance) -> dict[str, Colour]:
    """Choose the colour of each painted part."""
    look = person.look
    skin, hair = look.skin, look.hair
    black, white = (0, 0, 0), (255, 255, 255)
    cover = look.scarf if look.style == "scarf" else hair
    if look.style in CLOSE_CROPPED:
        cover = blend(cover, skin, 0.25)
    ear = blend(skin, (120, 40, 30), 0.12)
    return {
        "skin": skin,
        "cover": cover,
        "hair behind": blend(cover, black, 0.28),
        "strand light": blend(cover, (255, 240, 220), 0.1),
        "strand dark": blend(cover, black, 0.16),
        "lock": blend(cover, black, 0.06),
        "beard": blend(hair, skin, 0.18),
        "brow": blend(blend(hair, (40, 28, 24), 0.35), skin, 0.08),
        "neck": blend(skin, (40, 16, 10), 0.16),
        "chin shadow": blend(skin, (36, 14, 10), 0.34),
        "clothes": look.clothes,
        "seam": blend(look.clothes, black, 0.25),
        "flap": blend(look.clothes, white, 0.22),
        "drape": blend(look.scarf, black, 0.12),
        "ear": ear,
        "concha": blend(ear, (60, 20, 16), 0.25),
        "white": (244, 240, 236),
        "iris edge": blend(look.eyes, black, 0.45),
        "iris": look.eyes,
        "pupil": (14, 10, 10),
        "lid": blend(skin, (110, 50, 46), 0.16 if look.feminine else 0.1),
        "crease": blend(skin, (40, 14, 10), 0.5),
        "lash": blend((26, 18, 18), hair, 0.15),
        "lower lash": blend(skin, (60, 20, 16), 0.45),
        "nostril": blend(skin, (40, 10, 8), 0.62),
        "wing": blend(skin, (70, 24, 16), 0.2),
        "age": blend(skin, (70, 30, 20), 0.12 + 0.22 * look.age),
        "mouth": (36, 8, 12),
        "tongue": (138, 54, 58),
        "teeth": (204, 196, 188),
        "upper lip": blend(look.lips, (138, 36, 46), 0.65),
        "lower lip": blend(look.lips, (168, 58, 64), 0.58),
        "shine": blend(look.lips, (255, 225, 215), 0.25),
        "lip edge": blend(look.lips, (40, 4, 8), 0.6),
        "frame": (48, 40, 44),
        "spot": (255, 255, 255),
    }
