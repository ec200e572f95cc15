"""The measuring networks: right weights, right layers, and numbers that mean what they should on real videos."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from dawn.errors import InputError
from dawn.features.identity import face_rectangle
from dawn.features.landmarks import FaceMesh
from dawn.media.image import read_image
from dawn.media.video import load_frames
from eval.backbones import dlib_face, i3d, syncnet
from eval.backbones.efficientnet import EfficientNetLite0
from eval.extract.mouth_crop import mouth_crops
from eval.extract.windows import window_features
from eval.stats.frechet import frechet


def _square(frames: np.ndarray, side: int) -> np.ndarray:
    height, width = frames.shape[1:3]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    cut = frames[:, top : top + short, left : left + short]
    return np.stack([cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA) for frame in cut])


# -------------------------------------------------------------------------------------------------------------- I3D
@pytest.fixture(scope="module")
def video_net() -> i3d.I3D:
    return i3d.load()


def _pattern(frames: int, side: int = 64) -> torch.Tensor:
    t, y, x = np.meshgrid(np.arange(frames), np.arange(side), np.arange(side), indexing="ij")
    planes = [127 + 100 * np.sin(x / 7 + t / 3), 127 + 100 * np.cos(y / 9 - t / 5), (x + y + 3 * t) % 256]
    return torch.from_numpy(np.stack(planes, axis=-1).astype(np.uint8))


def test_i3d_golden_logits(video_net: i3d.I3D) -> None:
    """First logits of a drawn pattern, from the checkpoint run through JAX's own convolutions and poolings."""
    got = video_net(_pattern(16)[None])
    assert got.shape == (1, 400)
    assert got[0, :4].numpy() == pytest.approx([2.432997, 5.008554, 1.228213, 2.787329], abs=2e-4)


def test_i3d_does_not_depend_on_the_batch(video_net: i3d.I3D) -> None:
    clips = torch.stack([_pattern(9), _pattern(9).flip(0)])
    together = video_net(clips)
    assert torch.allclose(together[1:], video_net(clips[1:]), atol=1e-4)
    assert not torch.allclose(together[0], together[1], atol=0.1)  # time has a direction


def test_i3d_takes_the_centre_of_a_wide_clip() -> None:
    wide = torch.zeros((1, 9, 32, 48, 3), dtype=torch.uint8)
    wide[:, :, :, 8:40] = 255
    prepared = i3d.preprocess(wide)
    assert prepared.shape == (1, 3, 9, 224, 224)
    assert prepared[..., 8:-8].min() == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(InputError):
        i3d.preprocess(wide.float())


def test_i3d_needs_nine_frames(video_net: i3d.I3D) -> None:
    with pytest.raises(InputError, match="9"):
        video_net(_pattern(8)[None])


def test_checkpoints_cannot_run_code(tmp_path: Path) -> None:
    bad = tmp_path / "bad.ckpt"
    bad.write_bytes(pickle.dumps({"params": Path("x")}))
    with pytest.raises(InputError, match="not the I3D checkpoint"):
        i3d.load(bad)
    with pytest.raises(InputError):
        i3d.load(tmp_path / "absent.ckpt")


def test_real_videos_are_near_each_other_and_far_from_noise(real: Path, video_net: i3d.I3D) -> None:
    clips = [_square(load_frames(real / "clips" / name)[:32], 96) for name in ("grid_bbaf2n.mpg", "grid_lwbsza.mpg")]
    features = np.stack([window_features(clip, video_net, (0, 16), 16) for clip in clips])
    noise = np.random.default_rng(0).integers(0, 256, (32, 96, 96, 3), dtype=np.uint8)
    far = frechet(features[:, 0], window_features(noise, video_net, (0, 16), 16))
    assert 5 * frechet(features[:, 0], features[:, 1]) < far


def test_short_clips_have_no_windows(video_net: i3d.I3D) -> None:
    assert window_features(np.zeros((15, 8, 8, 3), np.uint8), video_net, (), 16).shape == (0, 400)
    with pytest.raises(InputError):
        window_features(np.zeros((15, 8, 8, 3), np.uint8), video_net, (0,), 4)


# ----------------------------------------------------------------------------------------------- EfficientNet, dlib
def test_efficientnet_features() -> None:
    net = EfficientNetLite0()
    frames = _pattern(3).numpy()
    features = net(frames)
    assert features.shape == (3, 1280)
    assert features[0, [2, 5, 7, 17]] == pytest.approx([1.351642, 0.005018, 0.118607, 2.301276], abs=1e-4)
    assert net(frames, batch=1) == pytest.approx(features, abs=1e-4)
    assert net(frames[:0]).shape == (0, 1280)
    with pytest.raises(InputError):
        net(frames.astype(np.float32))


def test_faces_of_one_person_are_nearer_than_those_of_two(real: Path) -> None:
    images = [read_image(real / "portraits" / name) for name in ("photo_nasa_astronaut.png", "photo_dawn_female1.jpeg")]
    images = [cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA) for image in images]
    images.append(np.ascontiguousarray(images[0][:, ::-1]))
    landmarks = []
    for image in images:
        with FaceMesh(256, static=True) as mesh:
            face = mesh.detect(image)
        assert face is not None
        landmarks.append(face.landmarks)
    net = dlib_face.DlibFace()
    one, other, mirrored = net(np.stack(images), np.stack(landmarks))
    assert np.linalg.norm(one - mirrored) < 0.5
    assert np.linalg.norm(one - other) > 0.6
    nothing = net(np.stack(images[:1]), np.full((1, 68, 2), np.nan))
    assert np.isnan(nothing).all()
    with pytest.raises(InputError):
        net(np.stack(images), np.stack(landmarks)[:1])


def test_face_rectangle_is_a_square_around_the_landmarks() -> None:
    landmarks = np.random.default_rng(0).uniform([10, 20], [50, 40], (68, 2))
    left, top, right, bottom = face_rectangle(landmarks)
    assert right - left == pytest.approx(bottom - top)
    assert left <= landmarks[:, 0].min() + 1e-9
    assert bottom >= landmarks[:, 1].max() - 1e-9


# ---------------------------------------------------------------------------------------------------------- SyncNet
def test_syncnet_has_the_originals_size() -> None:
    """The published file has 54,573,114 bytes; what is not weights in it is the header of its archive."""
    tensors = syncnet.SyncNet().state_dict().values()
    weights = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    assert 0 < 54_573_114 - weights < 20_000


@pytest.mark.parametrize(("side", "width"), [(48, 0.25), (19, 0.1), (112, 0.25)])
def test_syncnet_sizes(side: int, width: float) -> None:
    net = syncnet.SyncNet(side, width).eval()
    assert net.embed_lips(torch.zeros(2, 3, 6, side, side)).shape == (2, 2, net.size)
    assert net.embed_sound(torch.zeros(3, 13, 20)).shape == (3, net.size)
    with pytest.raises(InputError):
        net.embed_lips(torch.zeros(1, 3, 5, side + 1, side + 1))
    with pytest.raises(InputError):
        net.embed_sound(torch.zeros(1, 20, 13))
    with pytest.raises(InputError):
        syncnet.SyncNet(18)


def test_a_clip_in_one_pass_gives_the_windows_of_it() -> None:
    torch.manual_seed(0)
    net = syncnet.SyncNet(48, 0.25).eval()
    mouths = torch.rand(1, 3, 8, 48, 48) * 255
    whole = net.embed_lips(mouths)[0]
    parts = torch.cat([net.embed_lips(mouths[:, :, t : t + 5])[0] for t in range(4)])
    assert torch.allclose(whole, parts, atol=1e-4)


def test_syncnet_round_trip(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = syncnet.SyncNet(48, 0.25).eval()
    net.save(tmp_path / "sync.safetensors")
    again = syncnet.load(tmp_path / "sync.safetensors")
    assert (again.side, again.width) == (48, 0.25)
    windows = torch.rand(2, 13, 20)
    assert torch.equal(again.embed_sound(windows), net.embed_sound(windows))
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="fit-syncnet"):
        syncnet.load(tmp_path / "bad.safetensors")


# ------------------------------------------------------------------------------------------------------- mouth crop
def _face(centre: tuple[float, float], eyes: float) -> np.ndarray:
    points = np.zeros((68, 2), np.float32)
    points[36], points[45] = (centre[0] - eyes / 2, centre[1] - eyes), (centre[0] + eyes / 2, centre[1] - eyes)
    points[48:] = centre
    return points


def test_mouth_crop_follows_the_head_and_keeps_its_size() -> None:
    yy, xx = np.mgrid[:80, :80]
    frames, points = [], []
    for t in range(30):
        middle = (30 + 0.5 * t, 50.0)
        blob = 255 * np.exp(-((xx + 0.5 - middle[0]) ** 2 + (yy + 0.5 - middle[1]) ** 2) / 20)
        frames.append(np.repeat(blob[..., None], 3, axis=-1).astype(np.uint8))
        points.append(_face(middle, 20))
    found = np.ones(30, np.bool_)
    found[12:15] = False
    landmarks = np.stack(points)
    landmarks[12:15] = 0  # what is not found must not matter
    crops = mouth_crops(np.stack(frames), landmarks, found, 24)
    assert crops.shape == (30, 24, 24, 3)
    weights = crops[7:-7, ..., 0].astype(np.float64)
    for axis in (1, 2):
        profile = weights.sum(axis=3 - axis)
        centre = (profile * (np.arange(24) + 0.5)).sum(axis=1) / profile.sum(axis=1)
        assert centre == pytest.approx(12, abs=0.3)


def test_large_mouths_are_averaged_not_sampled() -> None:
    frames = (np.indices((200, 200)).sum(0) % 2 * 255).astype(np.uint8)[None, ..., None].repeat(3, axis=-1)
    crops = mouth_crops(frames, _face((100, 100), 150)[None], np.ones(1, np.bool_), 20)
    assert crops.std() < 20  # a chequerboard becomes grey
    with pytest.raises(InputError, match="no face"):
        mouth_crops(frames, _face((100, 100), 150)[None], np.zeros(1, np.bool_), 20)
