"""Plots of the benchmarks' tables."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd


def plot_pass(table: pd.DataFrame, out: Path) -> None:
    """Plot seconds per frame and peak memory of a denoiser pass by length."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for path, mark in (("engine", "o-"), ("plain", "s--")):
        if f"{path}_seconds" in table:
            left.plot(table.frames, table[f"{path}_seconds"] / table.frames, mark, label=path)
            right.plot(table.frames, table[f"{path}_peak_mib"] / 1024, mark, label=path)
    left.set(xlabel="frames", ylabel="seconds a frame", ylim=(0, None), title="one denoiser pass")
    right.set(xlabel="frames", ylabel="GiB", ylim=(0, None), title="peak memory")
    for axes in (left, right):
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
    figure.savefig(out, dpi=150, format="png")
    plt.close(figure)


def plot_where(table: pd.DataFrame, out: Path) -> None:
    """Plot seconds of a pass by part, labelled with the share of the rate of a large matrix product."""
    parts = table.dropna(subset="seconds")
    figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
    bars = axes.barh(parts.part, parts.seconds)
    labels = ["" if pd.isna(share) else f"{share:.0%}" for share in parts.share_of_large_product_rate]
    axes.bar_label(bars, labels, padding=3)
    axes.invert_yaxis()
    axes.set(xlabel="seconds", title="a pass of 40 frames; label: share of a large product's rate")
    axes.margins(x=0.12)
    figure.savefig(out, dpi=150, format="png")
    plt.close(figure)
