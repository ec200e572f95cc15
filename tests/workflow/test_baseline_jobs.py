"""Jobs of baselines in the workflow."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support import programs
from tests.support.repository import copy_repository


# ------------------------------------------------------------------------------------------------------- workflow
def test_videos_of_a_baseline_add_its_jobs_alone(tmp_path: Path) -> None:
    """Plans on a bare copy of the sources: one baseline's videos add its two jobs, no other job changes."""
    root = tmp_path / "repository"
    copy_repository(root, without=("results/", "data/", "tests/golden/"))
    environment = programs.environment(root)
    environment.pop("DAWN_BASELINES", None)

    def planned(*words: str) -> tuple[dict[str, int], str]:
        done = subprocess.run(
            ["snakemake", "-n", "--cores", "1", *words, "--", "all"],
            cwd=root, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        rows = [line.split() for line in done.stdout.splitlines()]
        return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}, done.stdout

    (root / "external/hallo").mkdir(parents=True)
    video = root / "external/hallo/p000-00.mp4"
    video.touch()
    given, text = planned()
    assert given["baseline"] == 1
    assert "results/demo/scores/hallo/scores.json" in text and "results/demo/scores/sadtalker" not in text
    video.unlink()
    bare, text = planned()
    assert "hallo" not in text
    assert given == bare | {"baseline": 1, "score": bare["score"] + 1, "total": bare["total"] + 2}
