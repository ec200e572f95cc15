"""The cluster profiles: requested resources; SLURM by a dry run and, where SLURM can be started, a real run;
Kubernetes with a fake kubectl that runs the command of each job on this machine."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.repository import REPOSITORY, copy_repository

ROOT = REPOSITORY
PROFILE = ROOT / "workflow" / "profiles" / "slurm"
KUBERNETES = ROOT / "workflow" / "profiles" / "kubernetes"
RULES = {
    name
    for path in (ROOT / "workflow/rules").glob("*.smk")
    for name in re.findall(r"^rule (\w+):", path.read_text(), re.M)
}


@pytest.mark.parametrize("folder", [PROFILE, KUBERNETES])
def test_a_profile_names_rules_that_exist_and_survives_preemption(folder: Path) -> None:
    profile = yaml.safe_load((folder / "config.yaml").read_text())
    assert {*profile["set-resources"], *profile["groups"]} <= RULES
    assert "gpu" not in profile["set-resources"]["train"] and not profile["default-resources"].get("gpu")
    assert set(profile["groups"].values()) == set(profile["group-components"])
    assert profile["retries"] >= 1 and profile.get("slurm-requeue", True) is True


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


def test_the_script_is_skipped_without_slurm(tmp_path: Path) -> None:
    for tool in ("bash", "dirname", "id"):
        (tmp_path / tool).symlink_to(Path("/usr/bin") / tool)
    done = subprocess.run(
        ["/usr/bin/bash", PROFILE / "try.sh"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 77 and done.stderr.startswith("skipped: ")


# Jobs are folders: the manifest, and the exit code of its command once that has ended. The first job is evicted.
KUBECTL = """#!{python}
import json, os, subprocess, sys, time
from pathlib import Path
jobs = Path({jobs!r})
verb, *rest = sys.argv[1:]
if verb == "create":
    manifest = json.load(sys.stdin)
    name = manifest["metadata"]["generateName"] + str(len(list(jobs.iterdir())))
    (jobs / name).mkdir()
    (jobs / name / "job.json").write_text(json.dumps(manifest))
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    if name == "dawn-0":
        (jobs / name / "code").write_text("137")
    else:
        wait = 'trap "" HUP; "$@" > "$0/log" 2>&1; echo $? > "$0/code.part"; mv "$0/code.part" "$0/code"'
        subprocess.Popen(["sh", "-c", wait, str(jobs / name), *container["command"]], cwd=container["workingDir"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(name, end="")
elif verb == "get":
    code = jobs / rest[1] / "code"
    ended = code.read_text().strip() if code.is_file() else None
    print("found", {{None: "", "0": "SuccessCriteriaMet Complete"}}.get(ended, "FailureTarget Failed"))
"""


def test_jobs_run_on_kubernetes_and_an_evicted_job_runs_again(tmp_path: Path) -> None:
    jobs, tools = tmp_path / "jobs", tmp_path / "bin"
    jobs.mkdir()
    tools.mkdir()
    (tools / "kubectl").write_text(KUBECTL.format(python=sys.executable, jobs=str(jobs)))
    (tools / "kubectl").chmod(0o755)
    place = tmp_path / "checkout"
    copy_repository(place)
    environment = os.environ | {
        "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(place),
    }
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", "workflow/profiles/kubernetes"]
    command += ["--latency-wait", "5", "--seconds-between-status-checks", "1", "--configfile", "config/smoke.yaml"]
    command += ["--", "data/smoke/clips.csv"]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    logs = "".join(path.read_text() for path in jobs.glob("*/log"))
    assert done.returncode == 0, done.stderr[-3000:] + logs[-3000:]
    assert (place / "data/smoke/clips.csv").is_file()
    assert sorted(path.name for path in jobs.iterdir()) == ["dawn-0", "dawn-1"]
    job = json.loads((jobs / "dawn-1" / "job.json").read_text())
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == {"requests": {"cpu": "1", "memory": "8000M"}, "limits": {"memory": "8000M"}}
    assert container["workingDir"] == str(place) and job["spec"]["activeDeadlineSeconds"] == 60 * 240


def test_a_training_job_requests_its_gpu_from_kubernetes(tmp_path: Path) -> None:
    script, manifest = tmp_path / "job.sh", tmp_path / "manifest.json"
    script.write_text("echo trained")
    (tmp_path / "kubectl").write_text(f"#!/bin/sh\ncat > {manifest}\nprintf dawn-7\n")
    (tmp_path / "kubectl").chmod(0o755)
    command = [sys.executable, KUBERNETES / "submit", "--cpus", "8", "--memory-mb", "32000", "--gpus", "1"]
    command += ["--minutes", "1440", script]
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "dawn-7\n")
    [container] = json.loads(manifest.read_text())["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container["command"][-1] == "echo trained"
    nothing = subprocess.run(command, env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False)
    assert nothing.returncode == 2 and nothing.stderr == "submit: kubectl is not installed, or not on the PATH\n"
