"""Every number of the canonical metric implementations (``golden/metrics/vectors.json``), reproduced case by case.

The names of the cases come from the file itself and each number of a case must have been looked at, so that a case
that is added and covered by nothing fails. None of it goes through scipy's matrix square root.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import librosa
import numpy as np
import pytest
import torch

from dawn.features.blink import eye_aspect_ratios
from eval.backbones import arcface, resize
from eval.extract import face_tracks as tracks
from eval.extract.audio_beats import audio_beats
from eval.extract.lip_windows import mfcc, window_count
from eval.metrics import bas, blink, lse
from eval.metrics.csim import csim
from eval.metrics.degradation import degradation, rate
from eval.stats.frechet import Moments, Reference, frechet, frechet_of_moments
from eval.stats.kid import kid
from tests.support import golden as golden_recipe

VECTORS: dict[str, Any] = json.loads(
    (golden_recipe.FOLDER / "metrics" / "vectors.json").read_text(encoding="utf-8"), object_pairs_hook=dict
)
SUITES = 2e-6  # how far the canonical Fréchet distances are from the exact ones where samples are few
# What is said about a case, and is no number to reproduce.
WORDS = {"name", "recipe", "note", "closed_form", "compare", "fps", "librosa"}


class Case(dict[str, Any]):
    """One case that remembers which of its values were asked for."""

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)

    def left(self) -> set[str]:
        return set(self) - self.asked - WORDS


def _rows(section: str, rows: list[dict[str, Any]], *keys: str) -> Iterator[tuple[str, Case]]:
    for row in rows:
        yield f"{section}/{' '.join(str(row[key]) for key in keys)}", Case(row)


def _cases() -> Iterator[tuple[str, Case]]:
    """Every case of the file under a name that begins with its section; an unknown section is one case."""
    for section, value in VECTORS.items():
        if section == "meta" or isinstance(value, str):
            continue
        if isinstance(value, list):
            yield from _rows(section, value, "name")
        elif section == "degradation_rate":
            yield from _rows(section, value["rows"], "n")
            yield from ((f"{section}/formula {row['dr']}", Case(row)) for row in value["trivial"])
        elif section in ("lse", "face_tracks"):
            yield from _rows(section, value["rows"], "name")
        elif section == "lse_padding_effect":
            yield from _rows(section, value["rows"], "T")
        elif section == "bas":
            yield from _rows(section, value["rows"], "name")
            yield from _rows(f"{section}/head_pose", value["head_pose"]["rows"], "seed", "gauss_sigma")
            yield f"{section}/joints24", Case(value["joints24"])
            yield f"{section}/empty_motion_beats", Case({"error": value["empty_motion_beats"]})
        elif section == "blink":
            yield from _rows(section, value["rows"], "name")
            yield from ((f"{section}/{key}", Case(case)) for key, case in value.items() if key != "rows")
        elif section == "resize":
            yield from ((f"{section}/{key}", Case({"pixels": case})) for key, case in value.items() if key != "recipe")
        else:
            yield section, Case(value)


CASES = dict(_cases())


def _normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.RandomState(seed).randn(*shape)


# ------------------------------------------------------------------------------------------------------ distances
def _closed_form(name: str, case: Case) -> None:
    got = frechet_of_moments(case["mu1"], case["sigma1"], case["mu2"], case["sigma2"])
    assert got == pytest.approx(case["fd"], rel=1e-10, abs=1e-12)
    for suite in ("pytorch_fid", "clean_fid", "torch_fidelity"):
        if isinstance(case[suite], str):  # scipy's root of one number has another form than these suites expect
            assert name == "1d"
        else:
            assert got == pytest.approx(case[suite], abs=SUITES)


def _features(name: str, case: Case) -> None:
    seed = {"N>D": 11, "N<D": 12, "N<D_unequal": 13, "N=2": 14}[name]
    n, m, d = case["N"], case["M"], case["D"]
    x = _normal(seed, n, d) * np.linspace(0.2, 2, d) + 1.0
    y = _normal(100 + seed, m, d) * np.linspace(0.3, 1.5, d) + 1.2
    got = [frechet(x, y, ddof) for ddof in (0, 1)]
    for ddof in (0, 1):
        assert got[ddof] == pytest.approx(case[f"fd_exact_ddof{ddof}"], rel=1e-10)
        moments = Moments()
        moments.add(x)
        assert Reference(moments.mean(), moments.covariance(ddof)).distance(y, ddof) == pytest.approx(got[ddof])
    for suite in ("pytorch_fid", "clean_fid", "torch_fidelity", "fvd_comparison_ddof1", "videogpt_f64"):
        assert got[1] == pytest.approx(case[suite], abs=SUITES)
    assert got[1] == pytest.approx(case["videogpt_f32"], rel=1e-4)
    assert got[0] == pytest.approx(case["styleganv_ddof0_f32inputs"], abs=SUITES)


def _kid(_: str, case: Case) -> None:
    x, y = _normal(21, 40, 16) + 0.1, _normal(22, 40, 16)
    assert kid(x, y) == pytest.approx(case["mmd2_torch_fidelity"], rel=1e-10)
    assert kid(x, y) == pytest.approx(case["clean_fid_1subset_full"], rel=1e-10)


def _degradation(name: str, case: Case) -> None:
    if name.startswith("formula"):
        assert rate(case["fid_st"], case["fid_ed"]) == pytest.approx(case["dr"], abs=1e-12)
        return
    real = _normal(31, 30, 100, 12)
    fake = _normal(32, 30, 100, 12) * 1.05 + (np.arange(100) / 100 * 0.6)[None, :, None]
    for reference, start, end, dr in (
        ("matched", "fid_st", "fid_ed", "dr_matched_window_reference"),
        ("all", "fid_st_allref", "fid_ed_allref", "dr_all_frames_reference"),
    ):
        got = degradation(list(real), list(fake), case["n"], reference=reference, resamples=1)
        assert (got.start, got.end) == pytest.approx((case[start], case[end]), rel=1e-9)
        assert got.value == pytest.approx(case[dr], rel=1e-8)


# ------------------------------------------------------------------------------------------------------- lip sync
def _embeddings(name: str, case: Case) -> tuple[np.ndarray, np.ndarray]:
    t, d, recipe = case["T"], case["D"], case["recipe"]
    if name.startswith("constant"):
        return np.eye(d)[[0] * t] * 3, np.eye(d)[[1] * t] * 4
    seed, roll = re.search(r"RandomState\((\d+)\)", recipe), re.search(r"roll\(im,(-?\d+)", recipe)
    assert seed
    rng = np.random.RandomState(int(seed.group(1)))
    video, second = rng.randn(t, d), rng.randn(t, d)
    audio = np.roll(video, int(roll.group(1)), axis=0) + 0.3 * second if roll else second
    return video.astype(np.float32), audio.astype(np.float32)


def _lse(name: str, case: Case) -> None:
    video, audio = _embeddings(name, case)
    curve = lse.distances(video, audio, case["vshift"])
    got = lse.sync(video, audio, case["vshift"])
    assert got.lse_d == pytest.approx(case["lse_d"], abs=2e-5)
    assert got.lse_c == pytest.approx(case["lse_c"], abs=2e-5)
    assert curve == pytest.approx(np.asarray(case["mdist"]), abs=2e-5)
    assert np.median(curve) == pytest.approx(case["median"], abs=2e-5)
    ties = np.flatnonzero(curve < curve.min() + 2e-5)  # a constant input has many best shifts
    assert case["vshift"] - case["offset"] in ties
    assert got.offset == case["offset"] or len(ties) > 1


def _lse_padding(_: str, case: Case) -> None:
    rng = np.random.RandomState(50)
    video = rng.randn(case["T"], 64) + 1
    audio = video + 1.2 * rng.randn(case["T"], 64)
    padded, inside = lse.sync(video, audio), lse.sync(video, audio, padded=False)
    assert padded.lse_c == pytest.approx(case["lse_c_canonical"], abs=2e-5)
    assert padded.lse_d == pytest.approx(case["lse_d"], abs=2e-5)
    assert inside.lse_c == pytest.approx(case["lse_c_nopad"], abs=2e-5)


def _mfcc(_: str, case: Case) -> None:
    samples = (_normal(61, 16000) * 3000).astype(np.int16)
    got = mfcc((samples / 32768).astype(np.float32))
    assert list(got.shape) == case["shape"]
    assert got[0] == pytest.approx(case["first_row"], rel=1e-4)
    assert got[-1] == pytest.approx(case["last_row"], rel=1e-4)
    assert (got.mean(), got.std()) == pytest.approx((case["mean"], case["std"]), rel=1e-5)
    for row in case["windows"]:
        assert row["samples"] == 16000 * row["seconds"]
        assert window_count(row["video_frames"], row["samples"]) == row["syncnet_windows"]
        assert len(mfcc(np.zeros(row["samples"], np.float32))) == row["mfcc_frames"]


def _face_tracks(_: str, case: Case) -> None:
    args = case["args"]
    size, gaps = args.get("size", 120), args.get("gaps", ())
    boxes = [
        np.empty((0, 4)) if i in gaps else np.array([[50 + 0.5 * i, 40, 50 + 0.5 * i + size, 40 + size]])
        for i in range(args["n"])
    ]
    got = tracks.face_tracks(boxes)
    assert len(got) == len(case["tracks"])
    for track, want in zip(got, case["tracks"], strict=True):
        assert (track.first, track.last, len(track.boxes)) == (want["first"], want["last"], want["n"])
        assert track.boxes[len(track.boxes) // 2] == pytest.approx(want["bbox_mid"])


# ---------------------------------------------------------------------------------------------------------- beats
def _bas(name: str, case: Case) -> None:
    if name == "empty_motion_beats":  # theirs ends in an error; a motion without beats is aligned with nothing
        assert case["error"].startswith("ValueError")
        assert bas.BAILANDO.score([], [3.0]) == 0.0
    elif name == "joints24":
        joints = np.cumsum(_normal(73, 120, 24, 3) * 0.02, 0) + np.sin(np.arange(120) / 7)[:, None, None]
        assert bas.BAILANDO.beats(joints).tolist() == case["bailando_calc_db"]
        assert bas.MINT.beats(joints).tolist() == case["fact_motion_peaks_order10"]
        assert len(joints) - 1 == case["length"]
    elif name.startswith("head_pose"):
        turn = 2 * np.pi * np.arange(200) / 25
        yaw = 8 * np.sin(0.6 * turn) + 2 * np.sin(1.7 * turn + 1)
        pose = np.stack([yaw, 5 * np.sin(0.9 * turn + 0.5), 3 * np.sin(0.4 * turn + 2)], axis=1)
        beats = bas.motion_beats(pose + 0.05 * _normal(case["seed"], 200, 3), case["gauss_sigma"])
        assert beats.tolist() == case["motion_beats"]
        sound = np.arange(6, 199, 13)
        assert bas.bas(beats, sound) == pytest.approx(case["bas_sigma3"], rel=1e-9)
        seconds = bas.SECONDS.score(beats, sound, fps=25)  # 50 ms are 1.25 frames
        assert seconds == pytest.approx(case["bas_sigma_1p25"], rel=1e-9)
    else:
        beats = case["motion_beats"], case["audio_beats"]
        assert bas.BAILANDO.score(*beats) == pytest.approx(case["bailando_BA"], rel=1e-12)
        assert bas.MINT.score(*beats) == pytest.approx(case["fact_alignment_score"], rel=1e-6)  # it is float32


def _audio_beats(_: str, case: Case) -> None:
    audio = np.zeros(8 * 16000, np.float32)
    click = np.sin(2 * np.pi * 1000 * np.arange(160) / 16000) * np.hanning(160)
    for start in np.arange(0.25, 8, 0.5):
        audio[int(start * 16000) : int(start * 16000) + 160] += click.astype(np.float32)
    assert audio_beats(audio, onsets="default") / 25 == pytest.approx(np.asarray(case["beat_times"]), abs=1e-9)
    onsets = librosa.onset.onset_detect(y=audio, sr=16000, units="time")
    assert onsets == pytest.approx(np.asarray(case["onset_times"]), abs=1e-9)


# ---------------------------------------------------------------------------------------------------------- faces
def _blink(name: str, case: Case) -> None:
    if name == "ear_6pt":
        points = np.zeros((68, 2), np.float32)
        points[36:42] = points[42:48] = case["points"]
        assert blink.lid_pair_means(points) == pytest.approx([case["ear"]] * 2, rel=1e-6)
        return
    if name == "dawn_calculate_eye":
        points = np.zeros((68, 2), np.float32)
        points[36:48] = case["landmarks_36_47"]
        assert eye_aspect_ratios(points) == pytest.approx([case["left"], case["right"]], rel=1e-6)
        assert blink.lid_pair_means(points) == pytest.approx([case["ear_left"], case["ear_right"]], rel=1e-6)
        return
    ratio = _ratios(case)
    assert ratio.sum() == pytest.approx(case["ear_sum"], rel=1e-9)
    for tail, counts in ((False, case["counts"]), (True, case["counts_with_tail"])):
        for key, want in counts.items():
            threshold, consecutive = key.removeprefix("thr").split("_consec")
            limits = {"threshold": float(threshold), "min_frames": int(consecutive)}
            assert blink.blink_count(ratio, **limits, merge_gap=0, tail=tail) == want, (key, tail)
    counter = blink.COUNTERS["ear6-0.20-2frames"]
    got = blink.blink_rate(np.stack([ratio, ratio], axis=1), counter=counter)
    assert got == pytest.approx(case["blink_per_s_thr0_2_consec2"])


def _ratios(case: Case) -> np.ndarray:
    ratio, options = np.full(case["n"], 0.3), case["kw"]
    for start, length in case["blinks"]:
        ratio[start : start + length] = options.get("closed", 0.08)
    return ratio + options["noise"] * _normal(options["seed"], len(ratio)) if "noise" in options else ratio


def _csim(_: str, case: Case) -> None:
    one = _normal(91, 512)
    other = one + 0.5 * _normal(92, 512)
    assert csim(one[None], other[None]).csim == pytest.approx(case["cos"], rel=1e-12)
    assert arcface.similarity_matrix(np.asarray(case["kps"])) == pytest.approx(np.asarray(case["M_112"]), abs=1e-5)


RESIZERS = {
    "clean_fid_pil_bicubic": resize.pillow_bicubic,
    "tf1_bilinear": resize.tf1_bilinear,
    "torch_bilinear": resize.bilinear,
}


def _resize(name: str, case: Case) -> None:
    resizer, direction = name.rsplit("_", 1)
    seed, source, target = (95, 5, 8) if direction == "up" else (96, 9, 4)
    image = np.random.RandomState(seed).randint(0, 256, (source, source, 3))
    got = RESIZERS[resizer](torch.from_numpy(image).permute(2, 0, 1)[None], (target, target))
    assert got.shape == (1, 3, target, target)
    assert got[0, 0].numpy() == pytest.approx(np.asarray(case["pixels"]), abs=6e-5)


CHECKS: dict[str, Callable[[str, Case], None]] = {
    "frechet_closed_form": _closed_form,
    "frechet_features": _features,
    "kid": _kid,
    "degradation_rate": _degradation,
    "lse": _lse,
    "lse_padding_effect": _lse_padding,
    "mfcc": _mfcc,
    "face_tracks": _face_tracks,
    "bas": _bas,
    "audio_beats": _audio_beats,
    "blink": _blink,
    "csim": _csim,
    "resize": _resize,
}


@pytest.mark.parametrize("name", CASES)
def test_canonical_number(name: str) -> None:
    section, _, rest = name.partition("/")
    assert section in CHECKS, f"nothing covers {name}"
    case = CASES[name]
    CHECKS[section](rest, case)
    assert not case.left(), f"nothing looked at {sorted(case.left())} of {name}"


def test_no_two_cases_share_a_name_and_no_check_is_idle() -> None:
    assert len(list(_cases())) == len(CASES)
    assert {name.partition("/")[0] for name in CASES} == set(CHECKS)
