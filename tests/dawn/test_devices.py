"""The choice of a device."""

from __future__ import annotations

import pytest
import torch

from dawn.devices import pick
from dawn.errors import InputError


def test_the_best_device_is_chosen_and_an_absent_one_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for cuda, mps, want in ((True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        assert pick("auto").type == want
    with pytest.raises(InputError, match=r"device cuda: .* available: cpu"):
        pick("cuda")
    assert pick("cpu").type == "cpu"
