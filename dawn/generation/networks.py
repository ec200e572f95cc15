"""Trained networks of a run, for generation."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from dawn.config import Config, load, loads, parse
from dawn.devices import pick
from dawn.errors import InputError
from dawn.features.encoders import check_encoder, encoder_beside
from dawn.features.versions import check_extractor, extractor_version
from dawn.fingerprint import fingerprint
from dawn.generation.captured import Captures
from dawn.media.files import sha256_file
from dawn.models.build import build_denoiser, build_flow_generator
from dawn.models.diffusion import GaussianDiffusion
from dawn.models.facemask import FaceMaskEmbedder, box_mask
from dawn.models.lfg import LatentFlowGenerator
from dawn.models.pbnet import PBNet
from dawn.models.pose_blink import build_pbnet
from dawn.models.unet3d import UNet3D
from dawn.models.weights_io import load_weights, weights_metadata
from dawn.precision import Products, dtype_of, precise_products, resolve
from dawn.stages import TTR_STAGES, networks_of, settings_of


@dataclass(frozen=True)
class Networks:
    """Networks of a run, in evaluation mode on one device. `hashes` are the SHA-256 of the weights files, by stage."""

    config: Config
    lfg: LatentFlowGenerator
    unet: UNet3D
    mask: FaceMaskEmbedder
    pbnet: dict[str, PBNet]
    diffusion: GaussianDiffusion
    hashes: dict[str, str]
    device: torch.device
    products: Products = "exact"  # precision of products, to which :meth:`lower` converts
    ttr: Mapping[str, tuple[UNet3D, FaceMaskEmbedder]] = field(default_factory=dict)  # by stage, where loaded
    captures: Captures = field(default_factory=Captures)
    run: Path | None = None  # folder that they were loaded from

    @property
    def digest(self) -> str:
        """Digest of the weights of all stages, 16 hexadecimal digits."""
        return weights_digest(self.hashes)

    @classmethod
    def load(
        cls, run: Path, config: Config | None = None, *, stages: tuple[str, ...] = (), **generate: Any
    ) -> Networks:
        """Load the networks of a run folder (``results/<run>``), configured by `config` or as they were trained.

        `stages` are the training stages to load (see :func:`dawn.methods.networks_of_method`); empty: those of DAWN.

        Keyword arguments replace keys of the section ``generate``. Raises InputError when the folder holds no finished
        run, the weights do not fit the configuration, or this machine lacks what the settings need.
        """
        if config is None:
            config = run_config(run)
        files = {stage: _weights(run, stage) for stage in stages or networks_of(config)}
        if generate:
            tree = config.model_dump()
            config = parse(tree | {"generate": tree["generate"] | generate}, "settings")
        config = encoder_beside(config, run)
        for path in (path for stage, path in files.items() if stage != "lfg"):  # which receives no pose
            metadata = weights_metadata(path)
            check_extractor(path, metadata, extractor_version(config.features))
            check_encoder(path, metadata, config.features.speech)
        device = pick(config.generate.device)
        if config.generate.compile and device.type != "cuda":
            raise InputError(f"compile: for GPUs of CUDA; on {device.type} it gains nothing: leave it off")
        lfg = build_flow_generator(config)
        load_weights(files["lfg"], {"lfg": lfg})
        unet, mask = build_denoiser(config)
        load_weights(files[networks_of(config)[-1]], {"unet": unet, "mask": mask})
        poses = build_pbnet(config) if "pbnet" in files else {}
        if poses:
            load_weights(files["pbnet"], poses)
        diffusion = GaussianDiffusion(config.a2v.diffusion)
        ttr = {stage: build_denoiser(config) for stage in TTR_STAGES if stage in files}
        for stage, (denoiser, embedder) in ttr.items():
            load_weights(files[stage], {"unet": denoiser, "mask": embedder})
        others = [module for pair in ttr.values() for module in pair]
        for module in (*others, lfg, unet, mask, *poses.values(), diffusion):
            module.eval().requires_grad_(False).to(device)
        networks = cls(
            config=config,
            lfg=lfg,
            unet=unet,
            mask=mask,
            pbnet=poses,
            diffusion=diffusion,
            hashes={stage: sha256_file(path) for stage, path in files.items()},
            device=device,
            ttr=ttr,
            run=run,
        )
        return networks.lower(resolve(config.generate.precision, device, auto="bfloat16"))

    def lower(self, products: Products) -> Networks:
        """Convert the denoisers' operands, in place, for products of this precision; returns the networks."""
        for denoiser in (self.unet, *(pair[0] for pair in self.ttr.values())):
            denoiser.lower(dtype_of(products))
        return replace(self, products=products)

    def denoiser(self, stage: str) -> Networks:
        """Return these networks with the denoiser of another loaded stage."""
        unet, mask = self.ttr[stage]
        return replace(self, unet=unet, mask=mask)

    def precise(self) -> contextlib.AbstractContextManager[None]:
        """Return the context of all computation with these networks: float32 products of their precision."""
        return precise_products(self.products)

    def face_mask(self, boxes: torch.Tensor) -> torch.Tensor:
        """Embed the face masks of boxes (b, 4) in pixels of their sources: (b, c, h, w) (paper 3.3)."""
        side = self.config.corpus.resolution
        return self.mask(box_mask(boxes, side, side)[:, None])


def weights_digest(hashes: Mapping[str, str]) -> str:
    """Compute 16 hexadecimal digits that stand for the weights with these SHA-256, by stage."""
    return fingerprint(dict(hashes))[:16]


def _weights(run: Path, stage: str) -> Path:
    path = run / stage / "weights.safetensors"
    if not path.is_file():
        raise InputError(
            f"{run}: not a trained run ({stage} is missing); train one (make table1) or give the folder of one"
        )
    return path


def trained_config(weights: Path) -> Config:
    """Read the configuration that a stage was trained with from its weights file.

    Raises InputError when the file is missing, damaged or does not state it.
    """
    metadata = weights_metadata(weights)
    if "config" not in metadata:
        raise InputError(f"{weights}: does not state the configuration of its training; train the stage again")
    return loads(metadata["config"], str(weights))


def run_config(run: Path) -> Config:
    """Read the configuration that the networks were trained with, or the run's ``config.yaml``.

    The latter is used when it differs in no setting of the networks: a run with copied weights has different sampling
    settings. Raises InputError when the folder holds no finished run.
    """
    first = run / "a2v_stage1" / "weights.safetensors"
    trained = None
    if first.is_file():
        trained = trained_config(first)
    if trained is None or networks_of(trained)[-1] != "a2v_stage1":  # not the last stage of its curriculum
        last = _weights(run, "a2v_stage2")
        trained = trained_config(last)
    resolved = run / "config.yaml"
    if resolved.is_file():
        config = load(resolved)
        if all(settings_of(config, stage) == settings_of(trained, stage) for stage in networks_of(trained)):
            return config
    return trained
