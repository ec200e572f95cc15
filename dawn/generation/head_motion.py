"""Head motion that PBNet samples for the test clips with several seeds, without videos."""

from __future__ import annotations

import json

import numpy as np
import torch

from dawn.config import Config
from dawn.corpora.manifest import read_manifest
from dawn.features.store import Features
from dawn.generation.driving import sample_pose_blink
from dawn.generation.networks import Networks
from dawn.generation.sources import source_of
from dawn.media.tensor_files import save_arrays
from dawn.methods import networks_of_method
from dawn.paths import Paths
from dawn.seeds import head_motion_seed, torch_generator

SEEDS = 8  # per clip


def sample_head_motion(config: Config, paths: Paths) -> None:
    """Write ``<run>/head_motion.safetensors``: for each test clip the poses (SEEDS, n, 6) of its n frames.

    Speech and source are those of the clip, as for its test video. Raises InputError where weights or features are
    missing.
    """
    from tqdm import tqdm

    torch.set_num_threads(config.generate.threads)
    torch.use_deterministic_algorithms(True)
    nets = Networks.load(paths.run, config, stages=networks_of_method(config, "dawn"))
    poses = {}
    for clip in tqdm(read_manifest(paths.test), desc="head motion", unit="clip", mininterval=2):
        features = Features.load(paths.clip_features(clip.clip))
        source = source_of(clip, features, paths)
        seeds = (head_motion_seed(config.seed, clip.clip, index) for index in range(SEEDS))
        poses[clip.clip] = np.stack(
            [sample_pose_blink(nets, source, features.speech, torch_generator(seed))[0] for seed in seeds]
        )
    description = json.dumps({"weights": nets.hashes}, sort_keys=True)
    save_arrays(paths.run / "head_motion.safetensors", poses, "head_motion", description)
