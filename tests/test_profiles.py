"""The profile for SLURM: what it asks for, a dry run through it, and, where there is a SLURM to start, a real one."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PROFILE = ROOT / "workflow" / "profiles" / "slurm"
RULES = {
    name
    for path in (ROOT / "workflow/rules").glob("*.smk")
    for name in re.findall(r"^rule (\w+):", path.read_text(), re.M)
}


def test_the_profile_names_rules_that_exist_and_survives_preemption() -> None:
    profile = yaml.safe_load((PROFILE / "config.yaml").read_text())
    assert {*profile["set-resources"], *profile["groups"]} <= RULES
    assert profile["set-resources"]["train"]["gpu"] == 1 and "gpu" not in profile["default-resources"]
    assert set(profile["groups"].values()) == set(profile["group-components"])
    assert profile["retries"] >= 1 and profile["slurm-requeue"] is True


def test_a_dry_run_through_the_profile() -> None:
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("snakemake-executor-plugin-slurm is not installed (workflow/profiles/requirements.txt)")
    command = [sys.executable, "-m", "snakemake", "-n", "--workflow-profile", str(PROFILE)]
    command += ["--configfile", "config/smoke.yaml", "--", "results/smoke/lfg/weights.safetensors"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "This was a dry-run" in done.stdout + done.stderr


def test_a_cancelled_job_runs_again_on_a_real_slurm() -> None:
    if not os.environ.get("DAWN_TRY_SLURM"):
        pytest.skip("takes minutes; set DAWN_TRY_SLURM=1 (workflow/profiles/slurm/try.sh)")
    done = subprocess.run([PROFILE / "try.sh"], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "was cancelled and ran again" in done.stdout


def test_where_there_is_no_slurm_the_script_says_so(tmp_path: Path) -> None:
    for tool in ("bash", "dirname", "id"):
        (tmp_path / tool).symlink_to(Path("/usr/bin") / tool)
    done = subprocess.run(
        ["/usr/bin/bash", PROFILE / "try.sh"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 77 and done.stderr.startswith("skipped: ")
