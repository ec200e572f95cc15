"""The benchmark of whole corpora."""

from __future__ import annotations

import pytest

from benchmarks import corpus


def test_the_benchmark_measures_processes_and_files(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = ("dataset of all reports", "packed clips, batches of lfg")
    monkeypatch.setattr(corpus, "_PARTS", {part: corpus._PARTS[part] for part in parts})
    dry_runs = []
    monkeypatch.setattr(
        corpus, "_dry_run", lambda *arguments: dry_runs.append(arguments) or {"seconds": 1.0, "cpu_seconds": 1.0}
    )
    processes, files = corpus.measure([6], shards=4)
    measured = processes.set_index("what").loc[list(parts)]
    assert (measured.seconds > 0).all() and (measured.peak_mib >= measured.before_mib).all()
    assert measured.sent_bytes[parts[1]] > 24 * 6
    assert len(dry_runs) == 3 and dry_runs[-1][-1] == "features:corpus=bench,resolution=128,shard=0"
    assert files.files[0] > 2 * 6 + 3 * 4 and files.largest_folder[0] >= 6
