"""Face Landmarker: its 68 points and blendshapes, tracking, and frames of any size."""

from __future__ import annotations

from pathlib import Path

import cv2
import mediapipe
import numpy as np
import pytest
from numpy.typing import NDArray

from dawn.demo.look import generate_person
from dawn.demo.render import Painter
from dawn.features.landmarks import BLENDSHAPES, MESH_68, FaceLandmarker
from dawn.features.portrait import find_box
from dawn.features.pose import head_pose
from dawn.media.image import read_image
from dawn.weights import verified

# fmt: off
MIRRORED = np.array([
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
])
# fmt: on


def test_landmarks_follow_the_68_point_scheme(static: FaceLandmarker, real: Path) -> None:
    face = static.detect(read_image(real / "portraits" / "photo_obama_official.jpg"))
    assert face is not None and face.mesh.shape == (478, 3) and face.landmarks.shape == (68, 2)
    points = face.landmarks
    centre = {name: points[part].mean(0) for name, part in {"right": slice(36, 42), "left": slice(42, 48)}.items()}
    assert centre["right"][0] < points[30, 0] < centre["left"][0]  # the person's right eye is at image left
    brows, eyes, nose, mouth, chin = (
        points[i, 1].mean() for i in (range(17, 27), range(36, 48), [30], range(48, 68), [8])
    )
    assert brows < eyes < nose < mouth < chin
    assert (np.diff(points[:17, 0]) > 0).sum() >= 14  # the jaw runs from image left to image right
    assert points[62, 1] <= points[66, 1] and points[51, 1] < points[57, 1]
    assert len(set(MESH_68.tolist())) == 68


def test_blendshapes_have_the_names_of_the_network(real: Path) -> None:
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(verified("face-landmarker").path)), output_face_blendshapes=True
    )
    image = mediapipe.Image(mediapipe.ImageFormat.SRGB, read_image(real / "portraits" / "photo_obama_official.jpg"))
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        [shapes] = landmarker.detect(image).face_blendshapes
    assert tuple(shape.category_name.removeprefix("_") for shape in shapes) == BLENDSHAPES


def test_blendshapes_follow_lids_and_jaw(static: FaceLandmarker) -> None:
    painter = Painter(generate_person(1234, 3), 256)

    def shapes(closure: tuple[float, float], opening: float) -> dict[str, float]:
        face = static.detect(painter.frame((0, 0, 0, 1, 0, 0), closure, (opening, 0, 0, 0), (0, 0), 0.0))
        assert face is not None
        return dict(zip(BLENDSHAPES, face.blendshapes.tolist(), strict=True))

    rest, shut, wide = shapes((0, 0), 0), shapes((1, 1), 0), shapes((0, 0), 1)
    assert shut["eyeBlinkLeft"] > rest["eyeBlinkLeft"] + 0.2 and shut["eyeBlinkRight"] > rest["eyeBlinkRight"] + 0.2
    assert wide["jawOpen"] > rest["jawOpen"] + 0.1


def test_mirrored_image_gives_mirrored_face(static: FaceLandmarker, real: Path) -> None:
    image = read_image(real / "portraits" / "photo_dawn_female1.jpeg")
    face, mirrored = static.detect(image), static.detect(np.ascontiguousarray(image[:, ::-1]))
    assert face is not None and mirrored is not None
    flipped = mirrored.landmarks[MIRRORED] * [-1, 1] + [image.shape[1], 0]
    eyes = np.linalg.norm(face.landmarks[36] - face.landmarks[45])
    assert np.linalg.norm(flipped - face.landmarks, axis=-1).mean() < 0.03 * eyes
    width, height = image.shape[1], image.shape[0]
    a, b = head_pose(face.transform, width, height), head_pose(mirrored.transform, width, height)
    assert np.allclose(a[:3], b[:3] * [-1, 1, -1], atol=2.0)
    assert np.allclose(a[3:], [b[3], 1 - b[4], b[5]], atol=0.02)
    assert abs(a[0]) > 5  # she looks to one side


def test_tracking_is_repeatable_and_quiet(speaker: NDArray[np.uint8], capfd: pytest.CaptureFixture[str]) -> None:
    runs = []
    for _ in range(2):
        with FaceLandmarker() as landmarker:
            faces = [landmarker.detect(frame) for frame in speaker[:15]]
        runs.append(np.stack([face.mesh for face in faces if face is not None]))
    assert runs[0].shape == (15, 478, 3)
    assert np.array_equal(runs[0], runs[1])
    assert capfd.readouterr().err == ""


def test_small_frames_are_enlarged(static: FaceLandmarker, speaker: NDArray[np.uint8]) -> None:
    large = static.detect(speaker[0])
    small = static.detect(cv2.resize(speaker[0], (64, 64), interpolation=cv2.INTER_AREA).astype(np.uint8))
    assert large is not None and small is not None
    assert np.linalg.norm(small.landmarks * 4 - large.landmarks, axis=-1).mean() < 4


def test_largest_of_several_faces(static: FaceLandmarker, real: Path) -> None:
    big = cv2.resize(read_image(real / "portraits" / "photo_dawn_female1.jpeg"), (400, 400))
    small = cv2.resize(read_image(real / "portraits" / "photo_hdtf_RD_Radio51_256.png"), (256, 256))
    for flip in (False, True):
        canvas = np.full((400, 660, 3), 128, np.uint8)
        canvas[:, :400] = big
        canvas[70:326, 402:658] = small
        if flip:
            canvas = np.ascontiguousarray(canvas[:, ::-1])
        face = static.detect(canvas)
        assert face is not None
        assert (face.landmarks[:, 0].mean() > 330) == flip


def test_no_face_is_none(static: FaceLandmarker) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3)).astype(np.uint8)
    assert static.detect(noise) is None
    assert find_box(static, np.zeros((128, 128, 3), np.uint8)) is None
