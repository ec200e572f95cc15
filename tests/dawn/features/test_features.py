"""Landmarks, pose, blink, boxes, extraction and portraits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dawn.config import Features as FeaturesConfig
from dawn.errors import InputError
from dawn.features.blink import eye_aspect_ratios
from dawn.features.boxes import eye_boxes, face_box, mouth_box
from dawn.features.extract import extract, track_face
from dawn.features.landmarks import MESH_68, FaceMesh
from dawn.features.portrait import crop_portrait, find_box
from dawn.features.pose import RIGID_HEAD, RIGID_VERTICES, head_pose
from dawn.features.store import Features
from dawn.media.audio import read_audio
from dawn.media.files import sha256_file
from dawn.media.image import read_image
from dawn.media.video import iter_frames, load_frames
from dawn.media.video_writer import write_video
from dawn.models.facemask import box_mask
from tests.support.heads import turned_head

CFG = FeaturesConfig()
# fmt: off
MIRRORED = np.array([
    *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
])
# fmt: on


@pytest.fixture(scope="module")
def static(real: Path) -> FaceMesh:
    return FaceMesh(static=True)


@pytest.fixture(scope="module")
def speaker(real: Path) -> NDArray[np.uint8]:
    """Two seconds of a real speaker, (50, 256, 256, 3)."""
    return load_frames(real / "clips" / "hdtf_WDA_AmyKlobuchar_256.mp4")[:50]


# ------------------------------------------------------------------------------------------------------------ landmarks
def test_landmarks_lie_where_the_scheme_says(static: FaceMesh, real: Path) -> None:
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


def test_mirrored_picture_gives_mirrored_face(static: FaceMesh, real: Path) -> None:
    image = read_image(real / "portraits" / "photo_dawn_female1.jpeg")
    one, other = static.detect(image), static.detect(np.ascontiguousarray(image[:, ::-1]))
    assert one is not None and other is not None
    flipped = other.landmarks[MIRRORED] * [-1, 1] + [image.shape[1], 0]
    eyes = np.linalg.norm(one.landmarks[36] - one.landmarks[45])
    assert np.linalg.norm(flipped - one.landmarks, axis=-1).mean() < 0.03 * eyes
    width, height = image.shape[1], image.shape[0]
    a, b = head_pose(one.mesh, width, height), head_pose(other.mesh, width, height)
    assert np.allclose(a[:3], b[:3] * [-1, 1, -1], atol=2.0)
    assert np.allclose(a[3:], [b[3], 1 - b[4], b[5]], atol=0.02)
    assert abs(a[0]) > 5  # she does look to one side


def test_published_signs(static: FaceMesh, real: Path) -> None:
    """The girl with a pearl earring looks to image left; her head leans clockwise."""
    image = read_image(real / "portraits" / "painting_pearl_earring.jpg")
    face = static.detect(image)
    assert face is not None
    yaw, _, roll, *_ = head_pose(face.mesh, image.shape[1], image.shape[0])
    assert yaw > 20 and roll < -5


def test_tracking_is_repeatable_and_quiet(speaker: NDArray[np.uint8], capfd: pytest.CaptureFixture[str]) -> None:
    runs = []
    for _ in range(2):
        with FaceMesh() as mesh:
            faces = [mesh.detect(frame) for frame in speaker[:15]]
        runs.append(np.stack([face.mesh for face in faces if face is not None]))
    assert runs[0].shape == (15, 478, 3)
    assert np.array_equal(runs[0], runs[1])
    assert capfd.readouterr().err == ""


def test_small_frames_are_enlarged(static: FaceMesh, speaker: NDArray[np.uint8]) -> None:
    large = static.detect(speaker[0])
    small = static.detect(cv2.resize(speaker[0], (64, 64), interpolation=cv2.INTER_AREA).astype(np.uint8))
    assert large is not None and small is not None
    assert np.linalg.norm(small.landmarks * 4 - large.landmarks, axis=-1).mean() < 4


def test_largest_of_several_faces(static: FaceMesh, real: Path) -> None:
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


def test_no_face_is_none(static: FaceMesh) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3)).astype(np.uint8)
    assert static.detect(noise) is None
    assert find_box(static, np.zeros((128, 128, 3), np.uint8)) is None


# ----------------------------------------------------------------------------------------------------------------- pose
@settings(max_examples=60, deadline=None)
@given(
    st.floats(-80, 80), st.floats(-80, 80), st.floats(-80, 80), st.floats(0.1, 1.5), st.floats(0, 1), st.floats(0, 1)
)
def test_pose_of_a_known_head(yaw: float, pitch: float, roll: float, scale: float, tx: float, ty: float) -> None:
    width, height = 200, 160
    mesh = np.zeros((478, 3), np.float32)
    head = scale * height * RIGID_HEAD @ turned_head(yaw, pitch, roll).T
    mesh[RIGID_VERTICES] = head * [1, -1, -1] + [tx * width, ty * height, 0]
    got = head_pose(mesh, width, height)
    assert np.allclose(got[:3], [yaw, pitch, roll], atol=0.01)
    assert np.allclose(got[3:], [scale, tx, ty], atol=1e-4)


def test_pose_takes_any_leading_shape() -> None:
    mesh = np.random.default_rng(0).normal(size=(2, 3, 478, 3)).astype(np.float32)
    mesh[..., RIGID_VERTICES, :] += 20 * RIGID_HEAD
    batched = head_pose(mesh, 64, 64)
    assert batched.shape == (2, 3, 6)
    assert np.allclose(batched[1, 2], head_pose(mesh[1, 2], 64, 64), atol=1e-5)


def test_rigid_head_is_symmetric_and_centred() -> None:
    assert np.abs(RIGID_HEAD.mean(0)).max() < 1e-4
    mirrored = {tuple(row) for row in (RIGID_HEAD * [-1, 1, 1] + 0.0).round(4)}
    assert mirrored == {tuple(row) for row in (RIGID_HEAD + 0.0).round(4)}


# ------------------------------------------------------------------------------------------------------ blink and boxes
def test_eye_aspect_ratio_of_known_points() -> None:
    points = np.zeros((2, 68, 2), np.float32)
    points[0, [42, 45]] = [[10, 0], [14, 3]]  # left eye 5 wide
    points[0, [43, 47]] = [[11, 0], [11, 2]]  # 2 high
    points[0, [36, 39]] = [[0, 0], [4, 0]]
    points[0, [37, 41]] = [[1, 0], [1, 1]]
    assert np.allclose(eye_aspect_ratios(points[0]), [0.4, 0.25])
    assert np.allclose(eye_aspect_ratios(points), [[0.4, 0.25], [0, 0]])


def test_boxes_hold_their_points() -> None:
    points = np.random.default_rng(0).uniform(0, 100, (5, 68, 2)).astype(np.float32)
    assert np.array_equal(face_box(points)[:, :2], points.min(1)) and np.array_equal(
        face_box(points)[:, 2:], points.max(1)
    )
    assert np.array_equal(mouth_box(points)[:, 2:], points[:, 48:68].max(1))
    assert eye_boxes(points).shape == (5, 2, 4)
    assert np.array_equal(eye_boxes(points)[:, 0, :2], points[:, 42:48].min(1))  # left first, as in blink


@pytest.mark.parametrize("side", [128, 256])
def test_mask_covers_the_published_rows_and_columns(reference: Path, side: int) -> None:
    golden = np.load(reference / "facemask.npz")[f"mask{side}_rows_cols"]
    # The vector's picture is 400 wide and 420 high; ours are square, so its box is scaled to the mask first.
    box = torch.tensor([[100 / 400, 80 / 420, 300 / 400, 330 / 420]]) * side
    mask = box_mask(box, side, side)
    assert mask.shape == (1, side, side)
    rows, columns = torch.nonzero(mask[0], as_tuple=True)
    assert [int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())] == golden.tolist()
    assert int(mask.sum()) == (golden[1] - golden[0] + 1) * (golden[3] - golden[2] + 1)


def test_mask_scales_and_unites() -> None:
    one = torch.tensor([[8.0, 16.0, 23.0, 31.0]])
    other = torch.tensor([[40.0, 40.0, 47.0, 47.0]])
    mask = box_mask(one, 64, 16)[0]
    assert mask[4:9, 2:7].all() and mask.sum() == 25  # x 2 to 5.75 + 1, y 4 to 7.75 + 1
    both = box_mask(torch.stack([one, other], dim=1), 64, 16)[0]
    assert torch.equal(both, torch.maximum(mask, box_mask(other, 64, 16)[0]))
    assert box_mask(torch.tensor([[-50.0, -50.0, 200.0, 200.0]]), 64, 16).eq(1).all()
    assert box_mask(torch.tensor([[100.0, 100.0, 120.0, 120.0]]), 64, 16).sum() == 0


# ------------------------------------------------------------------------------------------------- extraction and store
@pytest.fixture(scope="module")
def clip(speaker: NDArray[np.uint8], real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real speaker's clip with its sound; the face is hidden in frames 20 to 22."""
    frames = np.stack([cv2.resize(frame, (128, 128), interpolation=cv2.INTER_AREA) for frame in speaker]).astype(
        np.uint8
    )
    frames[20:23] = 90
    path = tmp_path_factory.mktemp("clip") / "speaker.mp4"
    write_video(path, frames, audio=read_audio(real / "clips" / "hdtf_WDA_AmyKlobuchar_256.wav"))
    return path


def test_extract(clip: Path, tmp_path: Path) -> None:
    features = extract(clip, CFG, 25)
    assert features.landmarks.shape == (50, 68, 2) and features.speech.shape == (50, CFG.speech.dim)
    assert features.pose.shape == (50, 6) and features.blink.shape == (50, 2)
    assert features.face_box.shape == features.mouth_box.shape == (50, 4)
    assert np.flatnonzero(~features.found).tolist() == [20, 21, 22]
    middle = (features.landmarks[19] + features.landmarks[23]) / 2
    assert np.allclose(features.landmarks[21], middle, atol=1e-3)
    assert np.allclose(features.pose[21], (features.pose[19] + features.pose[23]) / 2, atol=1e-3)
    assert (features.landmarks > 0).all() and (features.landmarks < 128).all()
    assert np.abs(np.diff(features.pose[:20, :3], axis=0)).max() < 6  # degrees from frame to frame
    digests = set()
    for name in ("a", "b"):
        extract(clip, CFG, 25).save(tmp_path / f"{name}.safetensors")
        digests.add(sha256_file(tmp_path / f"{name}.safetensors"))
    assert len(digests) == 1
    back = Features.load(tmp_path / "a.safetensors")
    for name, value in vars(features).items():
        assert np.array_equal(getattr(back, name), value), name


def test_clips_without_enough_face_or_sound(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="47 of 50 frames"):
        track_face(clip, CFG.model_copy(update={"min_face_share": 0.95}))
    write_video(tmp_path / "silent.mp4", iter_frames(clip))
    assert track_face(tmp_path / "silent.mp4", CFG).found.sum() == 47
    with pytest.raises(InputError, match="no sound"):
        extract(tmp_path / "silent.mp4", CFG)
    write_video(tmp_path / "blank.mp4", [np.full((64, 64, 3), 50, np.uint8)] * 5)
    with pytest.raises(InputError, match="0 of 5 frames"):
        track_face(tmp_path / "blank.mp4", CFG.model_copy(update={"min_face_share": 0.0}))


def test_blinks_are_seen(real: Path, tmp_path: Path) -> None:
    blink = track_face(real / "clips" / "grid_pwij3p.mpg", CFG).blink
    assert blink.shape == (75, 2)
    assert (blink.min(0) < 0.3 * np.median(blink, axis=0)).all()  # the speaker blinks once
    assert np.corrcoef(blink.T)[0, 1] > 0.8


def made_features(frames: int = 4) -> Features:
    rng = np.random.default_rng(0)
    shapes = {"landmarks": (68, 2), "pose": (6,), "blink": (2,), "speech": (8,), "face_box": (4,), "mouth_box": (4,)}
    arrays = {name: rng.normal(size=(frames, *shape)).astype(np.float32) for name, shape in shapes.items()}
    return Features(**arrays, found=np.ones(frames, bool), extractor="made", encoder="logmel", fps=25)


def test_unusable_feature_files(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(InputError, match="no such file"):
        Features.load(path)
    path.write_bytes(b"not safetensors")
    with pytest.raises(InputError, match="damaged"):
        Features.load(path)
    good = made_features()
    cases = {
        "'pose'": replace(good, pose=good.pose[:, :5]),
        "'blink'": replace(good, blink=good.blink[:3]),
        "not finite": replace(good, speech=good.speech * np.float32("nan")),
    }
    for message, features in cases.items():
        features.save(path)
        with pytest.raises(InputError, match=message):
            Features.load(path)
    good.save(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="damaged"):
        Features.load(path)


# ------------------------------------------------------------------------------------------------------------ portraits
PORTRAITS = (
    "anime_dawn_female2.jpeg",
    "painting_monalisa_512.jpg",
    "painting_pearl_earring.jpg",
    "photo_bw_einstein.jpg",
    "photo_dawn_female1.jpeg",
    "photo_hdtf_RD_Radio51_256.png",
    "photo_nasa_astronaut.png",
    "photo_obama_official.jpg",
    "render3d_boy.jpg",
    "sculpture_hallo5.jpg",
    "sketch_hallo4.jpg",
)


@pytest.mark.parametrize("name", PORTRAITS)
def test_portraits_are_framed_alike(static: FaceMesh, real: Path, name: str) -> None:
    crop = crop_portrait(read_image(real / "portraits" / name), 128, mesh=static, name=name)
    assert crop.shape == (128, 128, 3) and crop.dtype == np.uint8
    box = find_box(static, crop)
    assert box is not None
    x0, y0, x1, y1 = (value / 128 for value in box)
    assert y1 - y0 == pytest.approx(0.58, abs=0.05)
    assert (x0 + x1) / 2 == pytest.approx(0.5, abs=0.05) and (y0 + y1) / 2 == pytest.approx(0.56, abs=0.05)


def test_a_dog_is_no_portrait(static: FaceMesh, real: Path) -> None:
    with pytest.raises(InputError, match=r"no face found in dog\.jpg"):
        crop_portrait(read_image(real / "portraits" / "negative_dog.jpg"), 128, mesh=static, name="dog.jpg")


def test_faces_that_fill_the_picture_or_are_small_in_it(static: FaceMesh, real: Path) -> None:
    tight = read_image(real / "portraits" / "photo_obama_official.jpg")[180:430, 370:612]
    assert crop_portrait(tight, 64, mesh=static).shape == (64, 64, 3)
    scene = np.full((1500, 2000, 3), 120, np.uint8)
    scene[650:1162, 1100:1612] = read_image(real / "portraits" / "photo_nasa_astronaut.png")
    assert static.detect(scene) is None  # whole, the face is too small
    crop = crop_portrait(scene, 128, mesh=static)
    box = find_box(static, crop)
    assert box is not None and (box[3] - box[1]) / 128 == pytest.approx(0.58, abs=0.05)
