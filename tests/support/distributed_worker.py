"""A short training of the A2V stage on clips in memory, run as a script by tests of several processes.

Tests fork its first processes, which saves their imports: :func:`main` where it starts the others itself, and
:func:`join` for each process of a group that a launcher such as torchrun started.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from torch import Tensor

from dawn.config import A2vStage, load
from dawn.models.build import build_flow_generator
from dawn.models.weights_io import save_weights
from dawn.training.a2v import A2vTask
from dawn.training.a2v_batches import A2vBatch
from dawn.training.batch_shard import BatchShard
from dawn.training.distributed import launch
from dawn.training.loop import train
from tests.support.clips import InMemoryClips
from tests.support.repository import REPOSITORY

STEPS = 8
STOPPED = 3  # exit code of a run that exits at step `stop`


def run(out: Path, processes: int = 1, accumulate: int = 1, stop: int = -1, pause: float = 0.0) -> None:
    """Train :data:`STEPS` steps; exit at step `stop`, wait `pause` seconds before each loss.

    Each process writes its id to ``<out>/rank-<rank>``.
    """
    config = load(REPOSITORY / "config/smoke.yaml")
    stage = A2vStage(
        steps=STEPS,
        lr=1e-4,  # small: rounding errors grow with the weights' changes
        batch=4,
        frames_min=4,
        frames_max=6,
        source="random",
        jitter=0,
        log_every=1,
        checkpoint_every=3,
        threads=1,
        processes=processes,
        accumulate=accumulate,
    )

    class Task(A2vTask):
        def loss(self, batch: A2vBatch, shard: BatchShard, group: int) -> dict[str, Tensor]:
            if shard.step == stop:
                raise SystemExit(STOPPED)
            time.sleep(pause)
            return super().loss(batch, shard, group)

    torch.manual_seed(0)
    task = Task(config, stage, InMemoryClips(config), build_flow_generator(config))
    with launch(processes) as distributed:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"rank-{distributed.rank}").write_text(str(os.getpid()))
        weights = train(
            task,
            distributed,
            stage="a2v_stage2",
            schedule=stage,
            total=STEPS,
            out=out,
            seed=5,
            fingerprint="same",
            config="{}",
        )
        if distributed.is_main_process:
            save_weights(out / "weights.safetensors", weights, {})


def main(*arguments: str) -> None:
    """:func:`run` in a process with this command line, which :func:`launch` gives to the processes that it starts."""
    sys.argv = [__file__, *arguments]
    run(Path(arguments[0]), *map(int, arguments[1:4]), float(arguments[4]))


def join(rank: int, port: int, out: Path, processes: int, accumulate: int = 1, stop: int = -1) -> None:
    """:func:`run` as process `rank` of a group whose processes were all started by a launcher."""
    group = {"WORLD_SIZE": processes, "RANK": rank, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in group.items()})
    run(out, processes, accumulate, stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
