"""The complete pipeline at the smallest size: `dvc repro` on a copy of the repository whose demo is smoke's."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import dawn.cli
import eval.cli
from dawn.config import load
from dawn.corpora.manifest import read_manifest
from dawn.media.audio import write_wav
from dawn.media.json_files import read_json
from tests.support import programs
from tests.support.repository import REPOSITORY, copy_repository

pytestmark = pytest.mark.slow
RUN = "results/smoke"


class Copy:
    """A copy of the repository with its own data, results and history."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = programs.environment(root) | {
            "GIT_AUTHOR_NAME": "test",
            "GIT_AUTHOR_EMAIL": "test@example.org",
            "GIT_COMMITTER_NAME": "test",
            "GIT_COMMITTER_EMAIL": "test@example.org",
        }

    def run(self, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(words, cwd=self.root, env=self.environment, capture_output=True, text=True)
        assert code is None or done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def planned(self) -> set[str]:
        """Rules of the jobs that Snakemake would run."""
        out = self.run("snakemake", "-n", "--quiet", "rules", "--cores", "1", "all")
        text = out.stdout + out.stderr
        counted = [line.split() for line in text.splitlines()]
        return {row[0] for row in counted if len(row) == 2 and row[1].isdigit()} - {"total"}

    @contextmanager
    def without(self, *places: str) -> Iterator[None]:
        """Delete files or folders temporarily; restores data and results afterwards."""
        saved = self.root.parent / "saved"
        for tree in ("data", "results"):
            shutil.copytree(self.root / tree, saved / tree)
        try:
            for place in places:
                path = self.root / place
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            yield
        finally:
            for tree in ("data", "results"):
                shutil.rmtree(self.root / tree)
                shutil.move(saved / tree, self.root / tree)
            shutil.rmtree(saved)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Commands that run in this process set its number of threads; later tests have the number of before."""
    count = torch.get_num_threads()
    yield
    torch.set_num_threads(count)


def _cheaper(smoke: str) -> str:
    """Return smoke's configuration with fewer steps, on one thread: other tests run at the same time."""
    for old, new in [
        (", threads: 1", ""),
        ("steps: 20,", "steps: 6, threads: 1,"),
        ("steps: 20\n", "steps: 6\n    threads: 1\n"),
        ("checkpoint_every: 10", "checkpoint_every: 2"),
        ("generate: {", "generate: {threads: 1, "),
        ("bootstrap: 100", "bootstrap: 100\n  threads: 1"),
    ]:
        assert old in smoke
        smoke = smoke.replace(old, new)
    return smoke


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    root = tmp_path_factory.mktemp("copy") / "repository"
    copy_repository(root)
    smoke = (root / "config/smoke.yaml").read_text()
    (root / "config/demo.yaml").write_text(_cheaper(smoke))
    copy = Copy(root)
    copy.run("git", "init", "-q")
    copy.run("git", "add", "-A")
    copy.run("git", "commit", "-qm", "start")
    copy.run("dvc", "repro")
    return copy


def test_the_target_all_writes_every_output(copy: Copy) -> None:
    table = (copy.root / "results/table1.csv").read_text()
    for metric in load(REPOSITORY / "config/smoke.yaml").evaluate.metrics:
        assert f",{metric}," in table
    for method in ("gt", "still", "other_speech", "dawn"):
        assert f",{method}," in table
    for suffix in ("md", "tex", "json"):
        assert (copy.root / f"{RUN}/table1.{suffix}").stat().st_size > 100
    quality = read_json(copy.root / f"{RUN}/quality.json")
    assert {"lfg_psnr_db", "yaw_correlation", "blink_correlation", "mouth_correlation"} <= quality.keys()
    assert {"frames", "silence", "start_pose", "start_eyes", "seeds_correlation", "seeds_spread"} <= quality.keys()
    assert quality["passed"] is False  # untrained networks
    assert (copy.root / "results/figures/samples.png").read_bytes().startswith(b"\x89PNG")
    page = (copy.root / "results/index.html").read_text()
    assert "<caption>Run smoke: " in page
    shown = [part.split('"')[0] for part in page.split('src="')[1:] if not part.startswith("data:")]
    assert shown
    assert all((copy.root / "results" / name).is_file() for name in shown)


def test_videos_are_marked_as_synthetic_and_have_provenance(copy: Copy) -> None:
    for clip in read_manifest(copy.root / f"{RUN}/test.csv"):
        path = copy.root / f"{RUN}/videos/{clip.clip}.mp4"
        with av.open(str(path)) as container:
            assert "synthetic" in container.metadata["comment"]
            assert sum(1 for _ in container.decode(video=0)) == clip.frames
        sidecar = read_json(path.with_suffix(".json"))
        assert sidecar["weights"].keys() == {"lfg", "pbnet", "a2v_stage2"}
        assert load_file(path.with_suffix(".safetensors"))["pose"].shape == (clip.frames, 6)


def test_a_finished_run_has_nothing_to_do(copy: Copy) -> None:
    assert copy.planned() == set()
    again = copy.run("dvc", "repro")
    assert "Nothing to be done" in again.stdout + again.stderr
    shown = json.loads(copy.run("dvc", "metrics", "show", "--json").stdout)
    assert "results/table1.json" in json.dumps(shown)


def test_a_published_run_continues_in_a_fresh_clone(
    copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pushed to a remote, pulled into a clone and verified there; only unpublished outputs remain to be computed."""
    here, there = Copy(tmp_path / "here"), Copy(tmp_path / "there")
    shutil.copytree(copy.root, here.root)
    here.environment["PYTHONPATH"], there.environment["PYTHONPATH"] = str(here.root), str(there.root)
    here.run("dvc", "remote", "add", "--default", "store", str(tmp_path / "store"))
    here.run("dvc", "add", "data/smoke", RUN)
    pushed = here.run("dvc", "push").stdout
    assert int(pushed.split(" files pushed")[0].split()[-1]) > 100
    here.run("git", "add", "-A")
    here.run("git", "commit", "-qm", "a run")
    tracked = here.run("git", "ls-files", "data", "results").stdout.split()
    assert {"data/smoke.dvc", f"{RUN}.dvc", "results/table1.csv"} <= set(tracked)
    assert not [name for name in tracked if name.endswith((".mp4", ".safetensors"))]
    here.run("git", "clone", "-q", str(here.root), str(there.root), code=0)
    there.run("dvc", "pull")
    there.run("snakemake", "--touch", "--cores", "1", "--", "all")
    assert there.planned() == {"samples", "page", "all"}
    monkeypatch.chdir(there.root)
    verify = ["verify", f"{RUN}/table1.json", "--cache", str(copy.root / "results/cache")]
    assert eval.cli.main(verify) == 0
    assert capsys.readouterr().out.strip().endswith("the same")
    clip = read_manifest(there.root / f"{RUN}/test.csv")[0].clip
    shutil.copy(there.root / f"{RUN}/controls/still/{clip}.mp4", there.root / f"{RUN}/videos/{clip}.mp4")
    assert eval.cli.main(verify) == 1
    assert f"dawn: video {clip}: changed since the table" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("removed", "first", "never"),
    [
        ("data/smoke/64/clips/8b/p000-00.mp4", "clips", {"corpus"}),
        ("data/smoke/64/features/8b/p000-00.safetensors", "features", {"corpus", "clips"}),
        (f"{RUN}/lfg", "train", {"corpus", "clips", "features", "dataset", "syncnet", "testset"}),
        (f"{RUN}/a2v_stage2/weights.safetensors", "train", {"corpus", "clips", "features", "reconstruct", "syncnet"}),
        (f"{RUN}/videos", "videos", {"corpus", "clips", "features", "train", "reconstruct", "syncnet"}),
        (f"{RUN}/scores/dawn", "score", {"corpus", "clips", "features", "train", "videos", "reconstruct"}),
        ("results/table1.csv", "publish", {"train", "videos", "score", "table1"}),
    ],
)
def test_a_deleted_output_is_recomputed_without_the_steps_before_it(
    copy: Copy, removed: str, first: str, never: set[str]
) -> None:
    with copy.without(removed):
        dry = copy.planned()
        copy.run("snakemake", "--cores", "1", "data/smoke/clips.csv")  # a run, of no job
        planned = copy.planned()
    assert dry in (set(), planned)  # a dry run changes nothing, and so does not plan what lacks a file of a report
    assert first in planned
    assert "all" in planned
    assert not planned & never


def test_an_edit_of_code_or_settings_reruns_only_what_depends_on_it(copy: Copy) -> None:
    def edited(name: str, old: str, new: str) -> set[str]:
        path = copy.root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        try:
            return copy.planned()
        finally:
            path.write_text(text)

    assert edited("eval/metrics/bas.py", '"""', '"""Edited. ') == set()
    metric = edited("eval/metrics/bas.py", "import numpy as np\n", "import numpy as np\n\n_edited = print()\n")
    assert {"score", "table1"} <= metric
    assert not metric & {"train", "videos", "clips", "features", "syncnet"}
    network = edited("dawn/models/pbnet.py", "import torch\n", "import torch\n\n_edited = print()\n")
    assert {"train", "videos"} <= network
    assert not network & {"corpus", "clips", "features", "syncnet", "reconstruct"}
    assert edited("eval/report/paper.csv", "\n", "\n\n") == {"table1", "publish", "page", "all"}
    sampling = edited("config/demo.yaml", "steps: 3,", "steps: 4,")
    assert "videos" in sampling
    assert not sampling & {"train", "clips", "features", "syncnet"}
    posing = edited("config/demo.yaml", "blink_max: 0.5", "blink_max: 0.6")
    assert {"train", "videos"} <= posing
    assert not posing & {"clips", "features", "syncnet", "reconstruct"}


def test_a_killed_stage_ends_with_the_weights_of_an_uninterrupted_one(copy: Copy) -> None:
    weights = copy.root / f"{RUN}/a2v_stage2/weights.safetensors"
    whole = load_file(weights)
    with copy.without(f"{RUN}/a2v_stage2"):
        command = ["dawn", "train", "a2v_stage2", "--config", f"{RUN}/config.yaml"]
        process = subprocess.Popen(command, cwd=copy.root, env=copy.environment, stderr=subprocess.DEVNULL)
        while process.poll() is None and not list(weights.parent.glob("step-*")):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not weights.exists()
        copy.run(*command)
        again = load_file(weights)
    assert whole.keys() == again.keys()
    assert all(bool((whole[key] == again[key]).all()) for key in whole)


def test_generate_from_a_trained_run(copy: Copy, real: Path, tmp_path: Path) -> None:
    portrait = str(real / "portraits/photo_nasa_astronaut.png")
    speech = str(real / "speech/asr_spk2_snt1.wav")
    out = tmp_path / "out.mp4"
    done = copy.run("dawn", "generate", portrait, speech, "-o", str(out), "--run", RUN)
    assert "synthetic" in done.stdout
    with av.open(str(out)) as container:
        assert container.metadata["synthetic"] == "true"
        seconds = float(container.streams.video[0].duration * container.streams.video[0].time_base)
        assert len(container.streams.audio) == 1
    assert seconds == pytest.approx(2.0, abs=0.1)
    driver = str(real / "clips/mead_M030_front_neutral_level1_001_silent.mp4")
    other, again = tmp_path / "other.mp4", tmp_path / "again.mp4"
    run = ["--run", str(copy.root / RUN)]
    assert dawn.cli.main(["generate", portrait, speech, "-o", str(other), *run, "--pose-from", driver]) == 0
    assert other.read_bytes() != out.read_bytes()
    assert dawn.cli.main(["generate", portrait, speech, "-o", str(again), *run]) == 0
    assert again.read_bytes() == out.read_bytes()


@pytest.mark.parametrize("case", ["dog", "text", "silence", "empty", "no_run", "not_mp4"])
def test_generate_refuses_in_one_line_and_leaves_nothing(
    copy: Copy, real: Path, tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    portrait, speech = real / "portraits/photo_obama_official.jpg", real / "speech/asr_spk2_snt1.wav"
    out, run = tmp_path / "out/video.mp4", copy.root / RUN
    if case == "dog":
        portrait = real / "portraits/negative_dog.jpg"
    elif case == "text":
        speech = tmp_path / "words.wav"
        speech.write_text("these are words, not sound")
    elif case == "silence":
        speech = tmp_path / "silence.wav"
        write_wav(speech, np.zeros(32000, np.float32))
    elif case == "empty":
        portrait = tmp_path / "empty.png"
        portrait.touch()
    elif case == "no_run":
        run = copy.root / "results/absent"
    else:
        out = tmp_path / "out/video.avi"
    capfd.readouterr()
    assert dawn.cli.main(["generate", str(portrait), str(speech), "-o", str(out), "--run", str(run)]) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("dawn: ")
    assert not out.parent.exists() or not list(out.parent.iterdir())


def test_another_window_trains_nothing_and_another_curriculum_only_its_stages(copy: Copy) -> None:
    def trained(sweep: str) -> set[str]:
        out = copy.run("snakemake", "-n", "--cores", "1", "--", f"results/sweeps/{sweep}.csv")
        lines = (out.stdout + out.stderr).splitlines()
        assert any(line.endswith(f": sweep {sweep}") for line in lines)
        return {line.partition(": ")[2] for line in lines if line.partition(": ")[2].startswith("training ")}

    assert trained("window") == set()
    assert trained("curriculum") == {f"training a2v_stage{k} of run smoke-curriculum-stage{k}" for k in (1, 2)}


def test_an_invalid_sweep_affects_no_other_target(copy: Copy) -> None:
    sweep = copy.root / "config/sweeps/bad.csv"
    sweep.write_text("generate.windw\n6\n")
    try:
        copy.run("snakemake", "-n", "--cores", "1", "--", "results/table1.csv")
        done = copy.run("snakemake", "-n", "--cores", "1", "--", "results/sweeps/bad.csv", code=1)
    finally:
        sweep.unlink()
    assert "config/sweeps/bad.csv, row 1: generate.windw: unknown key; known keys: steps" in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["crema128", "hdtf128", "hdtf256"])
def test_paper_configurations_plan_every_step(copy: Copy, name: str) -> None:
    done = copy.run(
        "snakemake", "-n", "--cores", "1", "--configfile", f"config/{name}.yaml", "--", "results/table1.csv"
    )
    assert "train" in done.stdout
    assert f"results/{name}/a2v_stage2/weights.safetensors" in done.stdout


def test_an_unknown_key_is_one_clear_error(copy: Copy) -> None:
    done = copy.run("snakemake", "-n", "--config", "generate={'step': 3}", "--", "results/table1.csv", code=1)
    assert "generate.step: unknown key; known keys: steps" in done.stdout + done.stderr
