"""Conversion of trained runs to a folder of pre-trained networks."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from dawn.config import Config
from dawn.errors import InputError
from dawn.features.encoders import FILES, RECORD, encoder_beside, encoder_folder, encoder_version
from dawn.generation.networks import Networks, run_config, trained_config, weights_digest
from dawn.media.files import replaced_folder, sha256_file, size_text
from dawn.media.json_files import read_json
from dawn.models.build import build_flow_generator
from dawn.models.constants import constant_keys
from dawn.models.weights_io import load_weights, read_weights, save_weights, weights_metadata
from dawn.pretrained import CARD, LIMIT
from dawn.provenance import commit
from dawn.shipping.card import describe, root_of
from dawn.stages import SPEECH, networks_of, stages_of, starts_of

TERMS = "Apache-2.0, as this project; trained on drawn people and synthesised speech, on nothing from a real person"
ABOUT = (
    "pre-trained networks: weights in half precision, without constants that the code computes; what is stated of "
    "unseen people was measured before that conversion"
)


@dataclass(frozen=True)
class _Part:
    """Weights of one stage of a run that become `name`/weights.safetensors, and the networks that they fit."""

    name: str
    run: Path
    stage: str
    config: Config
    networks: Mapping[str, nn.Module]

    @property
    def trained(self) -> Path:
        return self.run / self.stage / "weights.safetensors"


def ship(run: Path, out: Path, lfg_start: Path | None = None) -> dict[str, Any]:
    """Write the folder `out` from the trained run `run` and return its card, the content of ``card.yaml``.

    It gets the run's configuration and the weights of its networks in half precision; with the run `lfg_start`, also
    that run's latent flow generator, for a training to start from, as ``lfg<resolution>``. A speech encoder of ``dawn
    train speech`` is copied as ``speech``, which the written configurations then name (``pretrained:speech``): the
    weights state the digest of the encoder of their training, and the copy has the same. An earlier folder of this
    kind is replaced; on failure nothing changes. Runs are folders ``results/<run>`` beside the folder ``data`` of their
    corpora. Raises InputError for a run that is not complete or was trained on other than drawn people, for weights
    that are not finite in half precision, for more than :data:`~dawn.pretrained.LIMIT` bytes, and when `out` holds
    other files.
    """
    if out.is_dir() and any(out.iterdir()) and not (out / CARD).is_file():
        raise InputError(f"{out}: holds other files than pre-trained networks; give another folder with --out")
    config = run_config(run)
    parts = _parts(run, config, lfg_start)
    encoder = _trained_encoder(run, config)
    card: dict[str, Any] = {"about": ABOUT, "terms": TERMS, "commit": commit(), "runs": {}, "files": {}}
    for part in parts:
        _check_origin(part.trained, part.stage)
    card["runs"][config.name] = describe(run, config, stages_of(config), "config.yaml")
    for part in (part for part in parts if part.run != run):
        card["runs"][part.config.name] = describe(part.run, part.config, (part.stage,), f"{part.name}/config.yaml")
    with replaced_folder(out) as aside:
        for part in parts:
            path = aside / part.name / "weights.safetensors"
            config_of_part = _naming_copy(part.config, part.run, encoder)
            _write(part, path, encoder)
            card["files"][str(path.relative_to(aside))] = {
                "run": part.config.name,
                "stage": part.stage,
                "steps": int(weights_metadata(path)["steps"]),
                "bytes": path.stat().st_size,
                "sha256": sha256_file(path),
            }
            beside = aside if part.run == run else path.parent
            (beside / "config.yaml").write_text(config_of_part.dump(), encoding="utf-8")
        generating = {file["stage"]: file["sha256"] for file in card["files"].values() if file["run"] == config.name}
        card["weights"] = weights_digest(generating)  # as the metadata of generated videos state it
        if encoder is not None:
            card["speech_encoder"] = _copy_encoder(encoder, aside / "speech")
            path = aside / "speech/model.safetensors"
            card["files"][str(path.relative_to(aside))] = {
                "run": config.name,
                "stage": SPEECH,
                "steps": card["speech_encoder"]["steps"],
                "bytes": path.stat().st_size,
                "sha256": sha256_file(path),
            }
        (aside / CARD).write_text(yaml.safe_dump(card, sort_keys=False, width=120), encoding="utf-8")
        size = sum(path.stat().st_size for path in aside.rglob("*") if path.is_file())
        if size > LIMIT:
            raise InputError(
                f"{out}: would have {size_text(size)}, of which {size_text(LIMIT)} are allowed; train smaller networks"
            )
    return card


def summary(card: Mapping[str, Any], out: Path) -> str:
    """Format what was written as text."""
    runs = ", ".join(f"{name} ({run['resolution']} px)" for name, run in card["runs"].items())
    lines = [f"{out}: {size_text(sum(file['bytes'] for file in card['files'].values()))}; runs {runs}; {card['terms']}"]
    lines += [f"  {name}: {file['bytes']:,} bytes, sha256 {file['sha256']}" for name, file in card["files"].items()]
    return "\n".join(lines)


def _parts(run: Path, config: Config, lfg_start: Path | None) -> list[_Part]:
    """List the weights to write. Raises InputError for a run that is not complete."""
    nets = Networks.load(run, config, device="cpu", precision="exact", compile=False)
    *_, last = networks_of(config)
    networks: dict[str, Mapping[str, nn.Module]] = {"lfg": {"lfg": nets.lfg}, "pbnet": nets.pbnet}
    networks[last] = {"unet": nets.unet, "mask": nets.mask}
    parts = [_Part(stage, run, stage, config, networks[stage]) for stage in networks_of(config)]
    if lfg_start is not None:
        weights = lfg_start / "lfg/weights.safetensors"
        other = trained_config(weights)
        if other.name == config.name:
            raise InputError(f"{lfg_start}: has the name of {run}; --lfg-start is for another run")
        lfg = {"lfg": build_flow_generator(other)}
        load_weights(weights, lfg)
        parts.append(_Part(f"lfg{other.corpus.resolution}", lfg_start, "lfg", other, lfg))
    return parts


def _check_origin(weights: Path, stage: str) -> None:
    """Raise InputError unless the weights, and those that their training started from, are of the embedded corpus."""
    metadata, config = weights_metadata(weights), trained_config(weights)
    if metadata.get("terms") == TERMS:
        return
    if config.corpus.kind != "demo" or "released" in metadata:
        raise InputError(
            f"{weights}: not trained on the embedded corpus alone, which shows no real person; only such networks "
            "become part of the package"
        )
    for earlier in (one for one in stages_of(config) if one[:3] == stage[:3]):  # a2v_stage2 continues a2v_stage1
        for start in starts_of(config, earlier):
            _check_origin(root_of(weights.parent.parent) / start, stage)


def _trained_encoder(run: Path, config: Config) -> Path | None:
    """Return the folder of the run's speech encoder, None for ``logmel`` and for a network of others by its hub name.

    Raises InputError for a local folder that :func:`~dawn.training.speech_encoder.train_speech_encoder` did not write.
    """
    folder = encoder_folder(encoder_beside(config, run).features.speech.encoder)
    if folder is None:
        return None
    record = read_json(folder / RECORD) if (folder / RECORD).is_file() else {}
    if record.get("kind") != "demo" or record.get("sha256") != sha256_file(folder / "model.safetensors"):
        raise InputError(
            f"{folder}: not a speech encoder that was trained on the embedded corpus (dawn train speech); only such "
            "networks become part of the package"
        )
    return folder


def _copy_encoder(encoder: Path, out: Path) -> dict[str, Any]:
    """Copy a speech encoder and return what the card states about it."""
    out.mkdir()
    for name in (*FILES, RECORD):
        shutil.copyfile(encoder / name, out / name)
    record: dict[str, Any] = read_json(encoder / RECORD)
    return {key: record[key] for key in ("corpus", "seed", "clips", "steps", "hours", "accuracy", "sha256")}


def _naming_copy(config: Config, run: Path, encoder: Path | None) -> Config:
    """Return the configuration of a run, which names the package's speech encoder where it named an equal one."""
    speech = config.features.speech
    own = encoder_beside(config, run).features.speech
    if encoder is None or encoder_version(own) != encoder_version(speech.model_copy(update={"encoder": str(encoder)})):
        return config
    speech = speech.model_copy(update={"encoder": "pretrained:speech"})
    return config.model_copy(update={"features": config.features.model_copy(update={"speech": speech})})


def _write(part: _Part, path: Path, encoder: Path | None) -> None:
    """Write the weights of a part in half precision, without constants, and load them."""
    states = {}
    for name, state in read_weights(part.trained).items():
        constants = constant_keys(part.networks[name]) if name in part.networks else set()
        states[name] = {
            key: _half(value, f"{part.trained}: {name}/{key}") for key, value in state.items() if key not in constants
        }
    metadata = weights_metadata(part.trained) | {"terms": TERMS, "trained": sha256_file(part.trained)}
    metadata["config"] = _naming_copy(trained_config(part.trained), part.run, encoder).dump()
    save_weights(path, states, metadata)
    load_weights(path, part.networks)


def _half(value: Tensor, name: str) -> Tensor:
    if not value.is_floating_point():
        return value
    half = value.half()
    if not torch.isfinite(half).all():
        raise InputError(
            f"{name}: not finite in half precision (largest magnitude {float(value.abs().max()):g}); train it again"
        )
    return half
