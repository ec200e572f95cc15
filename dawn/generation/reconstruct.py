"""Reconstruction of test frames from the first one by the latent flow generator: upper bound of generated videos."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dawn.config import Config
from dawn.corpora.manifest import read_manifest
from dawn.devices import pick
from dawn.media.json_files import write_json
from dawn.models.lfg import LatentFlowGenerator
from dawn.models.weights_io import load_weights
from dawn.paths import Paths
from dawn.precision import precise_products

FRAMES = 64  # reconstructed at once


@torch.inference_mode()
def reconstruct(config: Config, paths: Paths) -> None:
    """Write ``<run>/reconstruction.json``: PSNR (dB) per test clip of the reconstruction, and of the repeated source.

    The reconstruction decodes the source with the motion that the generator estimates between source and frame.
    """
    from tqdm import tqdm

    torch.set_num_threads(config.generate.threads)
    device = pick(config.generate.device)
    torch.use_deterministic_algorithms(device.type == "cpu")
    lfg = LatentFlowGenerator(config.lfg.model)
    load_weights(paths.weights("lfg"), {"lfg": lfg})
    lfg.eval().to(device)
    rows = []
    with precise_products("exact"):
        for clip in tqdm(read_manifest(paths.test), desc="reconstruct", unit="clip", mininterval=2):
            reconstructed, copied = _clip_psnr(lfg, paths.clip(clip.clip), config, device)
            rows.append({"clip": clip.clip, "lfg": reconstructed, "copy": copied})
    write_json(
        paths.run / "reconstruction.json",
        {
            "unit": "dB, mean over frames of each clip, first frame excluded",
            "lfg": float(np.mean([row["lfg"] for row in rows])),
            "copy": float(np.mean([row["copy"] for row in rows])),
            "clips": rows,
        },
    )


def _clip_psnr(lfg: LatentFlowGenerator, video: Path, config: Config, device: torch.device) -> tuple[float, float]:
    """Compute the mean PSNR of the evaluated frames of a clip, reconstructed and as copies of the first, in dB."""
    from dawn.media.video import iter_frames  # imports PyAV

    frames = itertools.islice(iter_frames(video), config.evaluate.inference_frames)
    source = _images([next(frames)], device)
    features = lfg.encode(source)
    reconstructed, copied = [], []
    while run := list(itertools.islice(frames, FRAMES)):
        driving = _images(run, device)
        flow, occlusion = lfg.motion(source.expand_as(driving), driving)
        reconstructed.append(psnr(lfg.decode(source, features, flow, occlusion), driving))
        copied.append(psnr(source.expand_as(driving), driving))
    return float(torch.cat(reconstructed).mean()), float(torch.cat(copied).mean())


def _images(frames: list[NDArray[np.uint8]], device: torch.device) -> Tensor:
    return torch.from_numpy(np.stack(frames)).to(device).permute(0, 3, 1, 2).float() / 255


def psnr(images: Tensor, reference: Tensor) -> Tensor:
    """Compute 10 log10(1 / MSE) of each of n images (n, 3, H, W) in [0, 1], dB."""
    mse = ((images - reference) ** 2).mean(dim=(1, 2, 3)).clamp(min=1e-10)
    return -10 * torch.log10(mse)
