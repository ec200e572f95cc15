"""Precision of products: what each device computes, and what stays float32."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dawn import precision
from dawn.precision import dtype_of, precise_products, resolve

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_a_gpu_computes_what_is_asked_for_and_an_old_one_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (9, 0))
    assert resolve("auto", GPU, auto="bfloat16") == "bfloat16"
    assert resolve("auto", GPU, auto="tf32") == "tf32"
    assert [resolve(name, GPU, auto="tf32") for name in ("exact", "tf32", "bfloat16")] == ["exact", "tf32", "bfloat16"]
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (7, 5))
    assert {resolve(name, GPU, auto="tf32") for name in ("auto", "exact", "tf32", "bfloat16")} == {"exact"}


def test_a_cpu_computes_in_bfloat16_only_where_that_is_faster(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {resolve(name, CPU, auto="bfloat16") for name in ("auto", "exact", "tf32")} == {"exact"}
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert resolve("bfloat16", CPU, auto="exact") == "bfloat16"
    assert not capsys.readouterr().err
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert resolve("bfloat16", CPU, auto="exact") == "exact"
    assert "computing in float32" in capsys.readouterr().err


def test_products_take_their_precision_within_the_context_only() -> None:
    def switches() -> tuple[Any, ...]:
        return (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)

    before = switches()
    with precise_products("tf32"):
        assert switches() == (True, True)
        with precise_products("exact"):
            assert switches() == (False, False)
        assert switches() == (True, True)
    assert switches() == before


def test_operands_are_half_as_wide_only_in_bfloat16() -> None:
    assert [dtype_of(name) for name in ("exact", "tf32", "bfloat16")] == [torch.float32, torch.float32, torch.bfloat16]
    assert precision.widened(torch.zeros(1, dtype=torch.bfloat16)).dtype == torch.float32
    assert precision.widened(torch.zeros(1, dtype=torch.float64)).dtype == torch.float64
