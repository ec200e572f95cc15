"""Each baseline is run through a stand-in with upstream's command line; its row comes and goes with its videos."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import yaml

from dawn import config as settings
from dawn.baselines.declaration import FOLDER, Baseline, Crop, declared, load
from dawn.baselines.place import Place, missing, present
from dawn.baselines.videos import make_videos, portrait
from dawn.cli import main
from dawn.config import Config
from dawn.corpora.manifest import Clip, write_manifest
from dawn.errors import InputError
from dawn.media.audio import read_audio
from dawn.media.files import sha256_file
from dawn.media.json_files import read_json, write_json
from dawn.media.video import load_frames, probe
from dawn.media.video_writer import write_video
from dawn.paths import Paths
from eval.metrics.registry import METRICS
from eval.report.tables import blocks, ranking, read_figures, write_tables
from eval.studies.run_settings import settings_digest
from tests.support.clips import features_of
from tests.support.repository import copy_repository

SIDE, FRAMES = 64, 20
CONFIG = settings.parse(
    {"name": "run", "corpus": {"name": "corpus", "resolution": SIDE}, "evaluate": {"bootstrap": 10}}
)
CLIPS = ("anna.0", "ben-1")  # a dot in a name must not reach programs that split names at dots

# What every stand-in does: reads portrait and speech, and writes a video whose size and rate are the system's own.
_COMMON = """
import argparse, os, sys, time
from pathlib import Path
import av, numpy as np
from PIL import Image

def make(out, image, sound, side, fps):
    if "FAIL" in os.environ and os.environ["FAIL"] in str(image):
        print("loading\\nCUDA out of memory"); sys.exit(3)
    with open("calls", "a") as calls: calls.write(Path(image).stem + "\\n")
    picture = Image.open(image).convert("RGB")
    print("portrait", *picture.size)
    with av.open(str(sound)) as heard:
        seconds = float(heard.duration / av.time_base)
        assert heard.streams.audio[0].sample_rate == 16000 and heard.streams.audio[0].channels == 1
    pixels = np.array(picture.resize((side or picture.width,) * 2))
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(out), "w") as made:
        stream = made.add_stream("libx264", rate=fps)
        stream.width = stream.height = pixels.shape[0]
        stream.pix_fmt = "yuv420p"
        for step in range(round(seconds * fps)):
            frame = np.roll(pixels, step, axis=1)
            made.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        made.mux(stream.encode(None))

def flags(*names, **more):
    parser = argparse.ArgumentParser()
    for name in names: parser.add_argument(name, required=True)
    for name, given in more.items(): parser.add_argument("--" + name, **given)
    return parser.parse_args()
"""
# Entry point and the rest of it, by baseline: the options and the places of results as upstream documents them.
STAND_INS: dict[str, tuple[str, str]] = {
    "wav2lip": (
        "inference.py",
        """
a = flags("--checkpoint_path", "--face", "--audio", outfile={"default": "results/result_voice.mp4"})
assert os.path.isfile(a.checkpoint_path) and a.face.split(".")[1] in ("jpg", "png", "jpeg") and a.audio.endswith(".wav")
make(a.outfile, a.face, a.audio, None, 25)
""",
    ),
    "audio2head": (
        "inference.py",
        """
a = flags("--audio_path", "--img_path", save_path={"default": "./results"})
stem = os.path.basename(a.img_path)[:-4] + "_" + os.path.basename(a.audio_path)[:-4]
make(os.path.join(a.save_path, stem + ".mp4"), a.img_path, a.audio_path, 256, 25)
""",
    ),
    "sadtalker": (
        "inference.py",
        """
a = flags("--driven_audio", "--source_image", result_dir={"default": "./results"}, still={"action": "store_true"},
          preprocess={"default": "crop", "choices": ["crop", "extcrop", "resize", "full", "extfull"]}, enhancer={})
make(os.path.join(a.result_dir, time.strftime("%Y_%m_%d_%H.%M.%S") + ".mp4"), a.source_image, a.driven_audio, None, 25)
""",
    ),
    "diffused_heads": (
        "sample.py",
        """
a = dict(word.split("=", 1) for word in sys.argv[1:])
known = {"checkpoint", "encoder_checkpoint", "id_frame", "audio", "output", "hydra.job.chdir", "hydra.run.dir"}
assert a.keys() == known
assert os.path.isfile(a["checkpoint"]) and os.path.isfile(a["encoder_checkpoint"])
make(a["output"], a["id_frame"], a["audio"], 128, 25)
""",
    ),
    "dreamtalk": (
        "inference_for_demo_video.py",
        """
a = flags("--wav_path", "--style_clip_path", "--pose_path", "--image_path", disable_img_crop={"action": "store_true"},
          cfg_scale={"type": float}, max_gen_len={"type": int}, output_name={"default": "test"}, device={})
assert a.disable_img_crop and "/" not in a.output_name
make(f"output_video/{a.output_name}.mp4", a.image_path, a.wav_path, 256, 25)
""",
    ),
    "echomimic": (
        "infer_audio2vid.py",
        """
import yaml
a = flags(config={"default": "./configs/prompts/animation.yaml"})
config = yaml.safe_load(open(a.config))
for key in ("pretrained_base_model_path", "pretrained_vae_path", "audio_model_path", "denoising_unet_path",
            "reference_unet_path", "face_locator_path", "motion_module_path"):
    assert os.path.exists(config[key]), key
assert config["weight_dtype"] == "fp16" and config["inference_config"]
for image, sounds in config["test_cases"].items():
    for sound in sounds:
        folder = time.strftime("output/%Y%m%d/%H%M--seed_420-512x512")
        stem = f"{folder}/{Path(image).stem}_{Path(sound).stem}_512x512_2_{time.strftime('%H%M')}"
        make(stem + ".mp4", image, sound, 512, 24)
        os.link(stem + ".mp4", stem + "_withaudio.mp4") if not os.path.exists(stem + "_withaudio.mp4") else None
""",
    ),
    "hallo": (
        "scripts/inference.py",
        """
a = flags("--source_image", "--driving_audio", output={"default": ".cache/output.mp4"}, config={})
make(a.output, a.source_image, a.driving_audio, 512, 25)
""",
    ),
}
NATIVE_SIDE = {"wav2lip": 256, "audio2head": 256, "sadtalker": 256, "diffused_heads": 128, "dreamtalk": 256}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Two test clips with sound and features, and their manifest."""
    paths = Paths.of(CONFIG, tmp_path / "data", tmp_path / "results")
    rows = []
    t = np.arange(FRAMES * 640) / 16000
    for seed, name in enumerate(CLIPS):
        ramp = np.linspace(40 + 50 * seed, 200, SIDE)
        frames = [np.repeat((ramp[None, :] + i + 0 * ramp[:, None])[..., None], 3, 2) for i in range(FRAMES)]
        tone = 0.3 * np.sin(2 * np.pi * (200 + 100 * seed) * t).astype(np.float32)
        write_video(paths.clips / f"{name}.mp4", [frame.astype(np.uint8) for frame in frames], audio=tone)
        points = np.random.default_rng(seed).uniform(16, 48, (68, 2)).astype(np.float32)
        box = np.tile(np.float32([16, 16, 48, 48]), (FRAMES, 1))
        features = features_of(FRAMES, landmarks=np.tile(points, (FRAMES, 1, 1)), face_box=box, mouth_box=box)
        features.save(paths.features / f"{name}.safetensors")
        rows.append(Clip(name, name, "test", FRAMES, FRAMES / 25, f"{name}.mp4", "0" * 64))
    write_manifest(paths.test, rows)
    return paths


def _programs(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in ("ffmpeg", "nvidia-smi"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)


@pytest.fixture
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[Baseline, Place]]:
    """Sets a baseline up with its stand-in; gives its declaration, at the stand-in's commit, and the place."""
    monkeypatch.setenv("DAWN_BASELINES", str(tmp_path / "external"))
    _programs(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")

    def make(name: str) -> tuple[Baseline, Place]:
        baseline, place = load(name), Place.of(name)
        script, body = STAND_INS[name]
        for weight in baseline.weights:
            path = place.repo / weight.file
            (path.parent if path.suffix else path).mkdir(parents=True, exist_ok=True)
            if path.suffix:
                path.write_text("weights")
        (place.repo / script).parent.mkdir(parents=True, exist_ok=True)
        (place.repo / script).write_text(_COMMON + body)
        place.python.parent.mkdir(parents=True)
        place.python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        place.python.chmod(0o755)
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        for words in (("init", "-q"), ("add", script), (*identity, "commit", "-qm", "stand-in")):
            subprocess.run(["git", *words], cwd=place.repo, check=True)
        head = place.head()
        return baseline.model_copy(update={"upstream": baseline.upstream.model_copy(update={"commit": head})}), place

    return make


def _calls(place: Place) -> list[str]:
    file = place.repo / "calls"
    return file.read_text().split() if file.is_file() else []


# ------------------------------------------------------------------------------------------------------ declarations
def test_the_seven_systems_of_the_paper_are_declared() -> None:
    assert set(declared()) == set(STAND_INS)
    assert [name for name, baseline in declared().items() if not baseline.ranked] == ["wav2lip"]
    aligned = {name for name, baseline in declared().items() if baseline.crop.rule == "aligned"}
    assert aligned == {"dreamtalk", "echomimic"}
    for baseline in declared().values():
        assert baseline.upstream.commit is None or len(baseline.upstream.commit) == 40


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"titel": "x"}, "titel: unknown key"),
        ({"upstream": {"repository": "https://a.example/b", "commit": "main"}}, "upstream.commit"),
        ({"upstream": {"repository": "git@a.example:b", "commit": None}}, "upstream.repository"),
        ({"command": ["{python}", "x.py", "{portrait}"]}, "neither command nor files use {speech}"),
        ({"command": ["{python}", "{portrait}", "{speach}"]}, "unknown placeholder {speach}"),
        ({"command": ["{python}", "{portrait", "{speech}"]}, "brace without its partner"),
        ({"output": "{where}/*.mp4"}, "unknown placeholder {where}"),
        ({"weights": [{"file": "../secret", "source": "x"}]}, "leaves the checkout"),
        ({"crop": {"rule": "aligned", "side": 256}}, "face goes with rule: aligned"),
        ({"crop": {"rule": "square", "side": 256}}, "crop.rule"),
        ({"licence": {"code": "MIT"}}, "licence.weights: Field required"),
        ({"ranked": "perhaps"}, "ranked"),
    ],
)
def test_a_bad_declaration_is_refused_by_file_and_key(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    tree = yaml.safe_load((FOLDER / "hallo.yaml").read_text()) | change
    (tmp_path / "hallo.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(InputError) as caught:
        load("hallo", tmp_path)
    assert "hallo.yaml" in str(caught.value) and said in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_name_or_no_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are: audio2head"):
        load("../hallo")
    (tmp_path / "broken.yaml").write_text("title: [")
    with pytest.raises(InputError, match="cannot be read as YAML"):
        load("broken", tmp_path)


# -------------------------------------------------------------------------------------------------------- set-up
def test_check_names_each_thing_that_is_missing(
    set_up: Callable[[str], tuple[Baseline, Place]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = missing(load("hallo"), Place(tmp_path / "nowhere"))
    assert nowhere[0].startswith("checkout") and load("hallo").upstream.commit in nowhere[0]
    baseline, place = set_up("hallo")
    assert missing(baseline, place) == []
    assert "is at" in missing(load("hallo"), place)[0]
    (place.repo / baseline.weights[0].file).write_text("")
    place.python.write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin/ffmpeg").unlink()
    (tmp_path / "bin/nvidia-smi").unlink()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    found = [line.split()[0] for line in missing(baseline, place)]
    absent = [name for name in ("ffmpeg", "nvidia-smi") if shutil.which(name) is None]
    assert found[:2] == ["weights", "interpreter"]
    assert found[2:] == [{"ffmpeg": "program", "nvidia-smi": "GPU"}[name] for name in absent]


def test_commands_list_check_and_run(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAWN_BASELINES", raising=False)
    assert main(["baseline", "list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in STAND_INS) and "not verified" in out
    assert main(["baseline", "check", "wav2lip"]) == 2
    seen = capsys.readouterr()
    assert seen.err.count("\n") == 1 and seen.err.startswith("dawn: wav2lip is not set up")
    assert all(line.startswith("wav2lip: ") for line in seen.out.splitlines())
    assert "external/wav2lip/repo" in seen.out
    assert main(["baseline", "check", "nobody"]) == 2
    (tmp_path / "config.yaml").write_text(CONFIG.dump())
    assert main(["baseline", "run", "wav2lip", "--config", "config.yaml"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "dawn baseline check wav2lip" in error
    for name in CLIPS:
        (tmp_path / "external/wav2lip").mkdir(parents=True, exist_ok=True)
        shutil.copy(paths.clips / f"{name}.mp4", tmp_path / f"external/wav2lip/{name}.mp4")
    assert main(["baseline", "run", "wav2lip", "--config", "config.yaml"]) == 0
    assert paths.videos_report("wav2lip").is_file()


# ------------------------------------------------------------------------------------------------------- videos
@pytest.mark.parametrize("name", sorted(STAND_INS))
def test_each_baseline_makes_the_test_videos_through_its_documented_command(
    name: str, paths: Paths, set_up: Callable[[str], tuple[Baseline, Place]]
) -> None:
    baseline, place = set_up(name)
    make_videos(name, baseline, CONFIG, paths, place)
    report = read_json(paths.videos_report(name))
    assert list(report["files"]) == list(CLIPS) and report["made"] == "here"
    for clip in CLIPS:
        out = paths.baseline_videos(name) / f"{clip}.mp4"
        info = probe(out)
        assert (info.width, info.height, info.has_audio) == (SIDE, SIDE, True)
        assert info.fps == pytest.approx(25) and 0.8 * FRAMES <= info.frames <= FRAMES
        assert np.abs(read_audio(out)).max() > 0.1
        with av.open(str(out)) as container:
            assert baseline.title in container.metadata["comment"]
        sidecar = read_json(out.with_suffix(".json"))
        assert sidecar["sha256"] == sha256_file(out) == report["files"][clip]
        assert sidecar["commit"] == place.head() and sidecar["native"] == [NATIVE_SIDE.get(name, 512)] * 2
        log = (paths.run / "logs/baselines" / name / f"{clip}.log").read_text()
        assert f"portrait {baseline.crop.side} {baseline.crop.side}" in log
    assert [path.name for path in paths.baseline_videos(name).iterdir() if path.name.startswith(".")] == []
    left = [path for path in place.repo.rglob("*.mp4") if not (name == "echomimic" and "_withaudio" not in path.name)]
    assert left == []  # the checkout keeps no result


def test_a_run_continues_where_it_broke_off_and_keeps_the_reason(
    paths: Paths, set_up: Callable[[str], tuple[Baseline, Place]], monkeypatch: pytest.MonkeyPatch
) -> None:
    baseline, place = set_up("hallo")
    monkeypatch.setenv("FAIL", "ben-1")
    with pytest.raises(
        InputError, match=r"1 of 2 clips failed.*ben-1: the command ended with code 3: CUDA out of memory"
    ):
        make_videos("hallo", baseline, CONFIG, paths, place)
    failed = read_json(paths.run / "baselines/hallo.failed.json")
    assert failed["ben-1"]["tail"][-1] == "CUDA out of memory"
    assert sorted(path.name for path in paths.baseline_videos("hallo").iterdir()) == ["anna.0.json", "anna.0.mp4"]
    assert not paths.videos_report("hallo").exists()
    monkeypatch.delenv("FAIL")
    make_videos("hallo", baseline, CONFIG, paths, place)
    assert _calls(place) == ["anna_0", "ben-1"]
    assert not (paths.run / "baselines/hallo.failed.json").exists()
    before = paths.videos_report("hallo").read_bytes()
    (paths.baseline_videos("hallo") / "anna.0.mp4").write_bytes(b"cut off")
    make_videos("hallo", baseline, CONFIG, paths, place)
    assert _calls(place) == ["anna_0", "ben-1", "anna_0"]
    assert paths.videos_report("hallo").read_bytes() == before
    other = baseline.model_copy(update={"command": (*baseline.command, "--config", "other.yaml")})
    make_videos("hallo", other, CONFIG, paths, place)
    assert len(_calls(place)) == 5


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("print('done')", "wrote no"),
        ("import sys; sys.exit(1)", "printed nothing"),
        ("make(sys.argv[6], sys.argv[2], sys.argv[4], 96, 25)", "holds 10 of the clip's 20 frames"),
        ("open(sys.argv[6], 'w').write('no video')", "not a video"),
    ],
)
def test_what_is_no_video_of_the_clip_is_a_failure(
    body: str, said: str, paths: Paths, set_up: Callable[[str], tuple[Baseline, Place]]
) -> None:
    baseline, place = set_up("hallo")
    half = _COMMON.replace("seconds * fps", "seconds * fps / 2")
    (place.repo / STAND_INS["hallo"][0]).write_text(half + body)
    with pytest.raises(InputError, match=said):
        make_videos("hallo", baseline, CONFIG, paths, place)
    assert not paths.baseline_videos("hallo").exists() or not list(paths.baseline_videos("hallo").iterdir())


def test_videos_made_elsewhere_are_taken_as_they_are(paths: Paths, tmp_path: Path) -> None:
    baseline, place = load("sadtalker"), Place(tmp_path / "sadtalker")
    place.home.mkdir()
    shutil.copy(paths.clips / "anna.0.mp4", place.home / "anna.0.mp4")
    with pytest.raises(InputError, match=r"1 of the run's 2 test clips; add ben-1\.mp4"):
        make_videos("sadtalker", baseline, CONFIG, paths, place)
    large = [np.full((128, 128, 3), 100 + i, np.uint8) for i in range(2 * FRAMES)]
    write_video(place.home / "ben-1.mp4", large, fps=50)
    make_videos("sadtalker", baseline, CONFIG, paths, place)
    made = paths.baseline_videos("sadtalker")
    assert (made / "anna.0.mp4").read_bytes() == (place.home / "anna.0.mp4").read_bytes()
    info = probe(made / "ben-1.mp4")
    assert (info.width, info.frames, info.has_audio) == (SIDE, FRAMES, True)
    assert read_json(paths.videos_report("sadtalker"))["made"] == "elsewhere"
    original = read_json(made / "ben-1.json")["original"]
    write_video(place.home / "ben-1.mp4", large[::-1], fps=50)
    make_videos("sadtalker", baseline, CONFIG, paths, place)
    assert read_json(made / "ben-1.json")["original"] != original
    write_video(place.home / "ben-1.mp4", [np.zeros((64, 96, 3), np.uint8)] * FRAMES)
    with pytest.raises(InputError, match="96 x 64 pixels; the clips are square"):
        make_videos("sadtalker", baseline, CONFIG, paths, place)
    assert not (made / "ben-1.mp4").exists() and not paths.videos_report("sadtalker").exists()


def test_portraits_follow_the_crop_rule() -> None:
    frame = np.zeros((64, 64, 3), np.uint8)
    frame[20:44, 20:44] = 255
    corners = np.float32([[20, 20], [43, 43]])
    whole = portrait(frame, Crop(rule="clip", side=128), corners)
    assert whole.shape == (128, 128, 3) and (whole.mean(2) > 128).mean() == pytest.approx((24 / 64) ** 2, rel=0.1)
    near = portrait(frame, Crop(rule="aligned", side=128, face=0.8), corners)
    assert (near.mean(2) > 128).mean() == pytest.approx(0.8**2, rel=0.2)


def test_speech_and_video_end_with_the_frames_that_are_measured(
    paths: Paths, set_up: Callable[[str], tuple[Baseline, Place]]
) -> None:
    tree = CONFIG.model_dump()
    tree["evaluate"]["inference_frames"] = 10
    baseline, place = set_up("wav2lip")
    make_videos("wav2lip", baseline, settings.parse(tree), paths, place)
    assert len(load_frames(paths.baseline_videos("wav2lip") / "ben-1.mp4")) == 10


# --------------------------------------------------------------------------------------------- which rows there are
def test_a_row_comes_and_goes_with_its_videos(
    paths: Paths,
    tmp_path: Path,
    set_up: Callable[[str], tuple[Baseline, Place]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DAWN_BASELINES", str(tmp_path / "external"))
    assert present(paths) == ()
    home = Place.of("echomimic").home
    home.mkdir(parents=True)
    (home / "another_corpus.mp4").touch()
    assert present(paths) == ()  # named after no clip of this run
    shutil.copy(paths.clips / "ben-1.mp4", home / "ben-1.mp4")
    assert present(paths) == ("echomimic",)
    baseline, place = set_up("wav2lip")
    assert present(paths) == ("echomimic",)  # at another commit than the declared one
    monkeypatch.setattr("dawn.baselines.place.declared", lambda: declared() | {"wav2lip": baseline})
    assert present(paths) == ("wav2lip", "echomimic")
    make_videos("wav2lip", baseline, CONFIG, paths, place)
    shutil.rmtree(place.home)
    assert present(paths) == ("wav2lip", "echomimic")  # its videos are there, though the set-up is gone
    shutil.rmtree(home)
    assert present(paths) == ("wav2lip",)
    paths.videos_report("wav2lip").unlink()
    assert present(paths) == ()


def _scores(folder: Path, method: str, config: Config, value: float) -> Path:
    entry = {"value": value, "low": value - 1, "high": value + 1, "n": 2, "backbone": "test"}
    causes = {key: "same" for key in ("clips", "real", "weights", "code", "parameters", "seed")}
    metrics = {"bas": entry} if method == "gt" else {"fvd16": entry, "bas": entry}
    scores = {"method": method, "dataset": "corpus", "metrics": metrics}
    write_json(folder / "scores.json", scores | {"provenance": causes | {"settings": settings_digest(config)}})
    return folder


def test_a_tables_measured_row_is_a_baselines_own_and_the_papers_stay(tmp_path: Path) -> None:
    values = {"gt": 5, "still": 1, "wav2lip": 2, "sadtalker": 9, "hallo": 6, "dawn": 7}
    every = {name: _scores(tmp_path / name, name, CONFIG, value) for name, value in values.items()}
    write_tables(CONFIG, every, tmp_path / "with")
    without = {name: folder for name, folder in every.items() if name != "sadtalker"}
    write_tables(CONFIG, without, tmp_path / "without")
    lines = (tmp_path / "with.csv").read_text().splitlines()
    gone = set(lines) - set((tmp_path / "without.csv").read_text().splitlines())
    assert gone == {line for line in lines if line.startswith("corpus,sadtalker,ours,")} and len(gone) == 2
    papers = {figure.method for figure in read_figures(tmp_path / "without.csv") if figure.source == "paper"}
    assert set(STAND_INS) <= papers
    text = (tmp_path / "with.md").read_text()
    rows = {line.split(" | ")[1]: line for line in text.splitlines() if line.startswith("| corpus |")}
    assert "**6.0** [5.0, 7.0]" in rows["Hallo"] and "<u>7.0</u> [6.0, 8.0]" in rows["DAWN"]
    assert not any("**" in rows[name] or "<u>" in rows[name] for name in ("Wav2Lip", "Still image", "True videos"))
    assert "- Wav2Lip: moves the lips" in text
    latex = (tmp_path / "with.tex").read_text()
    assert r"\textbf{6.0} {\scriptsize [5.0, 7.0]}" in latex and r"\underline{7.0}" in latex
    assert json.loads((tmp_path / "with.json").read_text()).keys() == every.keys()


def test_the_papers_rows_are_ranked_as_the_paper_ranks_them(tmp_path: Path) -> None:
    scores = {"gt": _scores(tmp_path / "gt", "gt", CONFIG, 1)}
    by_block = blocks(write_tables(CONFIG, scores, tmp_path / "t"))
    second = {
        ("crema", method, metric)
        for (method, metric), rank in ranking(by_block["paper", "crema"], list(METRICS.values())).items()
        if rank == 2
    } | {
        ("hdtf", method, metric)
        for (method, metric), rank in ranking(by_block["paper", "hdtf"], list(METRICS.values())).items()
        if rank == 2
    }
    printed = {
        ("crema", "sadtalker", "lse_c"),
        ("crema", "dawn", "blink_per_s"),
        ("hdtf", "hallo", "fid"),
        ("hdtf", "dawn", "fvd16"),
        ("hdtf", "hallo", "fvd32"),
        ("hdtf", "audio2head", "lse_c"),
        ("hdtf", "dawn", "lse_d"),
        ("hdtf", "sadtalker", "blink_per_s"),
    }
    assert printed <= second
    assert not any(method == "wav2lip" for _, method, _ in second)


# ------------------------------------------------------------------------------------------------------- workflow
def test_the_workflow_measures_what_is_there_and_nothing_else(tmp_path: Path) -> None:
    """Plans on a bare copy of the sources: one baseline's videos add its two jobs, no other job changes."""
    root = tmp_path / "repository"
    copy_repository(root, without=("results/", "data/", "tests/golden/"))
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(root)}
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
    assert given == bare | {"baseline": 1, "measure": bare["measure"] + 1, "total": bare["total"] + 2}
