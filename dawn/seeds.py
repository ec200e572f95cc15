"""Random numbers from a seed (``config.seed``, ``corpus.seed``, ``evaluate.seed``, ``--seed``): all streams.

Every consumer has a separate stream that depends only on the seed and the consumer's name. A result is therefore
independent of other computations, their order, the number of processes, and interruptions.

=============================  =====================================================================================
training, initial weights      ``set_global_seed(step_seed(seed, stage, INITIAL_WEIGHTS))``
training, a sample of a step   ``torch_generator(step_seed(seed, stage, step, sample))``
validation, a sample           ``torch_generator(step_seed(seed, f"{stage}/validation", batch, sample))``
training, dropout of a group   ``set_global_seed(step_seed(seed, f"{stage}/{group}", step, first_sample))``
a generated video              ``torch_generator(seed)``, for ``dawn generate --seed``; the test video of a clip has the
                               seed ``video_seed(config.seed, clip)``, which its JSON file states
head motion of a test clip     ``torch_generator(head_motion_seed(config.seed, clip, index))``
people of the demo corpus      ``numpy_generator(corpus.seed, ...)``
test identities of a corpus    ``ranking_key(corpus.seed, name)``
validation clips of a corpus   the same
bootstrap and subsets          ``numpy_generator(evaluate.seed)``
=============================  =====================================================================================

>>> video_seed(1234, "anna_0") == video_seed(1234, "anna_0") != video_seed(1234, "ben_0")
True
>>> numpy_generator(1234, 1, 0).random() == numpy_generator(1234, 1, 0).random()
True
"""

from __future__ import annotations

import hashlib
import operator
from typing import TYPE_CHECKING

import numpy as np

from dawn.errors import InputError

if TYPE_CHECKING:
    import torch

ALL_SAMPLES = -1  # in place of a sample's index: random numbers that all samples of a batch share
INITIAL_WEIGHTS = -1  # in place of a step


def step_seed(seed: int, stream: str, step: int, sample: int = ALL_SAMPLES) -> int:
    """Derive the 63-bit seed of one sample of one step of `stream` (a training stage).

    :data:`ALL_SAMPLES` in place of the sample gives the seed of random numbers that all samples share.
    """
    name = f"{seed}/{stream}/{step}/{sample}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def checked_seed(seed: int) -> int:
    """Return an integer of any type as int. Raises InputError for another value and outside of 0 to 2**63 - 1."""
    try:
        value = operator.index(seed)
    except TypeError:
        value = -1
    if not 0 <= value < 2**63:
        raise InputError(f"seed: must be an integer from 0 to 2**63 - 1, got {seed!r}")
    return value


def video_seed(seed: int, clip: str) -> int:
    """Derive the seed of the test video of `clip`; ``dawn generate --seed`` with it draws the same noise."""
    return step_seed(seed, f"generate/{clip}", 0)


def head_motion_seed(seed: int, clip: str, index: int) -> int:
    """Derive the seed of the sample `index`, from 0, of head motion for the test clip `clip`."""
    return step_seed(seed, f"head_motion/{clip}", 0, index)


def torch_generator(seed: int) -> torch.Generator:
    """Create a generator on the CPU. Noise for other devices is drawn on the CPU and copied, so that devices agree."""
    import torch

    return torch.Generator().manual_seed(seed)


def set_global_seed(seed: int) -> None:
    """Seed torch's global generators, which initial weights and dropout use."""
    import torch

    torch.manual_seed(seed)


def numpy_generator(seed: int, *stream: int) -> np.random.Generator:
    """Create a generator of the numbered `stream` of a seed; without a number, of the seed itself."""
    return np.random.default_rng((seed, *stream) if stream else seed)


def ranking_key(seed: int, name: str) -> bytes:
    """Compute a key that sorts names in a random order in which additional names do not move the others."""
    return hashlib.sha256(f"{seed}:{name}".encode()).digest()
