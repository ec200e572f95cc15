"""Reconstruction of test frames from the first one by the latent flow generator: upper bound of generated videos."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dawn.config import Config
from dawn.corpora.manifest import read_manifest
from dawn.media.json_files import write_json
from dawn.models.lfg import LatentFlowGenerator
from dawn.models.weights_io import load_weights
from dawn.paths import Paths


@torch.inference_mode()
def reconstruct(config: Config, paths: Paths) -> None:
    """Write ``<run>/reconstruction.json``: PSNR (dB) per test clip of the reconstruction, and of the repeated source.

    The reconstruction decodes the source with the motion that the generator estimates between source and frame.
    """
    from tqdm import tqdm

    from dawn.features.clips import ClipStore, to_float

    torch.set_num_threads(config.generate.threads)
    torch.use_deterministic_algorithms(True)
    lfg = LatentFlowGenerator(config.lfg.model)
    load_weights(paths.weights("lfg"), {"lfg": lfg})
    lfg.eval()
    store = ClipStore(paths.dataset, "test")
    evaluated = {clip.clip for clip in read_manifest(paths.test)}
    rows = []
    for index, clip in enumerate(tqdm(store.clips, desc="reconstruct", unit="clip", mininterval=2)):
        if clip.clip not in evaluated:
            continue
        frames = to_float(store.frames(index))
        source, driving = frames[:1], frames[1:]
        features = lfg.encode(source)
        flow, occlusion = lfg.motion(source.expand_as(driving), driving)
        reconstructed = lfg.decode(source, features, flow, occlusion)
        rows.append(
            {"clip": clip.clip, "lfg": psnr(reconstructed, driving), "copy": psnr(source.expand_as(driving), driving)}
        )
    write_json(
        paths.run / "reconstruction.json",
        {
            "unit": "dB, mean over frames of each clip, first frame excluded",
            "lfg": float(np.mean([row["lfg"] for row in rows])),
            "copy": float(np.mean([row["copy"] for row in rows])),
            "clips": rows,
        },
    )


def psnr(images: Tensor, reference: Tensor) -> float:
    """Compute the mean over n images (n, 3, H, W) in [0, 1] of 10 log10(1 / MSE), dB."""
    mse = ((images - reference) ** 2).mean(dim=(1, 2, 3)).clamp(min=1e-10)
    return float((-10 * torch.log10(mse)).mean())
