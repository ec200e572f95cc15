"""The pages on fine-tuning, with a few training steps, and on baselines, followed literally."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from dawn.config import load
from dawn.demo import generate_truth, render_clip
from dawn.features.versions import extractor_version
from dawn.media.audio import read_audio, write_wav
from dawn.media.video import iter_frames, probe
from dawn.models.discriminator import PatchDiscriminator
from dawn.models.pose_blink import build_pbnet, part_width
from dawn.models.weights_io import save_weights
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
    settings = followed.root / "config/me.yaml"
    settings.write_text(re.sub(r"\bsteps: \d+", "steps: 2", settings.read_text()))
    videos = followed.root / "data/raw/me/me"
    videos.mkdir(parents=True)
    for k in range(1, 4):
        render_clip(generate_truth(1234, 0, k, 1.6), 128, videos / f"clip_{k}.mp4")
    Image.fromarray(next(iter_frames(videos / "clip_1.mp4"))).save(followed.root / "portrait.png")
    write_wav(followed.root / "speech.wav", read_audio(videos / "clip_3.mp4"))
    train, generate = followed.commands()
    followed.run(train)
    assert (followed.root / "data/me/clips.csv").read_text().count(",test,") == 1
    followed.run(generate)
    assert probe(followed.root / "out.mp4").has_audio


def test_a_baseline_is_one_file(tmp_path: Path) -> None:
    followed = FollowedPage("baseline", tmp_path)
    followed.write_files()
    listing, check = followed.commands()
    assert "stillhead" in followed.run(listing)
    assert "checkout external/stillhead/repo is missing" in followed.run(check, code=2)
