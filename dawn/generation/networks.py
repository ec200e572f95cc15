"""The trained networks of a run, ready to generate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dawn.config import Config, loads, parse
from dawn.devices import check_compiler, pick
from dawn.errors import InputError
from dawn.features.boxes import box_mask
from dawn.media.files import sha256_file
from dawn.models.diffusion import GaussianDiffusion
from dawn.models.facemask import FaceMaskEmbedder
from dawn.models.lfg import LatentFlowGenerator
from dawn.models.pbnet import PBNet
from dawn.models.unet3d import UNet3D
from dawn.training import a2v, pbnet
from dawn.training.checkpoint import load_weights, weights_metadata


@dataclass(frozen=True)
class Networks:
    """Everything of a run that generation needs. `hashes` are the SHA-256 of the weights files."""

    config: Config
    lfg: LatentFlowGenerator
    unet: UNet3D
    mask: FaceMaskEmbedder
    pbnet: dict[str, PBNet]
    diffusion: GaussianDiffusion
    hashes: dict[str, str]
    device: torch.device

    @classmethod
    def load(cls, run: Path, config: Config | None = None, **generate: Any) -> Networks:
        """Read a run folder (``results/<run>``). Settings come from `config` where given, else from training.

        Keys of the section ``generate`` that are given by name replace those. Raises InputError when the folder holds
        no finished run, the weights do not fit the configuration, or this machine lacks what the settings ask for.
        """
        files = {stage: run / stage / "weights.safetensors" for stage in ("lfg", "pbnet", "a2v_stage2")}
        for stage, path in files.items():
            if not path.is_file():
                raise InputError(
                    f"{run}: not a trained run ({stage} is missing); train one (make table1) or name one with --run"
                )
        if config is None:
            config = loads(weights_metadata(files["a2v_stage2"])["config"], str(files["a2v_stage2"]))
        if generate:
            tree = config.model_dump()
            config = parse(tree | {"generate": tree["generate"] | generate}, "command line")
        device = pick(config.generate.device)
        if config.generate.compile:
            check_compiler(device)
        lfg = LatentFlowGenerator(config.lfg.model)
        load_weights(files["lfg"], {"lfg": lfg})
        unet, mask = a2v.build(config)
        load_weights(files["a2v_stage2"], {"unet": unet, "mask": mask})
        poses = pbnet.build(config)
        load_weights(files["pbnet"], poses)
        diffusion = GaussianDiffusion(config.a2v.diffusion)
        for module in (lfg, unet, mask, *poses.values(), diffusion):
            module.eval().requires_grad_(False).to(device)
        return cls(
            config=config,
            lfg=lfg,
            unet=unet,
            mask=mask,
            pbnet=poses,
            diffusion=diffusion,
            hashes={stage: sha256_file(path) for stage, path in files.items()},
            device=device,
        )

    def autocast(self) -> torch.autocast:
        """The context in which products take ``generate.precision``."""
        lower = self.config.generate.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=lower)

    def face_mask(self, box: torch.Tensor) -> torch.Tensor:
        """Embedded face region (1, c, h, w) of a face box (4,) in pixels of the source."""
        side = self.config.corpus.resolution
        return self.mask(box_mask(box[None], side, side)[:, None])
