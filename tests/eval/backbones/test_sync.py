"""The published SyncNet's file, its face tracks and crops, and the two modes of the lip-sync score.

The published weights are not at hand; a random network of the original's class (package syncnet-python), saved as the
original's file is, goes through the code that loads them, and the original's own code says what must come out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dawn.errors import InputError
from dawn.media.video import load_frames
from dawn.weights import MissingWeights
from eval.backbones import syncnet
from eval.extract import face_tracks as tracks
from eval.extract import lip_windows
from eval.metrics import lse

PADDING = (25, 50, 75, 125, 250, 1000)


# ------------------------------------------------------------------------------------------------------------- weights
def _original() -> nn.Module:
    from syncnet_python.SyncNetModel import S

    torch.manual_seed(0)
    net = S()
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.8, 1.2)
    return net.eval()


@pytest.fixture(scope="module")
def original() -> nn.Module:
    return _original()


@pytest.fixture(scope="module")
def published(original: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As in 2016: torch's first format, and no counters of batches."""
    state = {name: value for name, value in original.state_dict().items() if "num_batches" not in name}
    path = tmp_path_factory.mktemp("syncnet") / "syncnet_v2.model"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    return path


def test_published_names_reach_the_right_layers(original: nn.Module, published: Path) -> None:
    net = syncnet.load_published(published)
    assert (net.side, net.width, net.size, net.bgr) == (224, 1.0, 1024, True)
    lips = torch.rand(1, 3, 6, 224, 224) * 255
    sound = torch.randn(2, 13, 20) * 10
    with torch.inference_mode():
        wanted = torch.cat([original.forward_lip(lips[:, :, t : t + 5]) for t in range(2)])
        assert torch.allclose(net.embed_lips(lips)[0], wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))
        heard = original.forward_aud(sound[:, None])
        assert torch.allclose(net.embed_sound(sound), heard, rtol=1e-3, atol=1e-4 * float(heard.abs().max()))


def test_score_is_that_of_the_original_code(original: nn.Module, published: Path, tmp_path: Path) -> None:
    """The original's chain on the same crops and sound: unnormalised BGR, its MFCC windows, its distances."""
    import python_speech_features
    from syncnet_python.SyncNetInstance import calc_pdist

    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (12, 224, 224, 3), dtype=np.uint8)
    samples = (rng.normal(size=12 * 640) * 2000).astype(np.int16)
    video, sound = lip_windows.lip_embeddings(
        syncnet.load_published(published), crops, (samples / 32768).astype(np.float32)
    )
    assert video.shape == sound.shape == (7, 1024)
    got = lse.sync(video, sound)
    bgr = torch.from_numpy(np.ascontiguousarray(crops[..., ::-1])).permute(3, 0, 1, 2)[None].float()
    mfcc = torch.from_numpy(python_speech_features.mfcc(samples, 16000).T.astype(np.float32))[None, None]
    with torch.inference_mode():
        lips = torch.cat([original.forward_lip(bgr[:, :, t : t + 5]) for t in range(7)])
        heard = torch.cat([original.forward_aud(mfcc[..., 4 * t : 4 * t + 20]) for t in range(7)])
        curve = torch.stack(calc_pdist(lips, heard, vshift=15), 1).mean(1)
    assert got.lse_d == pytest.approx(float(curve.min()), rel=1e-4)
    assert got.lse_c == pytest.approx(float(curve.median() - curve.min()), rel=1e-3, abs=1e-3)
    assert got.offset == 15 - int(curve.argmin())


def test_other_files_are_refused(published: Path, tmp_path: Path) -> None:
    state = torch.load(published, weights_only=True)
    bad = {
        "fewer": dict(list(state.items())[5:]),
        "renamed": {name.replace("netcnn", "cnn"): value for name, value in state.items()},
        "odd": state | {"netcnnlip.0.weight": torch.zeros(3)},
        "list": [1],
    }
    for name, content in bad.items():
        torch.save(content, tmp_path / name)
        with pytest.raises(MissingWeights, match="not the weights of the published SyncNet"):
            syncnet.load_published(tmp_path / name)
    with pytest.raises(MissingWeights):
        syncnet.load_published(tmp_path / "absent")


def test_detector_loads_its_published_names(tmp_path: Path) -> None:
    from syncnet_python.detectors.s3fd.nets import S3FDNet

    from eval.backbones.s3fd import S3FD

    torch.manual_seed(0)
    net = S3FDNet(device="cpu")
    for module in net.conf:
        nn.init.zeros_(module.weight)
        nn.init.constant_(module.bias, 0)
    with torch.no_grad():  # sure of a face everywhere on the map of the largest anchors, of nothing elsewhere
        for head, face in zip(net.conf, [-9.0] * 5 + [9.0], strict=True):
            head.bias[-1] = face
        net.conf[0].bias[:3] = 9.0
        for head in net.loc:
            head.weight.zero_()
            head.bias.zero_()
    torch.save(net.state_dict(), tmp_path / "sfd_face.pth")
    boxes = S3FD(tmp_path / "sfd_face.pth")(np.zeros((512, 512, 3), np.uint8))
    assert boxes.shape[1] == 4
    assert len(boxes) >= 1
    assert (boxes[:, 2:] - boxes[:, :2]).max() == pytest.approx(4 * 512)  # an anchor of 512 in a frame reduced by 4
    torch.save({"a": torch.zeros(1)}, tmp_path / "bad.pth")
    with pytest.raises(MissingWeights, match="S3FD"):
        S3FD(tmp_path / "bad.pth")


# -------------------------------------------------------------------------------------------------------------- tracks
def _boxes(count: int, gaps: tuple[int, ...] = (), size: float = 120) -> list[np.ndarray]:
    return [
        np.empty((0, 4)) if i in gaps else np.array([[50 + 0.5 * i, 40, 50 + 0.5 * i + size, 40 + size]])
        for i in range(count)
    ]


def test_short_clips_have_tracks_under_the_small_rules() -> None:
    assert len(tracks.face_tracks(_boxes(25), tracks.SMALL)) == 1
    assert not tracks.face_tracks(_boxes(24), tracks.SMALL)


def test_two_faces_are_two_tracks_and_the_longer_is_judged() -> None:
    one, two = _boxes(60), _boxes(40)
    both = [
        np.concatenate([b + 300, a]) if len(b) else a for a, b in zip(one, two + [np.empty((0, 4))] * 20, strict=True)
    ]
    found = tracks.face_tracks(both, tracks.SMALL)
    assert sorted(len(track.boxes) for track in found) == [40, 60]
    chosen = tracks.longest_track(found)
    assert chosen is not None
    assert (chosen.first, len(chosen.boxes)) == (0, 60)
    assert tracks.longest_track([]) is None


def test_crops_follow_the_face_and_are_grey_outside() -> None:
    frames = np.zeros((30, 200, 200, 3), np.uint8)
    boxes = []
    for t in range(30):
        x = 20 + 2 * t
        frames[t, 60:120, x : x + 60] = 200
        boxes.append([x, 60, x + 60, 120])
    crops = tracks.crop_track(frames, tracks.Track(0, np.asarray(boxes, np.float64)))
    assert crops.shape == (30, 224, 224, 3)
    # the box covers 60 of 84 pixels across and begins at the top: the crop reaches 0.4 of its half beyond each side
    assert (crops[10:20, 5:150, 40:184] == 200).all()
    assert (crops[15, 200:] == 0).all()
    edge = tracks.crop_track(frames[:1], tracks.Track(0, np.array([[-30.0, -30.0, 30.0, 30.0]])))
    assert (edge[0, 0, 0] == tracks.GREY).all()
    with pytest.raises(InputError):
        tracks.crop_track(frames[:10], tracks.Track(0, np.asarray(boxes, np.float64)))


# --------------------------------------------------------------------------------------------------------------- modes
def test_whole_frames_are_squeezed() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 100, 80, 3), dtype=np.uint8)
    crops = lip_windows.whole_frame(frames)
    assert crops.frames.shape == (3, 224, 224, 3)
    assert (crops.coverage, crops.first, crops.mode) == (1.0, 0, "whole_frame")
    assert lip_windows.whole_frame(frames[:0]).coverage == 0


def test_tracked_mode_reports_what_it_left_out() -> None:
    frames = np.zeros((60, 128, 128, 3), np.uint8)
    calls = iter(range(60))

    def detect(frame: np.ndarray) -> np.ndarray:
        assert frame.shape == (512, 512, 3)  # small videos are enlarged before anything looks at them
        return np.array([[100, 100, 300, 300]]) if next(calls) >= 20 else np.empty((0, 4))

    crops = lip_windows.tracked(frames, detect)
    assert (crops.first, len(crops.frames), crops.mode) == (20, 40, "tracked, small")
    assert crops.coverage == pytest.approx(2 / 3)
    audio = np.arange(60 * 640, dtype=np.float32)
    assert crops.audio(audio)[0] == 20 * 640
    assert len(crops.audio(audio)) == 40 * 640
    nothing = lip_windows.tracked(frames, lambda frame: np.empty((0, 4)))
    assert (len(nothing.frames), nothing.coverage) == (0, 0.0)
    net = syncnet.SyncNet(48, 0.1).eval()
    assert [part.shape for part in lip_windows.lip_embeddings(net, nothing.frames, audio[:0])] == [(0, net.size)] * 2


def test_long_clips_are_embedded_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    net = syncnet.SyncNet(48, 0.1).eval()
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (40, 48, 48, 3), dtype=np.uint8)
    audio = rng.normal(size=40 * 640).astype(np.float32) / 10
    whole = lip_windows.lip_embeddings(net, crops, audio)
    monkeypatch.setattr(lip_windows, "PIXELS_PER_PASS", 48 * 48 * 7)
    parts = lip_windows.lip_embeddings(net, crops, audio)
    assert parts[0].shape == (35, net.size)
    assert parts[0] == pytest.approx(whole[0], abs=1e-4)
    assert (parts[1] == whole[1]).all()
    net.bgr = True
    assert lip_windows.lip_embeddings(net, np.ascontiguousarray(crops[..., ::-1]), audio)[0] == pytest.approx(
        parts[0], abs=1e-4
    )


def test_a_real_clip_is_tracked(real: Path, published: Path) -> None:
    """Boxes of the landmark detector stand in for S3FD's, whose weights are not at hand."""
    from dawn.features.boxes import face_box
    from dawn.features.landmarks import FaceMesh

    frames = load_frames(real / "clips" / "grid_bbaf2n.mpg")[:30]
    with FaceMesh(256) as mesh:

        def detect(frame: np.ndarray) -> np.ndarray:
            face = mesh.detect(frame)
            return np.empty((0, 4)) if face is None else face_box(face.landmarks)[None]

        crops = lip_windows.tracked(frames, detect)
    assert crops.coverage == 1
    assert crops.frames.shape == (30, 224, 224, 3)
    assert crops.frames.std() > 10


# ---------------------------------------------------------------------------------------------------- numbers of others


def test_windows_that_do_not_meet_are_refused_without_padding() -> None:
    with pytest.raises(InputError):
        lse.sync(np.zeros((15, 4)), np.zeros((15, 4)), padded=False)
