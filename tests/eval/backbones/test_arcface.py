"""ArcFace and its detector: alignment and embeddings as in insightface, and ONNX files of the published interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dawn.errors import InputError
from dawn.features.landmarks import FaceLandmarker
from dawn.media.image import read_image
from dawn.weights import MissingWeights
from eval.backbones import arcface
from eval.metrics.csim import csim

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

POINTS = np.array([[45.0, 52.0], [82.0, 50.0], [64.0, 75.0], [48.0, 95.0], [80.0, 94.0]])


def _save(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: list[Any]) -> Path:
    graph = helper.make_graph(nodes, "net", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def _network(path: Path, batch: int | str = "batch", side: int = 112) -> Path:
    """A random network of ArcFace's interface: (N, 3, 112, 112) -> (N, 512), convolution, ReLU, pooling, linear."""
    rng = np.random.default_rng(0)
    weights = {
        "kernel": rng.normal(size=(8, 3, 5, 5)) / 9,
        "matrix": rng.normal(size=(8 * 7 * 7, 512)) / 20,
    }
    nodes = [
        helper.make_node("Conv", ["input.1", "kernel"], ["a"], strides=[2, 2], pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("AveragePool", ["b"], ["c"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("MatMul", ["d", "matrix"], ["683"]),
    ]
    return _save(
        path,
        nodes,
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [batch, 3, side, side])],
        [helper.make_tensor_value_info("683", TensorProto.FLOAT, [batch, 512])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )


def _detector(path: Path) -> Path:
    """SCRFD's interface at 640: an anchor sees a face where its 8, 16 or 32 pixels are red, its size that of 8 strides.

    Boxes reach 4 strides from the anchor's corner, the five points lie at fixed places in them.
    """
    places = [(-1, -1), (1, -1), (0, 0), (-1, 1), (1, 1)]
    values = {
        "shape1": np.array([-1, 1]), "shape4": np.array([-1, 4]), "shape10": np.array([-1, 10]),
        "kernel": np.array([1, -0.5, -0.5], np.float32).reshape(1, 3, 1, 1),
        "box": np.full((1, 4), 4, np.float32), "points": np.array(places, np.float32).reshape(1, 10),
        "zero": np.zeros(1, np.float32), "cut": np.array([1.5], np.float32), "half": np.array([0.4], np.float32),
        "one": np.ones((1, 2), np.float32),
    }  # fmt: skip
    nodes = [helper.make_node("Conv", ["input.1", "kernel"], ["red"])]
    outputs = []
    for stride in (8, 16, 32):
        n = f"{stride}"
        nodes += [
            helper.make_node("AveragePool", ["red"], [f"mean{n}"], kernel_shape=[stride] * 2, strides=[stride] * 2),
            helper.make_node("Greater", [f"mean{n}", "cut"], [f"is{n}"]),
            helper.make_node("Cast", [f"is{n}"], [f"flag{n}"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", [f"flag{n}", "shape1"], [f"row{n}"]),
            helper.make_node("MatMul", [f"row{n}", "one"], [f"twice{n}"]),  # two anchors at each place
            helper.make_node("Reshape", [f"twice{n}", "shape1"], [f"score{n}"]),
            helper.make_node("Mul", [f"score{n}", "zero"], [f"nothing{n}"]),
            helper.make_node("Add", [f"nothing{n}", "box"], [f"box{n}"]),
            helper.make_node("Add", [f"nothing{n}", "points"], [f"points{n}"]),
        ]
    for kind, width in (("score", 1), ("box", 4), ("points", 10)):
        outputs += [
            helper.make_tensor_value_info(f"{kind}{stride}", TensorProto.FLOAT, [f"n{stride}", width])
            for stride in (8, 16, 32)
        ]
    used = {name for node in nodes for name in node.input}
    weights = [numpy_helper.from_array(value, name) for name, value in values.items() if name in used]
    image = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, "h", "w"])
    return _save(path, nodes, [image], outputs, weights)


# ----------------------------------------------------------------------------------------------------------- alignment


def test_alignment_is_that_of_insightface() -> None:
    from insightface.utils import face_align

    frame = np.random.default_rng(0).integers(0, 256, (120, 130, 3), dtype=np.uint8)
    wanted = face_align.norm_crop(frame, POINTS.astype(np.float32))
    got = arcface.align(frame, POINTS)
    assert np.abs(got.astype(int) - wanted.astype(int)).max() <= 1


def test_alignment_undoes_turn_scale_and_shift() -> None:
    angle = 0.4
    turn = 1.7 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = arcface.TEMPLATE @ turn.T + [5, -9]
    matrix = arcface.similarity_matrix(moved)
    assert moved @ matrix[:, :2].T + matrix[:, 2] == pytest.approx(arcface.TEMPLATE)
    mirrored = arcface.similarity_matrix(arcface.TEMPLATE * [-1, 1])
    assert np.linalg.det(mirrored[:, :2]) > 0
    with pytest.raises(InputError):
        arcface.similarity_matrix(np.ones((5, 2)))


def test_points_of_landmarks_lie_in_the_template(real: Path) -> None:
    image = read_image(real / "portraits" / "photo_nasa_astronaut.png")
    with FaceLandmarker(256, static=True) as landmarker:
        face = landmarker.detect(image)
    assert face is not None
    points = arcface.five_points(face.landmarks)
    matrix = arcface.similarity_matrix(points)
    placed = points @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(placed - arcface.TEMPLATE).max() < 6
    assert arcface.five_points(np.full((3, 68, 2), 7.0)).tolist() == np.full((3, 5, 2), 6.5).tolist()


# ------------------------------------------------------------------------------------------------------------ networks
@pytest.mark.parametrize("batch", ["batch", 1, 4])
def test_embeddings_are_those_of_insightface(tmp_path: Path, batch: int | str) -> None:
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    path = _network(tmp_path / "w600k.onnx", batch)
    frames = np.random.default_rng(1).integers(0, 256, (5, 128, 140, 3), dtype=np.uint8)
    points = np.stack([POINTS + k for k in range(5)])
    points[2] = np.nan
    got = arcface.ArcFace(path).embed(frames, points)
    assert got.shape == (5, 512)
    assert np.isnan(got[2]).all()
    if batch != 4:  # insightface shows one at a time
        theirs = ArcFaceONNX(str(path))
        for k in (0, 1, 3, 4):
            wanted = theirs.get_feat(arcface.align(frames[k], points[k])[..., ::-1]).ravel()
            assert got[k] == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    alone = arcface.ArcFace(path).embed(frames[3:4], points[3:4])
    assert alone[0] == pytest.approx(got[3], rel=1e-4, abs=1e-5)


def test_embeddings_of_a_real_face_do_not_depend_on_the_size_of_the_picture(real: Path, tmp_path: Path) -> None:
    """A random network does not separate people, but gives the same picture, whole or reduced, one embedding."""
    image = read_image(real / "portraits" / "photo_nasa_astronaut.png")[:400, :400]
    small = cv2.resize(image, (200, 200), interpolation=cv2.INTER_AREA)
    landmarks = []
    for picture in (image, small):
        with FaceLandmarker(256, static=True) as landmarker:
            face = landmarker.detect(picture)
        assert face is not None
        landmarks.append(face.landmarks)
    net = arcface.ArcFace(_network(tmp_path / "net.onnx"))
    one = net(image[None], landmarks[0][None])
    assert csim(one, net(small[None], landmarks[1][None])).csim > 0.98
    assert csim(one, one).csim == pytest.approx(1)
    assert csim(one, net(image[None, :, ::-1], landmarks[0][None])).csim < 0.97
    lost = csim(one, net(image[None], np.full((1, 68, 2), np.nan)))
    assert (lost.compared, lost.failed) == (0, 1)


def test_the_largest_detected_face_is_embedded(tmp_path: Path) -> None:
    """Red squares of 640-pixel frames are faces to the drawn detector; the larger anchors win over the smaller."""
    detector = arcface.Detector(_detector(tmp_path / "det.onnx"))
    frame = np.zeros((640, 640, 3), np.uint8)
    frame[320:352, 192:224, 0] = 255
    assert detector(frame) == pytest.approx(np.array([[-1, -1], [1, -1], [0, 0], [-1, 1], [1, 1]]) * 32 + [192, 320])
    half = cv2.resize(frame, (320, 320), interpolation=cv2.INTER_AREA)
    assert detector(half) == pytest.approx(detector(frame) / 2)  # whatever the frame, the network sees 640
    assert np.isnan(detector(np.zeros((100, 120, 3), np.uint8))).all()
    net = arcface.DetectedArcFace(arcface.ArcFace(_network(tmp_path / "net.onnx")), detector)
    got = net(np.stack([frame, np.zeros_like(frame)]))
    assert got.shape == (2, 512)
    assert np.isfinite(got[0]).all()
    assert np.isnan(got[1]).all()
    assert net(frame[None][:0]).shape == (0, 512)


def test_other_networks_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no network")
    for path in (tmp_path / "text.onnx", tmp_path / "absent.onnx", _network(tmp_path / "small.onnx", side=96)):
        with pytest.raises(MissingWeights, match="not an ArcFace"):
            arcface.ArcFace(path)
    with pytest.raises(MissingWeights, match="not an SCRFD"):
        arcface.Detector(_network(tmp_path / "net.onnx"))
    net = arcface.ArcFace(tmp_path / "net.onnx")
    with pytest.raises(InputError):
        net(np.zeros((2, 8, 8, 3), np.uint8), np.zeros((1, 68, 2)))
    with pytest.raises(InputError):
        net.embed(np.zeros((2, 8, 8, 3), np.float32), np.zeros((2, 5, 2)))
