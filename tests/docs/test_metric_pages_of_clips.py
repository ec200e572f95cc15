"""Metric pages about whole clips, and about intervals: each page alone suffices to compute its metric.

Each test compares three numbers: the page's, that of the page's formula (implemented here, without the code of eval),
and that of eval. Networks are taken as given.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path

import cv2
import dlib
import face_recognition_models
import librosa
import numpy as np
import pytest
import python_speech_features
from scipy.ndimage import gaussian_filter1d

from dawn.features.blink import eye_aspect_ratios
from dawn.generation.timing import summary
from eval.backbones import arcface
from eval.extract.audio_beats import audio_beats
from eval.extract.lip_windows import audio_windows, mfcc, window_count
from eval.metrics import opinion
from eval.metrics.blink import lid_pair_means
from eval.metrics.registry import METRICS
from eval.stats import aggregate, bootstrap
from eval.stats.bias import expected_bias
from eval.studies.learned import correlation, mouth_opening
from tests.support.formulas import draws, frechet_of
from tests.support.metric_values import metric_entry, rows_of
from tests.support.pages import DOCS, assert_printed, metric_page

METRIC_PAGES = DOCS / "reference" / "metrics"


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / math.sqrt(float(a @ a) * float(b @ b)))


def test_csim_page() -> None:
    data, printed = metric_page("csim")
    single = cosine(data["true_embedding"], data["generated_embedding"])
    assert_printed(printed["CSIM of true_embedding and generated_embedding"], single)
    pairs = [
        (a, b)
        for a, b in zip(data["real"], data["generated"], strict=False)
        if np.isfinite(a).all() and np.isfinite(b).all()
    ]
    mean = np.mean([cosine(a, b) for a, b in pairs])
    assert_printed(printed["CSIM of real and generated"], mean)
    assert_printed(printed["frames without face"], len(data["real"]) - len(pairs))
    for name in ("csim", "csim_mesh", "csim_dlib"):
        entry = metric_entry(name, rows_of(name, [data["real"]]), rows_of(name, [data["generated"]]))
        assert (entry["value"], entry["frames_without_face"]) == (pytest.approx(mean), 1)
        pair = (rows_of(name, [data[side][None]]) for side in ("true_embedding", "generated_embedding"))
        assert metric_entry(name, *pair)["value"] == pytest.approx(single)


def test_alignment_of_the_csim_page() -> None:
    data, printed = metric_page("csim")
    template = [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]
    # A similarity without reflection is linear in (a, b, x, y): u = a x - b y + tx, v = b x + a y + ty.
    system, target = [], []
    for (x, y), (u, v) in zip(data["points"], template, strict=True):
        system += [(x, -y, 1, 0), (y, x, 0, 1)]
        target += [u, v]
    a, b, tx, ty = np.linalg.lstsq(np.asarray(system), np.asarray(target), rcond=None)[0]
    expected = np.array([(a, -b, tx), (b, a, ty)])
    for k, row in enumerate(expected):
        assert_printed(printed[f"alignment of points, row {k}"], row)
    assert arcface.similarity_matrix(data["points"]) == pytest.approx(expected, abs=1e-9)


def test_dlib_embedding_of_the_csim_page() -> None:
    """The steps of the page's table give the embedding of a drawn face."""
    frame = np.full((120, 100, 3), 90, np.uint8)
    cv2.ellipse(frame, (50, 60), (30, 40), 0, 0, 360, (200, 170, 150), -1)
    for x in (38, 62):
        cv2.circle(frame, (x, 52), 5, (20, 20, 20), -1)
    cv2.ellipse(frame, (50, 82), (12, 5), 0, 0, 360, (120, 40, 40), -1)
    angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    landmarks = np.stack([50 + 28 * np.cos(angles), 62 + 36 * np.sin(angles)], axis=1).astype(np.float32)
    scale = 256 / 100
    large = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    centre, half = (low + high) / 2, (high - low).max() / 2
    corners = [round(float(value)) for value in (*(centre - half) * scale, *(centre + half) * scale)]
    shape = dlib.shape_predictor(face_recognition_models.pose_predictor_model_location())(
        large, dlib.rectangle(*corners)
    )
    chip = dlib.get_face_chip(large, shape, size=150, padding=0.25)
    network = dlib.face_recognition_model_v1(face_recognition_models.face_recognition_model_location())
    from eval.backbones.dlib_face import DlibFace

    assert DlibFace()(frame[None], landmarks[None])[0] == pytest.approx(
        np.asarray(network.compute_face_descriptor(chip)), abs=1e-5
    )


def test_lse_page() -> None:
    data, printed = metric_page("lse")
    lips, sound = data["lips"].astype(float), data["sound"].astype(float)
    curve = []
    for s in range(31):
        gaps = []
        for t in range(len(lips)):
            place = t + s - 15
            other = sound[place] if 0 <= place < len(sound) else np.zeros(sound.shape[1])
            gaps.append(math.sqrt(((lips[t] - other + 1e-6) ** 2).sum()))
        curve.append(sum(gaps) / len(gaps))
    best = int(np.argmin(curve))
    distance, confidence, offset = curve[best], sorted(curve)[15] - curve[best], 15 - best
    assert_printed(printed["LSE_D"], distance)
    assert_printed(printed["LSE_C"], confidence)
    assert_printed(printed["offset"], offset)
    assert_printed(printed["LSE at offset 0"], curve[15])
    expected = {"lse_d": distance, "lse_c": confidence, "offset": offset}
    embeddings = {"lips": data["lips"], "sound": data["sound"], "coverage": np.asarray(1.0)}
    for suffix in ("", "_whole", "_own"):
        for name, value in expected.items():
            assert lip_sync(f"{name}{suffix}", embeddings) == pytest.approx(value)
    assert lip_sync("lse_d_unshifted_own", embeddings) == pytest.approx(curve[15])


def lip_sync(name: str, embeddings: dict[str, np.ndarray]) -> float:
    """Value of a lip-sync metric on one video."""
    (spec,) = METRICS[name].fake
    videos = [{spec.name: embeddings, "video": {"samples": np.asarray(1)}}]
    return float(metric_entry(name, videos, videos)["value"])


def test_sound_windows_of_the_lse_page() -> None:
    data, printed = metric_page("lse")
    options = {"winlen": 0.025, "winstep": 0.01, "numcep": 13, "nfilt": 26, "nfft": 512, "preemph": 0.97}
    hops = python_speech_features.mfcc(data["samples"], 16000, **options, ceplifter=22, appendEnergy=True)
    assert_printed(printed["hops of samples"], len(hops))
    assert_printed(printed["first MFCC of hop 0"], hops[0, 0])
    assert_printed(printed["second MFCC of hop 0"], hops[0, 1])
    assert mfcc((data["samples"] / 32768).astype(np.float32)) == pytest.approx(hops, rel=1e-4, abs=1e-4)
    count = min(87, 56000 // 640) - 5
    assert_printed(printed["windows of 87 frames and 56000 samples"], count)
    assert window_count(87, 56000) == count
    windows = audio_windows(hops.astype(np.float32), 22)  # hops 0 to 103 are needed, 99 are there
    for t in (0, 7, 21):
        expected = [hops[min(4 * t + k, len(hops) - 1)] for k in range(20)]
        assert windows[t] == pytest.approx(np.asarray(expected).T, rel=1e-5)


def minima(speed: np.ndarray, order: int) -> list[int]:
    """Places lower than `order` values on either side; the first and last value are none."""
    found = []
    for k in range(1, len(speed) - 1):
        around = [j for j in range(k - order, k + order + 1) if j != k]
        if all(speed[k] < speed[min(max(j, 0), len(speed) - 1)] for j in around):
            found.append(k)
    return found


def score(over: np.ndarray, others: np.ndarray, sigma: float) -> float:
    return float(np.mean([math.exp(-(min(abs(k - b) for k in others) ** 2) / (2 * sigma**2)) for b in over]))


def test_bas_page() -> None:
    data, printed = metric_page("bas")
    rotation, sound = data["rotation"], data["sound_beats"]
    speed = np.asarray([math.dist(a, b) for a, b in pairwise(rotation)])
    motion = minima(gaussian_filter1d(speed, 5), 1)
    assert_printed(printed["beats of the motion, bas"], motion)
    expected = {
        "bas": score(sound, motion, 3),
        "bas_mint": score(minima(np.asarray([0, *speed]), 10), sound, 3),
        "bas_seconds": score(sound, minima(gaussian_filter1d(speed, 25 / 12), 1), 1.25),
    }
    mesh = {"pose": rotation, "found": np.ones(len(rotation), bool)}
    videos = [{"mesh": mesh, "beats": {"audio_beats": sound}, "video": {"samples": np.asarray(1)}}]
    for name, value in expected.items():
        assert_printed(printed[name], value)
        assert metric_entry(name, videos, videos)["value"] == pytest.approx(value, rel=1e-9)


def test_sound_beats_of_the_bas_page() -> None:
    data, printed = metric_page("bas")
    clicks = data["clicks"]
    onsets = librosa.onset.onset_strength(y=librosa.effects.percussive(clicks), sr=16000)
    _, seconds = librosa.beat.beat_track(y=clicks, sr=16000, onset_envelope=onsets, units="time")
    expected = seconds * 25
    assert_printed(printed["beats of clicks, first three, in frames"], expected[:3])
    assert audio_beats(clicks) == pytest.approx(expected)


def blinks(ratio: np.ndarray, threshold: float, merge: int, tail: bool) -> int:
    """Runs of closed frames with at most `merge` open frames between them and at least 2 closed ones."""
    runs: list[list[int]] = []
    for k in range(len(ratio)):
        if ratio[k] < threshold:
            if runs and k - runs[-1][-1] - 1 <= merge:
                runs[-1].append(k)
            else:
                runs.append([k])
    counted = [run for run in runs if len(run) >= 2 and (tail or run[-1] != len(ratio) - 1)]
    return len(counted)


def test_blink_page() -> None:
    data, printed = metric_page("blink")
    ratio = data["ratio"]
    expected = {
        "blink": blinks(ratio, 0.7 * float(np.median(ratio)), 1, True),
        "blink_ear6_median0.7": blinks(ratio, 0.7 * float(np.median(ratio)), 1, True),
        "blink_ear6_0.20": blinks(ratio, 0.2, 0, False),
        "blink_ear6_0.25": blinks(ratio, 0.25, 0, False),
    }
    eye = np.array([(0, 0), (1 / 3, 0.5), (2 / 3, 0.5), (1, 0), (2 / 3, -0.5), (1 / 3, -0.5)])  # both ratios are 1
    points = np.zeros((len(ratio), 68, 2), np.float32)
    for first in (36, 42):
        points[:, first : first + 6] = eye * np.stack([np.ones_like(ratio), ratio], axis=1)[:, None]
    videos = [{"mesh": {"landmarks": points, "found": np.ones(len(ratio), bool)}}]
    for name, count in expected.items():
        assert_printed(printed[f"{name} of ratio"], count / (len(ratio) / 25))
        assert metric_entry(name, videos, videos)["value"] == pytest.approx(count / 10)


def test_eye_aspect_ratios_of_the_blink_page() -> None:
    data, printed = metric_page("blink")
    points = np.zeros((68, 2))
    points[36:48] = data["eyes"]

    def length(a: int, b: int) -> float:
        return math.dist(points[a], points[b])

    one = [length(43, 47) / length(42, 45), length(37, 41) / length(36, 39)]
    two = [
        (length(43, 47) + length(44, 46)) / (2 * length(42, 45)),
        (length(37, 41) + length(38, 40)) / (2 * length(36, 39)),
    ]
    for signal, values, ratios in (("one pair", one, eye_aspect_ratios), ("two pairs", two, lid_pair_means)):
        for side, value in zip(("left", "right"), values, strict=True):
            assert_printed(printed[f"{signal}, {side}"], value)
        assert ratios(points.astype(np.float32)) == pytest.approx(values, rel=1e-6)


def test_following_page() -> None:
    data, printed = metric_page("following")
    a, b = data["driving"], data["generated"][: len(data["driving"])]
    expected = np.corrcoef(a, b)[0, 1]
    assert_printed(printed["r of driving and generated"], expected)
    assert correlation(data["driving"], data["generated"]) == pytest.approx(expected)
    points = data["landmarks"]
    gaps = [math.dist(points[k], points[j]) for k, j in ((61, 67), (62, 66), (63, 65))]
    opening = sum(gaps) / 3 / math.dist(points[36], points[45])
    assert_printed(printed["mouth of landmarks"], opening)
    assert mouth_opening(points[None].astype(np.float32))[0] == pytest.approx(opening, rel=1e-6)


def test_opinion_page(tmp_path: Path) -> None:
    data, printed = metric_page("opinion")
    ratings = data["ratings"]
    raters, videos = (list(dict.fromkeys(row[k] for row in ratings)) for k in (0, 1))
    by_rater, by_video = data["draws"](len(raters), 2000, 0), data["draws"](len(videos), 2000, 1)
    means = []
    for w, u in zip(by_rater, by_video, strict=True):
        weights = [w[raters.index(rater)] * u[videos.index(video)] for rater, video, _ in ratings]
        if sum(weights):
            means.append(sum(k * row[2] for k, row in zip(weights, ratings, strict=True)) / sum(weights))
    low, high = np.percentile(means, [2.5, 97.5])
    mean = sum(row[2] for row in ratings) / len(ratings)
    for name, value in (("mean", mean), ("low", low), ("high", high)):
        assert_printed(printed[name], value)
    path = tmp_path / "ratings.csv"
    lines = [f"{rater},{video},dawn,L-Sync,{value}" for rater, video, value in ratings]
    path.write_text("\n".join(["rater,video,method,question,score", *lines]))
    (got,) = opinion.opinions(opinion.read_ratings(path))
    assert (got.mean, got.low, got.high) == pytest.approx((mean, low, high))


def test_time_page() -> None:
    data, printed = metric_page("time")
    ordered, n = sorted(data["seconds"]), len(data["seconds"])
    fitting = [c for c in range(n // 2) if 2 * sum(math.comb(n, k) for k in range(c + 1)) * 2.0**-n <= 0.05]
    cut = max(fitting, default=0)
    expected = {"value": np.median(ordered), "low": ordered[cut], "high": ordered[n - 1 - cut]}
    for name, value in expected.items():
        assert_printed(printed[name], value)
    got = summary(data["seconds"], 0.95)
    assert {name: got[name] for name in expected} == pytest.approx(expected)


def test_interval_of_a_mean() -> None:
    data, printed = metric_page("intervals")
    values = data["values"]
    counts = data["draws"](len(values), 1000, 0)
    known = np.isfinite(values)
    means = [float(c[known] @ values[known] / c[known].sum()) for c in counts if c[known].sum()]
    low, high = np.percentile(means, [2.5, 97.5])
    expected = {"mean": np.nanmean(values), "low, 1000 resamples, seed 0": low, "high, 1000 resamples, seed 0": high}
    for name, value in expected.items():
        assert_printed(printed[name], value)
    got = bootstrap.mean(values, bootstrap.draws(len(values), 1000, 0))
    assert (got.value, got.low, got.high) == pytest.approx(tuple(expected.values()))


def test_interval_and_bias_of_a_distance() -> None:
    data, printed = metric_page("intervals")
    real, generated = data["real"], data["generated"]
    value = frechet_of(np.concatenate(real), np.concatenate(generated))
    assert_printed(printed["distance"], value)
    resampled = []
    for counts in draws(10, 200, 0):
        a, b = (np.concatenate([side[k] for k, c in enumerate(counts) for _ in range(c)]) for side in (real, generated))
        resampled.append(frechet_of(a, b))
    low, high = np.percentile(np.asarray(resampled) + value - np.mean(resampled), [2.5, 97.5])
    low = max(0.0, low)
    assert_printed(printed["distance, low, 200 resamples, seed 0"], low)
    assert_printed(printed["distance, high, 200 resamples, seed 0"], high)
    got = aggregate.distance(real, generated, bootstrap.draws(10, 200, 0), 0.95, "", costly_resamples=None)
    assert got is not None
    assert [got.entry[key] for key in ("value", "low", "high")] == pytest.approx([value, low, high], rel=1e-6)

    scarcity = 1 / 30
    generator = np.random.default_rng(0)
    steps, excess = [], []
    for percent in (50, 60, 70, 80, 90):
        for _ in range(4):
            chosen = generator.choice(10, percent // 10, replace=False)
            a, b = (np.concatenate([side[k] for k in chosen]) for side in (real, generated))
            steps.append(1 / len(a) - scarcity)
            excess.append(frechet_of(a, b) - value)
    bias = scarcity * float(np.dot(steps, excess) / np.dot(steps, steps))
    assert_printed(printed["bias"], bias)
    assert expected_bias(real, generated).bias == pytest.approx(bias, rel=1e-6)


def test_every_metric_page_has_a_test() -> None:
    pages = {path.stem for path in METRIC_PAGES.glob("*.md")} - {"index"}
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_metric_pages_*.py"))
    assert set(re.findall(r'metric_page\("([\w-]+)"\)', tests)) == pages


def test_every_metric_is_named_on_a_page_and_in_the_overview() -> None:
    pages = [path for path in METRIC_PAGES.glob("*.md") if path.stem != "following"]  # of a study, not in the registry
    lines = [line for path in pages for line in re.findall(r"^\| names? \| `.*$", path.read_text(), re.MULTILINE)]
    named = [name for line in lines for name in re.findall(r"`([\w.]+)`", line)]
    assert sorted(named) == sorted(METRICS)
    overview = (METRIC_PAGES / "index.md").read_text()
    patterns = [pattern.replace(".", r"\.").replace("*", ".*") for pattern in re.findall(r"`([\w.*]+)`", overview)]
    for name in METRICS:
        assert any(re.fullmatch(pattern, name) for pattern in patterns), f"{name} is not in the overview of the metrics"
