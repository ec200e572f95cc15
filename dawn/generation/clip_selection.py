"""Selection of the clips whose videos are generated and evaluated."""

from __future__ import annotations

from dawn.config import Config
from dawn.corpora.manifest import read_manifest, write_manifest
from dawn.errors import InputError
from dawn.paths import Paths


def choose_clips(config: Config, paths: Paths) -> None:
    """Write the manifest of test clips: at most ``evaluate.max_clips`` of the test split, spread over identities.

    Raises InputError when the test split is empty.
    """
    clips = [clip for clip in read_manifest(paths.dataset) if clip.split == "test"]
    rank: dict[str, int] = {}
    order = []
    for clip in clips:
        rank[clip.identity] = rank.get(clip.identity, -1) + 1
        order.append((rank[clip.identity], clip.identity, clip.clip))
    chosen = {row[2] for row in sorted(order)[: config.evaluate.max_clips]}
    if not chosen:
        raise InputError(
            f"{paths.dataset}: no clips in the test split; see {paths.rejected}, and set the split of the corpus "
            "(test_list, test_fraction; a single identity is in the training split)"
        )
    write_manifest(paths.test, [clip for clip in clips if clip.clip in chosen])
