"""Import of published checkpoints: synthetic files with the published keys, intact, damaged and hostile."""

from __future__ import annotations

import functools
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from dawn.cli import main
from dawn.config import Config, Diffusion, load
from dawn.errors import InputError
from dawn.features.speech import encode
from dawn.generation.networks import Networks
from dawn.media.files import sha256_file
from dawn.media.json_files import read_json
from dawn.models.attention import rotary_frequencies
from dawn.models.build import latent_side
from dawn.models.diffusion import GaussianDiffusion
from dawn.models.pbnet import SinePositions
from dawn.models.warping import AntiAlias
from dawn.models.weights_io import weights_metadata
from dawn.released.files import find, read
from dawn.released.networks import assemble
from dawn.released.run import import_released
from tests.support.golden import END_TO_END, GENERATOR, PBNET, UNET, check
from tests.support.repository import REPOSITORY

FILES = {
    "lfg": "LFG.pth",
    "dawn": "DAWN.pth",
    "pbnet_pose": "pose/checkpoint.pth.tar",
    "pbnet_eye": "eye/checkpoint.pt",
}
MASK_PARAMETERS = 1248  # of the face-mask embedder, which is drawn
Files = dict[str, dict[str, Any]]
Imported = tuple[Path, Path, dict[str, Any]]


def config(side: int = 128) -> Config:
    return load(REPOSITORY / f"config/released{side}.yaml")


def blank(key: str, shape: tuple[int, ...]) -> Tensor:
    """A tensor of any size that takes no room in a file."""
    number = torch.zeros((), dtype=torch.int64) if key.endswith("num_batches_tracked") else torch.zeros(())
    return number.expand(shape)


def published(recipe: ModuleType, value: Callable[[str, tuple[int, ...]], Tensor]) -> Files:
    """The contents of the four files, each tensor computed by `value` from its key and shape."""

    def state(network: str) -> dict[str, Tensor]:
        return {key: value(key, shape) for key, shape in recipe.shapes(network).items()}

    diffusion = {
        key: value(key.removeprefix("denoise_fn."), shape) for key, shape in recipe.shapes("diffusion").items()
    } | GaussianDiffusion(Diffusion()).state_dict()
    return {
        "lfg": {name: state(name) for name in ("generator", "region_predictor", "bg_predictor")}
        | {"example": 8, "epoch": 3, "optimizer": {"state": {0: {"exp_avg": torch.zeros(5)}}, "param_groups": []}},
        "dawn": {"diffusion": diffusion, "example": 8, "optimizer_diff": {"state": {}, "param_groups": [{"lr": 1e-4}]}},
        "pbnet_pose": state("pbnet_pose"),
        "pbnet_eye": state("pbnet_eye"),
    }


def write(folder: Path, files: Files) -> Path:
    for role, name in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if role in files:
            torch.save(files[role], folder / name)
    return folder


@pytest.fixture
def files(recipe: ModuleType, tmp_path: Path) -> Iterator[Files]:
    yield published(recipe, blank)
    for weights in tmp_path.rglob("*.safetensors"):
        weights.unlink()  # half a gigabyte per run


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are built without drawing large initial weights, which a file replaces, or which are refused before."""
    for name in ("kaiming_uniform_", "uniform_"):
        draw = getattr(torch.nn.init, name)
        monkeypatch.setattr(torch.nn.init, name, functools.partial(_draw_small, draw))


def _draw_small(draw: Callable[..., Tensor], tensor: Tensor, *arguments: Any, **options: Any) -> Tensor:
    return draw(tensor, *arguments, **options) if tensor.numel() < MASK_PARAMETERS else tensor


@pytest.fixture(scope="module")
def imported(recipe: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Imported]:
    """Folder of files with the golden weights at full size, the imported run, and its report."""
    folder, results = (tmp_path_factory.mktemp(name) for name in ("published", "results"))

    def value(key: str, shape: tuple[int, ...]) -> Tensor:
        if key.endswith("num_batches_tracked"):
            return torch.zeros(shape, dtype=torch.int64)
        drawn = recipe.weight(key, shape)
        if drawn is not None:
            return torch.from_numpy(drawn)
        match key.rpartition(".")[2]:
            case "freqs":
                return rotary_frequencies(2 * shape[0])
            case "pe":
                return SinePositions(shape[-1], 0.0).pe
            case _:
                return AntiAlias(0.25).weight

    report = import_released(write(folder, published(recipe, value)), config(), results)
    yield folder, results / "released128", report
    for temporary in (folder, results):
        shutil.rmtree(temporary)


# ------------------------------------------------------------------------------------------------------------ the way
@pytest.mark.usefixtures("undrawn")
def test_imported_networks_give_the_golden_outputs(imported: Imported, recipe: ModuleType, reference: Path) -> None:
    nets = Networks.load(imported[1])
    assert nets.config == config()
    given = {name: torch.from_numpy(value) for name, value in recipe.unet_inputs(6).items()}
    speech, pose, eye = given["cond"].split((1024, 6, 2), dim=-1)
    static = torch.cat((given["fea"], given["mask"]), dim=1)
    golden = np.load(reference / "unet_n6.npz")
    with torch.inference_mode():
        video = nets.unet.prepare(static, speech=speech, pose=pose, eye=eye, window=nets.config.generate.window)
        output = nets.unet(given["x"], torch.tensor([904]), video)
        check(output, golden["n6_t904_cond"], UNET)
        images = {name: torch.from_numpy(value) for name, value in recipe.lfg_inputs(128, 2).items()}
        features = nets.lfg.encode(images["source"])
        prediction = nets.lfg.decode(images["source"], features, images["flow"], images["occlusion"])
        golden = np.load(reference / "generator_128.npz")
        check(prediction, golden["prediction"], GENERATOR)
        whole = nets.lfg(images["source"], images["driving"]).prediction
        check(whole[:, :, ::2, ::2], golden["full_prediction_sub2"], END_TO_END)
        golden = np.load(reference / "pbnet.npz")
        for kind, width, frames, name in (("pose", 6, 240, "pose5_n240"), ("eye", 2, 30, "eye_n30")):
            taken = {name: torch.from_numpy(value) for name, value in recipe.pbnet_inputs(frames, width).items()}
            window = nets.config.generate.pbnet_window
            made = nets.pbnet[kind].decode(taken["z"], taken["audio"], taken["x"][:, 0], window=window)
            check(made, golden[f"{name}_output"], PBNET)


def test_face_mask_embedder_is_that_of_the_published_seed(imported: Imported, reference: Path) -> None:
    golden = np.load(reference / "facemask.npz")
    written = load_file(imported[1] / "a2v_stage2/weights.safetensors")
    for key in ("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"):
        np.testing.assert_array_equal(written[f"mask/{key}"].numpy(), golden[f"seed1234_{key}"], err_msg=key)


def test_report_accounts_for_every_file(imported: Imported) -> None:
    folder, run, report = imported
    assert report == read_json(run / "released.json")
    for role, name in FILES.items():
        assert report["sources"][role]["file"] == Path(name).name
        assert report["sources"][role]["sha256"] == sha256_file(folder / name)
    for stage, written in report["stages"].items():
        path = run / stage / "weights.safetensors"
        assert written["sha256"] == sha256_file(path)
        assert weights_metadata(path)["stage"] == stage
    assert report["stages"]["a2v_stage2"]["parameters"] == {"unet": 49_857_539, "mask": MASK_PARAMETERS}
    assert report["stages"]["lfg"]["parameters"] == {"lfg": 45_575_391 + 14_146_728 + 6_282_438}
    assert report["stages"]["pbnet"]["parameters"] == {"pose": 2_347_014, "eye": 2_345_986}
    assert report["unused"]["lfg"] == ["example (8)", "epoch (3)", "optimizer (1 tensors, 5 numbers)"]
    assert report["unused"]["dawn"] == ["example (8)", "optimizer_diff (dict)"]
    assert report["cast_to_float32"] == {} and report["notes"] == []
    assert load(run / "config.yaml") == config()
    assert not [path for path in run.rglob(".*") if path.is_file()]


@pytest.mark.usefixtures("undrawn")
def test_the_same_files_give_the_same_run(files: Files, tmp_path: Path) -> None:
    write(tmp_path / "in", files)
    first, second = (import_released(tmp_path / "in", config(), tmp_path) for _ in range(2))
    assert first == second
    sources = find(tmp_path / "in", {}, 128)
    drawn = [assemble(sources, config(), seed).stages["a2v_stage2"]["mask"].state_dict() for seed in (1234, 5)]
    kept = load_file(tmp_path / "released128/a2v_stage2/weights.safetensors")
    for key in drawn[0]:
        assert torch.equal(kept[f"mask/{key}"], drawn[0][key]) and not torch.equal(*(d[key] for d in drawn))


@pytest.mark.usefixtures("undrawn")
def test_prefixes_of_parallel_training_and_half_precision_are_taken(files: Files, tmp_path: Path) -> None:
    files["lfg"] = {"module." + name: value for name, value in files["lfg"].items()}
    files["lfg"]["module.generator"] = {f"module.{k}": v for k, v in files["lfg"]["module.generator"].items()}
    files["pbnet_pose"] = {f"module.{key}": value for key, value in files["pbnet_pose"].items()}
    diffusion = files["dawn"]["diffusion"]
    files["dawn"]["diffusion"] = {
        key.replace("denoise_fn.", "denoise_fn.module."): value.half() if value.dim() > 1 else value
        for key, value in diffusion.items()
    }
    report = import_released(write(tmp_path / "in", files), config(), tmp_path)
    (cast,) = report["cast_to_float32"].values()
    assert cast == sum(value.dim() > 1 for value in diffusion.values())
    nets = Networks.load(tmp_path / "released128")
    assert {p.dtype for p in nets.unet.parameters()} == {torch.float32}


@pytest.mark.usefixtures("undrawn")
def test_command_prints_the_report(files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in", files)
    arguments = ["import-released", str(tmp_path / "in"), "--results", str(tmp_path)]
    assert main([*arguments, "--config", str(REPOSITORY / "config/released256.yaml")]) == 0
    printed = capsys.readouterr().out
    assert f"{tmp_path / 'released256'}: published networks at 256 pixels" in printed and "without a licence" in printed
    assert "not used: optimizer (1 tensors, 5 numbers)" in printed and "face-mask embedder: seed 1234" in printed
    assert latent_side(Networks.load(tmp_path / "released256").config) == 64


# ------------------------------------------------------------------------------------------------- which file is meant
def test_the_resolution_in_a_path_tells_files_of_equal_shapes_apart(files: Files, tmp_path: Path) -> None:
    write(tmp_path, {role: files[role] for role in ("pbnet_pose", "pbnet_eye", "dawn")})
    for name in ("LFG_128.pth", "LFG_256.pth"):
        torch.save(files["lfg"], tmp_path / name)
    torch.save({"weights": torch.zeros(3)}, tmp_path / "something_else.pth")
    assert find(tmp_path, {}, 128)["lfg"].path.name == "LFG_128.pth"
    assert find(tmp_path, {}, 256)["lfg"].path.name == "LFG_256.pth"
    assert find(tmp_path, {"lfg": tmp_path / "LFG_256.pth"}, 128)["lfg"].path.name == "LFG_256.pth"
    (tmp_path / "LFG_128.pth").unlink()
    with pytest.raises(InputError, match=r"none is for 128 pixels .* LFG_256\.pth; .* --lfg"):
        find(tmp_path, {}, 128)
    torch.save(files["pbnet_eye"], tmp_path / "eye/older.pt")
    with pytest.raises(InputError, match=r"several files hold a PBNet of blinks.*: eye/checkpoint\.pt, eye/older\.pt"):
        find(tmp_path, {}, 256)
    with pytest.raises(InputError, match=r"expected a diffusion network .* holds a PBNet of pose"):
        find(tmp_path, {"dawn": tmp_path / FILES["pbnet_pose"]}, 128)


# --------------------------------------------------------------------------------------------------- unusable material
def refused(folder: Path, results: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The error line of the command, which must write nothing."""
    arguments = ["import-released", str(folder), "--results", str(results)]
    assert main([*arguments, "--config", str(REPOSITORY / "config/released128.yaml")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert not results.exists()
    return line


class RunsCommand:
    """Content of a hostile file: unpickling it runs a command."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle"])
def test_a_pickle_that_loads_more_than_weights_is_refused(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    folder, mark = write(tmp_path / "in", files), tmp_path / "mark"
    hostile = files["lfg"] | {"example": RunsCommand(mark)}
    if kind == "pickle":
        (folder / FILES["lfg"]).write_bytes(pickle.dumps({"generator": RunsCommand(mark)}, protocol=2))
    else:
        torch.save(hostile, folder / FILES["lfg"], _use_new_zipfile_serialization=kind == "zip")
    line = refused(folder, tmp_path / "results", capsys)
    assert "LFG.pth: refused: it would load posix.mkdir" in line
    assert not mark.exists()


@pytest.mark.parametrize(("kept", "message"), [(0, "the file is empty"), (0.5, "cut short"), (0.98, "cut short")])
def test_a_cut_file_is_named(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: float, message: str
) -> None:
    path = write(tmp_path / "in", files) / FILES["dawn"]
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    line = refused(tmp_path / "in", tmp_path / "results", capsys)
    assert "DAWN.pth" in line and message in line


def test_old_and_foreign_files(files: Files, tmp_path: Path) -> None:
    torch.save(files["dawn"], tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert set(read(tmp_path / "old.pth")["diffusion"]) == set(files["dawn"]["diffusion"])
    (tmp_path / "page.pth").write_text("<html>quota exceeded</html>")
    with pytest.raises(InputError, match="no file of weights"):
        read(tmp_path / "page.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(InputError, match="no dictionary"):
        read(tmp_path / "list.pth")


def test_a_missing_file_is_named_by_role(files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del files["pbnet_eye"]
    line = refused(write(tmp_path / "in", files), tmp_path / "results", capsys)
    assert "a PBNet of blinks (2 numbers a frame) is in none of its 3 files" in line and "--pbnet-eye" in line
    assert "no such folder" in refused(tmp_path / "absent", tmp_path / "results", capsys)


def change(files: Files, how: str) -> None:
    diffusion, generator, pose = files["dawn"]["diffusion"], files["lfg"]["generator"], files["pbnet_pose"]
    match how:
        case "missing":
            del generator["final.weight"]
        case "extra":
            generator["final.extra"] = torch.zeros(1)
        case "extra outside the U-Net":
            diffusion["ema_fn.weight"] = torch.zeros(1)
        case "shape":
            diffusion["denoise_fn.init_conv.weight"] = torch.zeros(64, 259, 1, 7, 7)
        case "type":
            diffusion["denoise_fn.init_conv.weight"] = "weights"
        case "not finite":
            diffusion["denoise_fn.init_conv.bias"] = torch.full((64,), torch.nan)
        case "schedule":
            diffusion["betas"] = torch.linspace(1e-4, 0.02, 1000)
        case "no dictionary":
            files["lfg"]["bg_predictor"] = torch.zeros(3)
        case "pbnet size":
            pose["decoder.firstposeEmbedding.weight"] = torch.zeros(128, 6)
        case "pbnet key":
            del pose["encoder.mu_layer.bias"]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "LFG.pth: generator: lacks final.weight"),
        ("extra", "LFG.pth: generator: holds the unknown final.extra"),
        ("extra outside the U-Net", "DAWN.pth: diffusion: holds the unknown ema_fn.weight"),
        ("shape", "init_conv.weight is 64 x 259 x 1 x 7 x 7, but the configuration needs 64 x 275 x 1 x 7 x 7"),
        ("type", "holds no tensor as init_conv.weight"),
        ("not finite", "init_conv.bias holds numbers that are not finite"),
        ("schedule", "betas differs from the schedule of a2v.diffusion"),
        ("no dictionary", "bg_predictor is Tensor, not a dictionary of tensors"),
        ("pbnet size", "trained with pbnet.model.latent: 128, but the configuration says 64; set it to 128"),
        ("pbnet key", "pose/checkpoint.pth.tar: lacks encoder.mu_layer.bias"),
    ],
)
def test_a_key_that_does_not_fit_is_named(
    files: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str, message: str
) -> None:
    change(files, how)
    assert message in refused(write(tmp_path / "in", files), tmp_path / "results", capsys)


@pytest.mark.usefixtures("undrawn")
def test_options_beside_pbnet_are_read_without_building_objects(files: Files, tmp_path: Path) -> None:
    folder, mark = write(tmp_path / "in", files), tmp_path / "mark"
    options = folder / "eye/opt.yaml"
    options.write_text(f"device: !!python/object/apply:os.mkdir [{mark}]\nmodelname: cvae_transformerreemb6\n")
    (note,) = assemble(find(folder, {}, 128), config()).notes
    assert "cvae_transformerreemb6" in note and "generate.pbnet_window: 200" in note and not mark.exists()
    options.write_text("max_distance: 256\n")
    with pytest.raises(InputError, match=r"eye/checkpoint\.pt: trained with pbnet\.model\.max_distance: 256"):
        assemble(find(folder, {}, 128), config())


def test_a_run_that_was_trained_here_stays(files: Files, tmp_path: Path) -> None:
    trained = tmp_path / "released128/lfg/weights.safetensors"
    trained.parent.mkdir(parents=True)
    trained.write_bytes(b"trained")
    with pytest.raises(InputError, match="trained here"):
        import_released(write(tmp_path / "in", files), config(), tmp_path)
    assert [*(tmp_path / "released128").rglob("*.*")] == [trained]


def test_a_joint_pbnet_is_not_what_was_published(files: Files, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"set pbnet\.joint: false"):
        import_released(write(tmp_path / "in", files), load(REPOSITORY / "config/hdtf128.yaml"), tmp_path)


def test_released_speech_needs_its_encoder() -> None:
    absent = config().features.speech.model_copy(update={"encoder": "nowhere/hubert"})
    with pytest.raises(InputError, match=r"'nowhere/hubert' is not on this machine .* local folder"):
        encode(np.zeros(16000, np.float32), 25, absent)
