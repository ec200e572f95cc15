"""The columns of the tables: what each is called, how it is read, and what measured it."""

from __future__ import annotations

from dataclasses import dataclass

from eval.backbones import dlib_face, efficientnet, i3d, syncnet
from eval.metrics import bas, blink
from eval.metrics.degradation import LENGTHS


@dataclass(frozen=True)
class Column:
    """One metric as it is shown. `better` is up, down, near (nearest to the true videos) or zero."""

    key: str
    label: str
    tex: str
    better: str
    digits: int
    backbone: str  # what measured ours; empty for a metric that only the paper has
    note: str


COLUMNS = (
    Column("fid", "FID", "FID", "down", 2, "", "Fréchet distance of frames on Inception features"),
    Column(
        "fd_efficientnet", "FD (EfficientNet)", r"FD\textsubscript{EfficientNet}", "down", 2, efficientnet.NAME,
        "Fréchet distance of frames on EfficientNet-lite0 features, in place of FID, whose network is not bundled",
    ),
    Column(
        "fvd16", "FVD16", r"FVD\textsubscript{16}", "down", 1, i3d.NAME,
        "Fréchet distance of 16-frame windows on I3D logits",
    ),
    Column(
        "fvd32", "FVD32", r"FVD\textsubscript{32}", "down", 1, i3d.NAME,
        "Fréchet distance of 32-frame windows on I3D logits",
    ),
    Column("lse_c", "LSE_C", r"LSE\textsubscript{C}", "up", 2, "", "lip-sync confidence of the original SyncNet"),
    Column("lse_d", "LSE_D", r"LSE\textsubscript{D}", "down", 2, "", "lip-sync distance of the original SyncNet"),
    Column(
        "lse_c_own", "LSE_C (own SyncNet)", r"LSE\textsubscript{C,own}", "up", 2, syncnet.NAME,
        "lip-sync confidence of a SyncNet trained on this corpus' training split, in nats",
    ),
    Column(
        "lse_d_own", "LSE_D (own SyncNet)", r"LSE\textsubscript{D,own}", "down", 2, syncnet.NAME,
        "lip-sync distance of the same network; its unit is that network's own",
    ),
    Column("csim", "CSIM (ArcFace)", "CSIM", "up", 3, "", "cosine of ArcFace identity embeddings"),
    Column(
        "csim_dlib", "CSIM (dlib)", r"CSIM\textsubscript{dlib}", "up", 3, dlib_face.NAME,
        "cosine of dlib identity embeddings of paired frames; two different people score about 0.83",
    ),
    Column("bas", "BAS", "BAS", "near", 3, bas.NAME, "alignment of head-motion beats with sound beats"),
    Column("blink_per_s", "Blink/s", "Blink/s", "near", 2, blink.NAME, "blinks a second"),
    Column("time_s", "Time (s)", "Time (s)", "down", 2, "clock", "seconds of generation"),
    *(
        Column(
            f"dr{length}", f"DR{length}", rf"DR\textsubscript{{{length}}}", "zero", 3, "",
            f"FID of the last {length} frames over that of the first {length}, less 1",
        )
        for length in LENGTHS
    ),
    *(
        Column(
            f"dr{length}_efficientnet", f"DR{length} (EfficientNet)", rf"DR\textsubscript{{{length},EfficientNet}}",
            "zero", 3, efficientnet.NAME, "the same with FD (EfficientNet) in place of FID, on every fifth frame",
        )
        for length in LENGTHS
    ),
    Column("l_sync", "L-Sync", "L-Sync", "up", 2, "people", "lips and sound, from 1 to 5"),
    Column("o_nat", "O-Nat", "O-Nat", "up", 2, "people", "overall naturalness, from 1 to 5"),
    Column("m_viv", "M-Viv", "M-Viv", "up", 2, "people", "vividness of head motion, from 1 to 5"),
    Column("v_qual", "V-Qual", "V-Qual", "up", 2, "people", "quality of the picture, from 1 to 5"),
)  # fmt: skip
BY_KEY = {column.key: column for column in COLUMNS}
