"""Stand-ins of the baselines: scripts with the command lines of upstream, which move a still picture."""

from __future__ import annotations

# Common part: reads portrait and speech, and writes a video of the system's own size and rate.
COMMON = """
import argparse, os, sys, time
from pathlib import Path
import av
from PIL import Image, ImageChops

def make(out, image, sound, side, fps):
    if "FAIL" in os.environ and os.environ["FAIL"] in str(image):
        print("loading\\nCUDA out of memory"); sys.exit(3)
    with open("calls", "a") as calls: calls.write(Path(image).stem + "\\n")
    picture = Image.open(image).convert("RGB")
    print("portrait", *picture.size)
    with av.open(str(sound)) as sound_file:
        seconds = float(sound_file.duration / av.time_base)
        assert sound_file.streams.audio[0].sample_rate == 16000 and sound_file.streams.audio[0].channels == 1
    picture = picture.resize((side or picture.width,) * 2)
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(out), "w") as video:
        stream = video.add_stream("libx264", rate=fps)
        stream.width = stream.height = picture.width
        stream.pix_fmt = "yuv420p"
        for step in range(round(seconds * fps)):
            video.mux(stream.encode(av.VideoFrame.from_image(ImageChops.offset(picture, step, 0))))
        video.mux(stream.encode(None))

def flags(*names, **options):
    parser = argparse.ArgumentParser()
    for name in names: parser.add_argument(name, required=True)
    for name, settings in options.items(): parser.add_argument("--" + name, **settings)
    return parser.parse_args()
"""
# Script and its body, by baseline, with the options and output paths that upstream documents.
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
# Side of the videos, pixels; 512 for the others.
NATIVE_SIDE = {"wav2lip": 256, "audio2head": 256, "sadtalker": 256, "diffused_heads": 128, "dreamtalk": 256}
