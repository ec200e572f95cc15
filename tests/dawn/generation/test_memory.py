"""The memory limit: what is split, and what cannot fit."""

from __future__ import annotations

import pytest
import torch

from dawn.errors import InputError
from dawn.generation import memory
from tests.support.networks import config, networks


def test_a_limit_on_memory_splits_the_work_or_states_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "memory_in_use", lambda device: 2**29)
    unet, cpu = networks().unet, torch.device("cpu")
    free = memory.plan(config(), unet, 1000, cpu)
    ample = memory.plan(config(max_memory="1000GiB"), unet, 1000, cpu)
    assert (ample.activations, ample.batch) == (free.activations, free.batch) and free.peak is None
    with pytest.raises(InputError, match=r"--max-memory 512MiB: 1000 frames need at least (\d+) MiB") as caught:
        memory.plan(config(max_memory="512MiB"), unet, 1000, cpu)
    least = int(str(caught.value).split("at least ")[1].split()[0])
    tight = memory.plan(config(max_memory=f"{least}MiB"), unet, 1000, cpu)
    assert tight.activations < free.activations and tight.batch >= 1
    assert tight.peak is not None and ample.peak is not None and tight.peak <= least * 2**20 < ample.peak
    with pytest.raises(InputError, match="need at least"):
        memory.plan(config(max_memory=f"{least - 1}MiB"), unet, 1000, cpu)


def test_sizes_have_decimal_and_binary_units() -> None:
    assert memory.size("1.5 GiB") == 3 * 2**29 and memory.size("512MB") == 512 * 10**6
