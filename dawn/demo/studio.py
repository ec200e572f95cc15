"""Rendering of varied people: textured skin, hair and cloth, lamps, backgrounds and a camera, one setting per clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawn.demo.camera import Camera, Development, draw_camera
from dawn.demo.lamps import Lamps, draw_lamps
from dawn.demo.light import UNIT, StudioLight
from dawn.demo.look import Appearance, Finish, blend
from dawn.demo.motion import Motion
from dawn.demo.render import SWAY, Canvas, Corners, Ink, Painter, Placed, hull, paint_frames, palette
from dawn.demo.scenery import draw_scenery
from dawn.demo.texture import SIDE, Factors, cloth_texture, skin_texture, strand_texture
from dawn.seeds import numpy_generator

# A fourth channel of the canvas states the material of each pixel; 0 is the background.
_SMOOTH, _SKIN, _CLOTH, _HAIR = 16, 32, 64, 255
_OF_HAIR = ("cover", "hair behind", "strand light", "strand dark", "lock", "beard", "moustache", "brow")
_OF_CLOTH = ("clothes", "seam", "flap", "drape", "hat", "band", "brim")
_OF_SKIN = ("skin", "neck", "chin shadow", "ear", "concha", "lid", "crease", "wing", "age", "nostril",
            "upper lip", "lower lip", "lip edge", "lip rim", "shine")  # fmt: skip
_ANCHORS = np.array([[0.5, 0.0], [0.07, 0.52], [0.93, 0.52]], np.float32)  # of the hair's texture: crown and temples
_MARGIN = 255  # pixels by which the hair's texture is continued around the head
_SWAY_ROOM = 0.1  # frame sides by which the cloth's texture is continued


@dataclass(frozen=True)
class Scene:
    """Circumstances of one clip: lamps, camera, and the seed of the background."""

    lamps: Lamps
    camera: Camera
    background: int


def draw_scene(seed: int, index: int, utterance: int) -> Scene:
    """Draw the circumstances of an utterance of person `index`. Depends on the arguments only."""
    rng = numpy_generator(seed, 5, index, utterance)
    return Scene(draw_lamps(rng), draw_camera(rng), int(rng.integers(2**31)))


def render_scene(person: Appearance, motion: Motion, side: int, scene: Scene) -> Iterator[NDArray[np.uint8]]:
    """Render the frames of a varied person's clip, RGB uint8 (side, side, 3), one for each row of `motion`."""
    development = Development(scene.camera, side)
    for number, image in enumerate(paint_frames(StudioPainter(person, side, scene), motion)):
        yield development.frame(image, number)


class StudioPainter(Painter):
    """Renderer of one varied person in one scene at one size."""

    def __init__(self, person: Appearance, side: int, scene: Scene) -> None:
        """`person` has a finish."""
        self._scene = scene
        super().__init__(person, side, scene.camera.distance)
        assert self.look.finish is not None
        finish = self._finish = self.look.finish
        self._paint = _inks(person, finish)
        rng = np.random.default_rng(finish.seed)
        self._skin_texture = skin_texture(
            rng, finish.blotches, finish.pores, finish.relief, finish.stubble, finish.wrinkles, finish.freckles
        )
        strands = strand_texture(rng, finish.strands, finish.curl)
        self._strand_texture = np.pad(strands, _MARGIN, mode="symmetric")
        room = round(_SWAY_ROOM * self.size)
        cloth = cv2.resize(cloth_texture(rng), (self.size, self.size), interpolation=cv2.INTER_LINEAR)
        self._cloth_texture = np.pad(cloth, ((room, room), (room, room), (0, 0)), mode="symmetric")
        away = np.linalg.norm(self._mesh.texture[:, None] - _ANCHORS, axis=2)
        self._anchors = away.argmin(axis=0)
        self._studio = StudioLight(self._mesh, scene.lamps, finish.gloss)

    def frame(
        self, pose: ArrayLike, closure: ArrayLike, mouth: ArrayLike, gaze: ArrayLike, brows: float
    ) -> NDArray[np.uint8]:
        """See :meth:`Painter.frame`; the camera has yet to develop the frame."""
        placed = self._place(pose, closure, mouth, gaze, brows)
        canvas = self._unlit(placed)
        self._front(canvas, placed.part)
        light, places = self._studio.factors(placed.turn, placed.mesh, self.size)
        material = canvas[..., 3].copy()
        shade = self._textured(light, places, material, placed)
        image = np.asarray(cv2.cvtColor(canvas, cv2.COLOR_RGBA2RGB), np.uint8)
        cv2.copyTo(cv2.multiply(image, shade, scale=1 / UNIT), material, image)
        self._spots(image, placed)
        return np.asarray(cv2.resize(image, (self.side, self.side), interpolation=cv2.INTER_AREA), np.uint8)

    @staticmethod
    def _magnification(side: int) -> int:
        return 3 if side <= 96 else 2

    def _background(self) -> Canvas:
        scenery = draw_scenery(np.random.default_rng(self._scene.background), self.size)
        return np.dstack([scenery, np.zeros_like(scenery[..., :1])])

    def _textured(
        self, light: Factors, places: NDArray[np.float32], material: NDArray[np.uint8], placed: Placed
    ) -> Factors:
        """Multiply the light by the texture of each material."""
        texture = np.full_like(light, UNIT)
        skin = cv2.remap(self._skin_texture, places, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        cv2.copyTo(skin, cv2.inRange(material, _SMOOTH + 4, _CLOTH - 8), texture)
        anchors = (placed.mesh[self._anchors] * self.size).astype(np.float32)
        turned = cv2.getAffineTransform(_ANCHORS * SIDE + _MARGIN, anchors)
        hair = cv2.cvtColor(cv2.warpAffine(self._strand_texture, turned, material.shape), cv2.COLOR_GRAY2RGB)
        cv2.copyTo(hair, cv2.inRange(material, _HAIR // 2, _HAIR), texture)
        room = (len(self._cloth_texture) - self.size) // 2
        left, top = np.clip(np.rint(room - SWAY * placed.shift * self.size), 0, 2 * room).astype(int).tolist()
        cloth = self._cloth_texture[top : top + self.size, left : left + self.size]
        cv2.copyTo(cloth, cv2.inRange(material, _CLOTH - 8, _CLOTH), texture)
        return np.asarray(cv2.multiply(light, texture, scale=1 / UNIT), np.uint8)

    def _skull(self, canvas: Canvas, placed: Placed) -> None:
        """Paint as :class:`Painter`, then a moustache."""
        super()._skull(canvas, placed)
        if "moustache" in placed.part:
            self._fill(canvas, placed.part["moustache"], self._paint["moustache"])

    def _front(self, canvas: Canvas, part: dict[str, Corners]) -> None:
        """Paint as :class:`Painter`, then a hat."""
        super()._front(canvas, part)
        paint = self._paint
        if "hat" in part:
            self._fill(canvas, hull(part["hat"]), paint["hat"])
            self._fill(canvas, part["band"], paint["band"])
        if "brim" in part:
            self._fill(canvas, hull(part["brim"]), paint["brim"])

    def _mouth(self, canvas: Canvas, part: dict[str, Corners], gap: float) -> None:
        """Paint as :class:`Painter`, with a soft edge of the lips."""
        super()._mouth(canvas, part, gap)
        self._line(canvas, [part["outer upper"], part["outer lower"]], self._paint["lip rim"], 0.006)


def _inks(person: Appearance, finish: Finish) -> dict[str, Ink]:
    """Choose colour and material of each painted part."""
    colours = palette(person)
    hair, skin = person.look.hair, person.look.skin
    colours |= {
        "moustache": blend(hair, skin, 0.4),
        "hat": finish.hat_colour,
        "band": blend(finish.hat_colour, (0, 0, 0), 0.15),
        "brim": blend(finish.hat_colour, (0, 0, 0), 0.3),
    }
    colours |= dict(finish.colours)
    colours["lip rim"] = blend(blend(colours["upper lip"], colours["lower lip"], 0.5), skin, 0.6)
    materials = dict.fromkeys(colours, _SMOOTH) | dict.fromkeys(_OF_SKIN, _SKIN)
    materials |= dict.fromkeys(_OF_CLOTH, _CLOTH) | dict.fromkeys(_OF_HAIR, _HAIR)
    if person.look.style == "scarf":
        materials |= dict.fromkeys(("cover", "hair behind", "lock"), _CLOTH)
    return {name: (*colour, materials[name]) for name, colour in colours.items()}
