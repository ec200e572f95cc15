"""Training loop of all stages: optimise a :class:`~dawn.training.task.Task` under a :class:`~dawn.config.Schedule`.

Every random number of step s comes from generators seeded by (seed, stage, s, sample). A run that is killed at any
moment and started again therefore ends with the weights of an uninterrupted run: bit for bit on the same CPU with the
same numbers of threads and processes, and up to the order of sums on a GPU (see the key ``deterministic``). Other
numbers of processes or accumulation passes compute the same steps up
to rounding, except for dropout and batch normalisation, whose statistics each process computes over its shard (as
published).
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from dawn.config import Schedule
from dawn.errors import InputError
from dawn.precision import dtype_of, precise_products, resolve
from dawn.schedules import learning_rate
from dawn.seeds import INITIAL_WEIGHTS, set_global_seed, step_seed
from dawn.training.batch_shard import BatchShard, part_of
from dawn.training.checkpoint import Checkpoints
from dawn.training.distributed import Distributed
from dawn.training.division import Division
from dawn.training.finite_steps import FiniteSteps
from dawn.training.gradient_sync import GradientSync
from dawn.training.job_limit import JobLimit
from dawn.training.loader import BatchLoader, usable_workers
from dawn.training.task import Task
from dawn.training.validation import Validation

TaskType = TypeVar("TaskType", bound=Task)
Weights = dict[str, dict[str, Tensor]]  # state dicts by network


def initialise(build: Callable[[], TaskType], *, stage: str, schedule: Schedule, seed: int) -> TaskType:
    """Build the task of `stage` with the initial weights of `seed`."""
    torch.set_num_threads(schedule.threads)
    set_global_seed(step_seed(seed, stage, INITIAL_WEIGHTS))
    return build()


def train(
    task: Task,
    distributed: Distributed,
    *,
    stage: str,
    schedule: Schedule,
    total: int,
    out: Path,
    seed: int,
    fingerprint: str,
    config: str,
    workers: int | None = 0,
    validation_task: Task | None = None,
) -> Weights:
    """Train `task` for `total` steps and return the networks' weights, averaged ones where the schedule has `ema`.

    With the key `validation`, these are the weights of the lowest validation loss, and training may end earlier
    (:class:`~dawn.training.validation.Validation`). `validation_task` is then needed: the task on held-out clips, with
    networks of its own.
    Checkpoints and logs are written to `out`; training resumes from the newest checkpoint, of which each has `config`.
    Every process of the group calls it; only the main process writes. Checkpoints whose `fingerprint` (of settings,
    code and inputs) differs are deleted, not resumed. A step whose gradient is not finite is skipped and counted.
    `workers` is the number of processes that load batches (:func:`~dawn.training.loader.usable_workers`).
    Raises InputError when non-finite gradients repeat (:class:`FiniteSteps`), when the batch cannot be divided among
    processes and accumulation passes, or when one sample does not fit the GPU's memory.
    """
    torch.set_num_threads(schedule.threads)
    _set_determinism(distributed.device, schedule.deterministic)
    products = resolve(schedule.precision, distributed.device, auto="tf32")
    division = Division(schedule, distributed)
    networks = nn.ModuleDict(task.networks).to(distributed.device)
    nn.ModuleDict(task.frozen).to(distributed.device)
    optimizers = [
        torch.optim.AdamW(
            [p for name in group for p in task.networks[name].parameters() if p.requires_grad],
            lr=schedule.lr,
            betas=schedule.betas,
            weight_decay=schedule.weight_decay,
            fused=True,
        )
        for group in task.groups
    ]
    ema = {key: value.clone() for key, value in networks.state_dict().items()} if schedule.ema else {}
    checkpoints = Checkpoints(out, fingerprint, schedule.keep)
    start, skipped = 0, 0.0
    resumed = None
    if distributed.is_main_process:
        out.mkdir(parents=True, exist_ok=True)
        checkpoints.clear()
        resumed = checkpoints.load_latest()
    # The main process decides: others may have a stale view of the folder, on a network file system.
    resumed = distributed.from_main_process(resumed)
    if resumed is None and distributed.world_size > 1:
        initial = {name: value.cpu() for name, value in networks.state_dict().items()}
        networks.load_state_dict(distributed.from_main_process(initial))
    if resumed is not None:
        networks.load_state_dict(resumed.tensors["weights"])
        if ema:
            ema = {name: value.to(distributed.device) for name, value in resumed.tensors["ema"].items()}
        for optimizer, state in zip(optimizers, resumed.states["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        start, skipped = resumed.step, resumed.states["skipped"]
    log = _Log(out, start) if distributed.is_main_process else None
    shard = BatchShard(seed, stage, start, schedule.batch, division.samples, dtype_of(products))
    validation = None
    if schedule.validation is not None:
        assert validation_task is not None, "a schedule with validation needs a task on held-out clips"
        validation = Validation(validation_task, schedule.validation, shard, total, division, distributed, products)
        if resumed is not None:
            validation.restore(resumed.tensors["best"], resumed.states["validation"])
        else:
            record = validation.measure(ema or networks.state_dict(), 0)
            if log is not None:
                log.write(0, record)
    stop = start if validation is not None and validation.ended else total
    bar = tqdm(
        total=total,
        initial=start,
        desc=stage,
        unit="step",
        mininterval=2,
        dynamic_ncols=True,
        disable=not distributed.is_main_process,
    )
    guard = FiniteSteps(networks, distributed.device, skipped)
    limit = JobLimit()
    syncs = [GradientSync(_parameters(optimizer), distributed.world_size) for optimizer in optimizers]
    count = usable_workers(workers, distributed.device, distributed.local_processes)
    loader = BatchLoader(
        task.sampler, shard, start, stop, count, distributed.device, processes=distributed.local_processes
    )
    for step, batch in zip(range(start, stop), loader, strict=True):
        shard = replace(shard, step=step)
        rate = learning_rate(schedule, step, total)
        networks.train()
        losses: dict[str, Tensor] = {}
        guard.begin()
        for group, optimizer in enumerate(optimizers):
            with precise_products(products):
                losses |= _gradients(task, group, optimizer, batch, shard, division, guard, syncs[group])
            parameters = _parameters(optimizer)
            norm = nn.utils.clip_grad_norm_(parameters, schedule.clip_norm or math.inf)
            for param_group in optimizer.param_groups:
                param_group["lr"] = rate
            guard.update(optimizer, norm)
        distributed.all_reduce_mean(guard.statistics)
        guard.end()
        if ema:
            # The decay rises from 0.1 to its configured value, so that the initial weights soon have little weight.
            _update_ema(ema, networks.state_dict(), min(schedule.ema, (1 + step) / (10 + step)))
        bar.update()
        done = step + 1
        record = {}
        if validation is not None and (done % validation.every == 0 or done == total):
            record = validation.measure(ema or networks.state_dict(), done)
            bar.set_postfix({"validation": f"{record['validation']:.4f}"}, refresh=False)
        last = done == total or (validation is not None and validation.ended)
        # The main process looks at the clock, every few steps, as all have to end at the same one.
        ends = limit.exists and done % schedule.log_every == 0 and distributed.from_main_process(limit.reached())
        saves = done % schedule.checkpoint_every == 0 or last or ends
        if saves or done % schedule.log_every == 0:
            guard.check(stage, done, done - start, last=last)
        if done % schedule.log_every == 0 or last:
            distributed.all_reduce_mean(list(losses.values()))
            if log is not None:
                values = {name: float(value) for name, value in losses.items()}
                waiting = log.percentage(loader.waited)
                state = {"lr": rate, "grad_norm": float(norm), "skipped": float(guard.skipped), "waiting": waiting}
                record = values | state | record
                bar.set_postfix({"loss": f"{sum(values.values()):.4f}", "waiting": f"{waiting:.0f} %"}, refresh=False)
        if log is not None and record:
            log.write(done, record)
        if distributed.is_main_process and saves:
            tensors = {"weights": networks.state_dict()} | ({"ema": ema} if ema else {})
            states = {"optimizers": [o.state_dict() for o in optimizers], "skipped": float(guard.skipped)}
            if validation is not None:
                tensors["best"], states["validation"] = validation.best, validation.state
            checkpoints.save(done, tensors, states, config)
        if last:
            break
        if ends:
            if log is not None:
                log.close()
            distributed.barrier()
            if distributed.is_main_process:
                limit.queue_again(stage, done)
            limit.wait()
    bar.close()
    if log is not None:
        log.close()
    final = ema or networks.state_dict()
    if validation is not None:
        final = validation.best
        if distributed.is_main_process:
            print(f"{stage}: {validation.summary}", file=sys.stderr)
    return {
        name: {key.removeprefix(f"{name}."): v for key, v in final.items() if key.startswith(f"{name}.")}
        for name in task.networks
    }


def _set_determinism(device: torch.device, deterministic: bool) -> None:
    """Select deterministic kernels: always on a CPU; on a GPU if `deterministic`, where PyTorch has them."""
    on_gpu = device.type != "cpu"
    torch.use_deterministic_algorithms(deterministic or not on_gpu, warn_only=on_gpu)
    # Deterministic mode would also fill uninitialised memory, which takes time and is never read here.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = on_gpu and not deterministic


def _gradients(
    task: Task,
    group: int,
    optimizer: torch.optim.Optimizer,
    batch: Any,
    shard: BatchShard,
    division: Division,
    guard: FiniteSteps,
    sync: GradientSync,
) -> dict[str, Tensor]:
    """Compute the gradients of a group's losses, their means over all processes; returns the losses of this process.

    When a GPU's memory does not suffice, `division` takes more passes and all are computed again. Raises InputError
    when it cannot.
    """
    optimizer.zero_grad(set_to_none=True)
    while True:
        try:
            return _in_passes(task, group, batch, shard, division, sync)
        except torch.OutOfMemoryError:
            # A later group of the step continues what the passes of the first one computed, and other processes what
            # was sent to them.
            if group > 0 or sync.sending or not division.refine():
                raise InputError(
                    f"{shard.stage}: step {shard.step} does not fit the GPU's memory in {division.passes} passes; "
                    "raise accumulate, or set precision: bfloat16 or, for A2V, recompute: true"
                ) from None
        # Outside the handler, whose exception holds the tensors of the pass.
        guard.rewind()
        sync.cancel()
        optimizer.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        print(f"{shard.stage}: {division.passes} passes a batch, to fit the GPU's memory", file=sys.stderr)


def _in_passes(
    task: Task, group: int, batch: Any, shard: BatchShard, division: Division, sync: GradientSync
) -> dict[str, Tensor]:
    """Add the gradients of a group's losses, pass by pass; returns the losses."""
    losses: dict[str, Tensor] = {}
    passes = division.shards()
    for samples in passes:
        part = part_of(batch, slice(samples.start - shard.samples.start, samples.stop - shard.samples.start))
        # Dropout draws from the global generator.
        set_global_seed(step_seed(shard.seed, f"{shard.stage}/{group}", shard.step, samples.start))
        shard_losses = task.loss(part, replace(shard, samples=samples), group)
        weight = division.weight(samples)
        if samples == passes[-1]:
            sync.begin()
        (torch.stack(list(shard_losses.values())).sum() * weight).backward()
        for name, value in shard_losses.items():
            losses[name] = losses.get(name, 0) + value.detach() * weight
    sync.end()
    return losses


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _update_ema(ema: dict[str, Tensor], state: dict[str, Tensor], decay: float) -> None:
    """Update the exponential moving average of a state dict in place; integer entries are copied."""
    floating = [key for key, value in state.items() if value.is_floating_point()]
    torch._foreach_lerp_([ema[key] for key in floating], [state[key] for key in floating], 1 - decay)
    for key, value in state.items():
        if not value.is_floating_point():
            ema[key] = value.clone()


class _Log:
    """JSON lines and TensorBoard scalars.

    Records after step `start` are dropped, as those steps run again, and all where the training starts anew.
    """

    def __init__(self, out: Path, start: int) -> None:
        path = out / "log.jsonl"
        kept = []
        if path.is_file() and start:
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    if json.loads(line)["step"] <= start:
                        kept.append(line + "\n")
                except (ValueError, KeyError):
                    continue  # a line that a kill truncated
        partial = out / ".log.jsonl"
        partial.write_text("".join(kept), encoding="utf-8")
        os.replace(partial, path)
        self._stream = path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(out / "tensorboard"), purge_step=start + 1 if start else 0)
        self._start = self._before = time.monotonic()
        self._waited = 0.0

    def percentage(self, waited: float) -> float:
        """Return the share of waiting since the last call, in per cent; `waited` is the sum of all waiting, seconds."""
        now = time.monotonic()
        share = 100 * (waited - self._waited) / (now - self._before)
        self._before, self._waited = now, waited
        return round(share, 1)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Append the record of `step` (counted from 1), with the seconds since this process began to train."""
        record = {"step": step, "seconds": round(time.monotonic() - self._start, 2), **values}
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush and close both files."""
        self._stream.close()
        self._board.close()
