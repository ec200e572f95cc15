"""Loading of published weights into the networks of this project; every key is accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from dawn.config import Config
from dawn.errors import InputError
from dawn.models.build import build_flow_generator
from dawn.models.diffusion import GaussianDiffusion
from dawn.models.facemask import FaceMaskEmbedder
from dawn.models.pose_blink import build_pbnet
from dawn.models.unet3d import UNet3D
from dawn.released.files import LFG_ENTRIES, Source, plain_names, training_options
from dawn.seeds import set_global_seed

UNET = "denoise_fn."
PUBLISHED_SEED = 1234
_LISTED = 3  # keys in an error message
_WINDOWS = {"reemb5": 400, "reemb6": 200}  # suffix of the published PBNet class -> attention window, frames


@dataclass
class Imported:
    """Converted networks by stage and name, as in weights files, and remarks on the published files."""

    stages: dict[str, dict[str, nn.Module]]
    unused: dict[str, list[str]] = field(default_factory=dict)  # by role: entries that generation does not use
    cast: dict[str, int] = field(default_factory=dict)  # by network: tensors that were not float32
    notes: list[str] = field(default_factory=list)


def assemble(sources: Mapping[str, Source], config: Config, mask_seed: int = PUBLISHED_SEED) -> Imported:
    """Build the networks of `config` with the weights of `sources`.

    The published training neither trained nor saved the face-mask embedder: it kept its initial weights, drawn after
    those of the U-Net from the seed of the training. Here the networks are built in that order with `mask_seed`, and
    the published weights replace all but the embedder's; the published seed 1234 gives its initial weights of a
    training. Raises InputError naming the first key that does not fit, and with ``pbnet.joint``.
    """
    if config.pbnet.joint:
        raise InputError("the published weights are one PBNet for pose and one for blinks; set pbnet.joint: false")
    with torch.random.fork_rng(devices=[]):
        set_global_seed(mask_seed)
        lfg = build_flow_generator(config)
        unet = UNet3D(config.a2v.model, config.features.speech.dim, 4 * config.lfg.model.expansion)
        mask = FaceMaskEmbedder(config.a2v.model.mask_channels)
        poses = build_pbnet(config)
    imported = Imported({"lfg": {"lfg": lfg}, "a2v_stage2": {"unet": unet, "mask": mask}, "pbnet": {**poses}})

    for name in LFG_ENTRIES:
        _fill(imported, lfg.get_submodule(name), _network(sources["lfg"], name), f"{sources['lfg'].path}: {name}")
    imported.unused["lfg"] = _unused(sources["lfg"], LFG_ENTRIES)

    origin = f"{sources['dawn'].path}: diffusion"
    diffusion = _network(sources["dawn"], "diffusion")
    _check_schedule({k: v for k, v in diffusion.items() if not k.startswith(UNET)}, config, origin)
    _fill(imported, unet, {k.removeprefix(UNET): v for k, v in diffusion.items() if k.startswith(UNET)}, origin)
    imported.unused["dawn"] = _unused(sources["dawn"], ("diffusion",))

    for name, net in poses.items():
        source = sources[f"pbnet_{name}"]
        _check_pbnet(source, config, imported.notes)
        _fill(imported, net, source.entries, str(source.path))
        imported.unused[f"pbnet_{name}"] = []
    return imported


def _network(source: Source, name: str) -> dict[str, Any]:
    state = source.entries[name]
    if not isinstance(state, dict):
        raise InputError(f"{source.path}: {name} is {type(state).__name__}, not a dictionary of tensors")
    return plain_names(state)


def _fill(imported: Imported, network: nn.Module, state: dict[str, Any], origin: str) -> None:
    expected = network.state_dict()
    for problem, keys in (
        ("lacks", [key for key in expected if key not in state]),
        ("holds the unknown", [key for key in state if key not in expected]),
        ("holds no tensor as", [key for key in expected if not isinstance(state.get(key), Tensor)]),
    ):
        if keys:
            raise InputError(f"{origin}: {problem} {_listed(keys)}; the file is not the published one, or incomplete")
    for key, ours in expected.items():
        value = state[key]
        if value.shape != ours.shape:
            raise InputError(f"{origin}: {key} is {_size(value)}, but the configuration needs {_size(ours)}")
        if value.is_floating_point() != ours.is_floating_point():
            raise InputError(f"{origin}: {key} holds {value.dtype}, not {ours.dtype}")
        if not bool(torch.isfinite(value).all()):
            raise InputError(f"{origin}: {key} holds numbers that are not finite; download the file again")
    cast = sum(state[key].dtype != ours.dtype for key, ours in expected.items())
    if cast:
        imported.cast[origin] = cast
    network.load_state_dict(state)


def _check_schedule(state: dict[str, Any], config: Config, origin: str) -> None:
    """Compare the published tables of the noise schedule with those that follow from the configuration."""
    tables = GaussianDiffusion(config.a2v.diffusion).state_dict()
    unknown, absent = [k for k in state if k not in tables], [k for k in tables if k not in state]
    if unknown or absent:
        raise InputError(f"{origin}: {'holds the unknown' if unknown else 'lacks'} {_listed(unknown or absent)}")
    for name, ours in tables.items():
        theirs = state[name]
        if not isinstance(theirs, Tensor) or not theirs.is_floating_point() or theirs.shape != ours.shape:
            raise InputError(f"{origin}: {name} is no table of {len(ours)} steps (a2v.diffusion.timesteps)")
        limit = torch.finfo(theirs.dtype)
        near = 8 * max(limit.eps, torch.finfo(ours.dtype).eps)
        if not torch.allclose(theirs.float(), ours, rtol=near, atol=8 * limit.eps * limit.smallest_normal):
            raise InputError(f"{origin}: {name} differs from the schedule of a2v.diffusion")


def _check_pbnet(source: Source, config: Config, notes: list[str]) -> None:
    """Compare sizes with the configuration: from shapes, and from the options of the published training."""
    sizes = _pbnet_sizes(source.entries)
    configured = {f"pbnet.model.{key}": value for key, value in config.pbnet.model.model_dump().items()}
    configured["features.speech.dim"] = config.features.speech.dim
    options = training_options(source.path)
    if isinstance(options.get("max_distance"), int):
        sizes["pbnet.model.max_distance"] = options["max_distance"]
    for key, value in sizes.items():
        if value != configured[key]:
            raise InputError(
                f"{source.path}: trained with {key}: {value}, but the configuration says {configured[key]}; "
                f"set it to {value}"
            )
    for value in options.values():
        for ending, window in _WINDOWS.items():
            if isinstance(value, str) and value.endswith(ending) and window != config.generate.pbnet_window:
                notes.append(
                    f"{source.path}: its options name {value}, which was published with generate.pbnet_window: "
                    f"{window}; the configuration says {config.generate.pbnet_window}"
                )


def _pbnet_sizes(state: Mapping[str, Any]) -> dict[str, int]:
    """Derive values of configuration keys from the shapes of a PBNet.

    Keys without a tensor are left to :func:`_fill`.
    """

    def size(key: str, axis: int) -> int | None:
        value = state.get(key)
        return value.shape[axis] if isinstance(value, Tensor) and value.ndim == 2 else None

    bias = "decoder.time_rel_pos_bias_tgt.relative_attention_bias.weight"
    attention = "decoder.init_temporal_attn.fn.fn"
    layers = {key.split(".")[3] for key in state if key.startswith("decoder.seqTransDecoder.decoder_layers.")}
    heads, inner = size(bias, 1), size(f"{attention}.to_out.weight", 1)
    rotated = state.get(f"{attention}.rotary_emb.freqs")
    sizes = {
        "pbnet.model.latent": size("decoder.firstposeEmbedding.weight", 0),
        "pbnet.model.audio_latent": size("decoder.audioEmbedding.weight", 0),
        "features.speech.dim": size("decoder.audioEmbedding.weight", 1),
        "pbnet.model.feed_forward": size("decoder.seqTransDecoder.decoder_layers.0.ffn.linear1.weight", 0),
        "pbnet.model.layers": len(layers) or None,
        "pbnet.model.heads": heads,
        "pbnet.model.head_dim": inner // heads if heads and inner else None,
        "pbnet.model.rope_dim": 2 * rotated.numel() if isinstance(rotated, Tensor) else None,
        "pbnet.model.buckets": size(bias, 0),
    }
    return {key: value for key, value in sizes.items() if value is not None}


def _unused(source: Source, used: tuple[str, ...]) -> list[str]:
    return [f"{name} ({_summary(value)})" for name, value in source.entries.items() if name not in used]


def _summary(value: Any) -> str:
    """Describe an unused entry in a few words."""
    tensors: list[Tensor] = []
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, Tensor):
            tensors.append(item)
        elif isinstance(item, dict):
            pending += item.values()
        elif isinstance(item, list | tuple):
            pending += item
    if tensors:
        return f"{len(tensors)} tensors, {sum(t.numel() for t in tensors):,} numbers"
    return type(value).__name__ if isinstance(value, dict | list | tuple) else f"{value!r:.40}"


def _listed(keys: list[str]) -> str:
    more = len(keys) - _LISTED
    return ", ".join(keys[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _size(value: Tensor) -> str:
    return " x ".join(map(str, value.shape)) or "a single number"
