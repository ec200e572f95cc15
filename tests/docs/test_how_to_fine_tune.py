"""The pages on fine-tuning, with a few training steps, and on baselines, followed literally."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from dawn.config import load
from dawn.corpora.manifest import read_manifest
from dawn.demo import generate_truth, render_clip
from dawn.features.versions import extractor_version
from dawn.media.audio import read_audio, write_wav
from dawn.media.video import iter_frames, probe
from dawn.models.discriminator import PatchDiscriminator
from dawn.models.pose_blink import build_pbnet, part_width
from dawn.models.weights_io import save_weights
from dawn.stages import schedule_of
from tests.support.followed import FollowedPage
from tests.support.networks import write_run
from tests.support.repository import REPOSITORY


@pytest.mark.slow
def test_a_run_is_trained_on_for_one_person(tmp_path: Path) -> None:
    followed = FollowedPage("fine-tune", tmp_path)
    followed.write_files()
    start = load(REPOSITORY / "config/smoke.yaml")
    run = write_run(followed.root / "results/demo", start)
    pbnets = build_pbnet(start)  # a trained run also has the discriminators
    nets = pbnets | {f"judge_{name}": PatchDiscriminator(part_width(name)) for name in pbnets}
    state = {name: net.state_dict() for name, net in nets.items()}
    metadata = {"stage": "pbnet", "config": start.dump(), "extractor": extractor_version(start.features)}
    save_weights(run / "pbnet/weights.safetensors", state, metadata)
    (run / "config.yaml").write_text(start.dump())
    settings = followed.root / "config/finetune.yaml"
    text = settings.read_text()
    for key, value in (("steps", 2), ("every", 1), ("batches", 1), ("cut_seconds", 1.6)):
        text = re.sub(rf"\b{key}: \d+", f"{key}: {value}", text)
    settings.write_text(text)
    video = followed.root / "data/raw/me/anna/monday.mp4"
    video.parent.mkdir(parents=True)
    render_clip(generate_truth(1234, 0, 1, 9.6), 128, video)
    Image.fromarray(next(iter_frames(video))).save(followed.root / "portrait.png")
    write_wav(followed.root / "speech.wav", read_audio(video)[:32000])
    train, generate = followed.commands()
    printed = followed.run(train)
    clips = read_manifest(followed.root / "data/me/clips.csv")
    assert [clip.clip for clip in clips if clip.split == "test"] == ["anna_monday-0005"] and len(clips) == 6
    trained = load(followed.root / "results/finetune/config.yaml")
    for stage in ("lfg", "pbnet", "a2v_stage2"):
        assert printed.count(f"{stage}: the weights of step ") == 1
        log = (followed.root / f"results/finetune/{stage}/log.jsonl").read_text().splitlines()
        steps = schedule_of(trained, stage).steps or 0
        assert [json.loads(line)["step"] for line in log if "validation" in line] == list(range(steps + 1))
    followed.run(generate)
    assert probe(followed.root / "out.mp4").has_audio


def test_a_baseline_is_one_file(tmp_path: Path) -> None:
    followed = FollowedPage("baseline", tmp_path)
    followed.write_files()
    listing, check = followed.commands()
    assert "stillhead" in followed.run(listing)
    assert "checkout external/stillhead/repo is missing" in followed.run(check, code=2)
