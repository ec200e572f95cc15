"""Command ``dawn import-released``: writing of a run folder from the published files."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dawn.config import Config
from dawn.errors import InputError
from dawn.features.versions import extractor_version
from dawn.fingerprint import fingerprint
from dawn.media.files import atomic_path, sha256_file
from dawn.media.json_files import write_json
from dawn.models.weights_io import save_weights
from dawn.paths import Paths
from dawn.released.files import find
from dawn.released.networks import PUBLISHED_SEED, Imported, assemble

REPORT = "released.json"
TERMS = "published without a licence: for private study and research; ask the authors before any other use"
_ROLES = {"lfg": ("lfg",), "a2v_stage2": ("dawn",), "pbnet": ("pbnet_pose", "pbnet_eye")}  # of each stage


def import_released(
    folder: Path,
    config: Config,
    results: Path = Path("results"),
    *,
    named: Mapping[str, Path] | None = None,
    mask_seed: int = PUBLISHED_SEED,
) -> dict[str, Any]:
    """Write the run ``results/<config.name>`` from the published files in `folder`; returns its report.

    `named` are files by role of :data:`dawn.released.files.ROLES`, which are not searched for. The files of the run are
    written at the end, the report last: the weights of three stages, the configuration and :data:`REPORT`; on failure
    none is written. An earlier import is replaced. Raises InputError for files that are missing, damaged or do not fit,
    and for a run that was trained here.
    """
    paths = Paths.of(config, results=results)
    weights = {stage: paths.weights(stage) for stage in _ROLES}
    report_path = paths.run / REPORT
    if not report_path.is_file() and any(path.exists() for path in weights.values()):
        raise InputError(f"{paths.run}: holds a run that was trained here; give another folder with --results")
    sources = find(folder, named or {}, config.corpus.resolution)
    imported = assemble(sources, config, mask_seed)
    files = {
        role: {"file": source.path.name, "bytes": source.path.stat().st_size, "sha256": sha256_file(source.path)}
        for role, source in sources.items()
    }
    report = _report(imported, files, config, mask_seed)
    with contextlib.ExitStack() as stack:
        # All are renamed at the end, in reverse order: the report, which marks the import as complete, last.
        report_aside, config_aside, *asides = (
            stack.enter_context(atomic_path(path))
            for path in (report_path, paths.run / "config.yaml", *weights.values())
        )
        for (stage, networks), aside in zip(imported.stages.items(), asides, strict=True):
            origin = {role: files[role]["sha256"] for role in _ROLES[stage]}
            metadata = {
                "stage": stage,
                "steps": "published",
                "fingerprint": fingerprint({"released": origin, "mask_seed": mask_seed}),
                "config": config.dump(),
                "extractor": extractor_version(config.features),
                "released": json.dumps(origin, sort_keys=True),
                "terms": TERMS,
            }
            save_weights(aside, {name: network.state_dict() for name, network in networks.items()}, metadata)
            report["stages"][stage]["sha256"] = sha256_file(aside)
        config_aside.write_text(config.dump(), encoding="utf-8")
        write_json(report_aside, report)
    return report


def _report(imported: Imported, files: dict[str, dict[str, Any]], config: Config, mask_seed: int) -> dict[str, Any]:
    counts = {
        stage: {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()}
        for stage, networks in imported.stages.items()
    }
    return {
        "run": config.name,
        "resolution": config.corpus.resolution,
        "terms": TERMS,
        "sources": files,
        "stages": {stage: {"parameters": count} for stage, count in counts.items()},
        "unused": imported.unused,
        "cast_to_float32": imported.cast,
        "face_mask_embedder": {
            "seed": mask_seed,
            "why": "in no published checkpoint: the published training neither trained nor saved it. Drawn as that "
            f"training draws it from its seed ({PUBLISHED_SEED}); whether the released networks saw these numbers "
            "cannot be checked",
        },
        "notes": imported.notes,
    }


def summary(report: Mapping[str, Any], run: Path) -> str:
    """Format the report as text."""
    lines = [f"{run}: published networks at {report['resolution']} pixels, {report['terms']}"]
    for role, source in report["sources"].items():
        unused = report["unused"][role]
        lines.append(f"  {role}: {source['file']}, sha256 {source['sha256']}")
        lines += [f"    not used: {entry}" for entry in unused]
    for stage, written in report["stages"].items():
        counts = ", ".join(f"{name} {count:,}" for name, count in written["parameters"].items())
        lines.append(f"  {stage}: {counts} parameters")
    lines += [f"  {count} tensors converted to float32: {where}" for where, count in report["cast_to_float32"].items()]
    embedder = report["face_mask_embedder"]
    lines.append(f"  face-mask embedder: seed {embedder['seed']}; {embedder['why']}")
    lines += [f"  note: {note}" for note in report["notes"]]
    lines.append(f"  this report: {run / REPORT}")
    return "\n".join(lines)
