"""`make pretrain` in a small form: both runs are trained, and the package of the copy then generates by default."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from dawn.media.audio import write_wav
from dawn.media.video import seek_frames
from tests.support import programs
from tests.support.repository import copy_repository

pytestmark = pytest.mark.slow
STEPS = {"steps": 2, "batch": 2, "processes": 1, "warmup": 0, "checkpoint_every": 1}
SMALL = {
    "corpus": {
        "shards": 1,
        "demo": {
            "voices": ["espeak"],  # flite is a program of the system
            "train_identities": 2,
            "test_identities": 2,
            "train_utterances": 1,
            "test_utterances": 1,
            "seconds": 1.2,
        },
    },
    "speech": {"segment": 1.0, "train": STEPS},
    "lfg": {"train": STEPS},
    "pbnet": {"train": STEPS | {"frames": 30}},
    "a2v": {
        "stage1": STEPS | {"frames_min": 4, "frames_max": 4},
        "stage2": STEPS | {"frames_min": 4, "frames_max": 4},
    },
    "generate": {"steps": 2},
    "evaluate": {"bootstrap": 20, "syncnet": {"train": STEPS}},
}


def test_make_pretrain_writes_the_networks_that_generate_by_default(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    # Without the package's networks: those of a first training need no earlier ones.
    copy_repository(root, without=("docs/", "tests/", "dawn/pretrained/weights/"))
    (root / "small.yaml").write_text(yaml.safe_dump(SMALL))
    environment = programs.environment(root)
    dawn = shutil.which("dawn", path=environment["PATH"])
    assert dawn is not None
    ready = root / "ready"
    ready.touch()

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    # The environment of this process, as it is, in place of one that make would create.
    place = (f"BIN={Path(dawn).parent}", f"READY={ready}", "--assume-old", str(ready))
    run("make", "pretrain", "PRETRAIN=small.yaml", *place)
    card = yaml.safe_load((root / "dawn/pretrained/weights/card.yaml").read_text())
    assert set(card["runs"]) == {"pretrain", "pretrain64"}
    assert {name.partition("/")[0] for name in card["files"]} >= {"lfg", "pbnet", "a2v_stage2", "lfg64", "speech"}
    clip = next((root / "data/pretrain/128/clips").rglob("*.mp4"))
    Image.fromarray(seek_frames(clip, [0])[0]).save(root / "portrait.png")
    tone = 0.3 * np.sin(2 * np.pi * 220 * np.arange(8000) / 16000)
    write_wav(root / "speech.wav", tone.astype(np.float32), 16000)
    done = run("dawn", "generate", "portrait.png", "speech.wav", "-o", "out.mp4")
    assert "pre-trained run of this package (drawn people, 128 px)" in done.stderr
    assert (root / "out.mp4").stat().st_size > 1000
