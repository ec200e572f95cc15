"""The one training loop: every stage gives it a :class:`Task` and a :class:`~dawn.config.Schedule`.

Every random number of step s comes from generators seeded by (seed, stage, s, sample). A run killed at any moment and
started again therefore ends with the weights of an uninterrupted one, to the last bit on the same machine and number of
threads and processes. Another number of processes or passes computes the same step up to rounding, except for dropout
and for the statistics of batch normalisation, which each process takes over its own share (as published).
"""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Protocol

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from dawn.config import Schedule
from dawn.errors import InputError
from dawn.models.weights_io import save_weights
from dawn.training.batch_shard import Share, step_seed
from dawn.training.checkpoint import Checkpoints
from dawn.training.distributed import Crew


class Task(Protocol):
    """What a stage trains: `networks` are saved, the sum of the parts that `loss` gives is minimised.

    `frozen` networks are only used. `groups` names which networks each optimiser owns; `loss` is asked for every group,
    in order, with fresh gradients, so that an adversary trains on what the generator of the same step made.
    """

    networks: dict[str, nn.Module]
    frozen: dict[str, nn.Module]
    groups: tuple[tuple[str, ...], ...]

    def loss(self, share: Share, group: int) -> dict[str, Tensor]:
        """Weighted parts of the loss, scalars: means over the samples of `share`. The sum is differentiated."""
        ...


def learning_rate(schedule: Schedule, step: int, total: int) -> float:
    """Cosine from `lr` to `lr_final` with linear warm-up (paper's code: cosine annealing)."""
    if step < schedule.warmup:
        return schedule.lr * (step + 1) / schedule.warmup
    progress = (step - schedule.warmup) / max(1, total - schedule.warmup)
    return schedule.lr_final + 0.5 * (schedule.lr - schedule.lr_final) * (1 + math.cos(math.pi * progress))


def train(
    task: Task,
    crew: Crew,
    *,
    stage: str,
    schedule: Schedule,
    total: int,
    out: Path,
    seed: int,
    fingerprint: str,
    config: str,
) -> Path:
    """Train `task` for `total` steps and write ``out/weights.safetensors``; continues from the newest checkpoint.

    Called by every process of `crew`. `fingerprint` names settings, code and inputs: checkpoints of another fingerprint
    are not continued. Raises InputError when the loss stops being a finite number, or when the batch cannot be divided.
    """
    torch.set_num_threads(schedule.threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs, and hides nothing
    shares = _shares(schedule, crew)
    networks = nn.ModuleDict(task.networks).to(crew.device)
    nn.ModuleDict(task.frozen).to(crew.device)
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
    averaged = {key: value.clone() for key, value in networks.state_dict().items()} if schedule.ema else {}
    checkpoints = Checkpoints(out, fingerprint, schedule.keep)
    done = 0
    if crew.leads:
        out.mkdir(parents=True, exist_ok=True)
        checkpoints.clear()
    crew.wait()
    latest = checkpoints.latest()
    if latest is not None:
        device = "cpu" if crew.device.type == "cpu" else str(crew.device)  # safetensors knows no cpu:0
        networks.load_state_dict(load_file(latest / "weights.safetensors", device=device))
        if averaged:
            averaged = load_file(latest / "ema.safetensors", device=device)
        states = torch.load(latest / "optimizer.pt", map_location="cpu", weights_only=True)
        for optimizer, state in zip(optimizers, states["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        done = int(latest.name.removeprefix("step-"))
    crew.wait()  # no one writes the next checkpoint while another still reads this one
    log = _Log(out, done) if crew.leads else None
    bar = tqdm(
        total=total,
        initial=done,
        desc=stage,
        unit="step",
        mininterval=2,
        dynamic_ncols=True,
        disable=not crew.leads,
    )
    statistics = [value for name, value in networks.named_buffers() if ".running_" in name]
    for step in range(done, total):
        rate = learning_rate(schedule, step, total)
        networks.train()
        parts: dict[str, Tensor] = {}
        for index, optimizer in enumerate(optimizers):
            optimizer.zero_grad(set_to_none=True)
            for samples in shares:
                # Dropout draws from the global generator.
                torch.manual_seed(step_seed(seed, f"{stage}/{index}", step, samples.start))
                with crew.autocast():
                    losses = task.loss(Share(seed, stage, step, schedule.batch, samples, crew.device), index)
                (torch.stack(list(losses.values())).sum() / len(shares)).backward()
                for name, value in losses.items():
                    parts[name] = parts.get(name, 0) + value.detach() / len(shares)
            owned = [p for group in optimizer.param_groups for p in group["params"]]
            crew.average([p.grad for p in owned if p.grad is not None])
            norm = nn.utils.clip_grad_norm_(owned, schedule.clip_norm or math.inf)
            if not torch.isfinite(norm):
                raise InputError(f"{stage}: the gradient of step {step} is not finite; lower the learning rate")
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        crew.average(statistics)
        if averaged:
            _average(averaged, networks.state_dict(), min(schedule.ema, (1 + step) / (10 + step)))
        bar.update()
        if (step + 1) % schedule.log_every == 0 or step + 1 == total:
            crew.average(list(parts.values()))
            values = {name: float(value) for name, value in parts.items()}
        if log is not None and ((step + 1) % schedule.log_every == 0 or step + 1 == total):
            log.write(step + 1, values | {"lr": rate, "grad_norm": float(norm)})
            bar.set_postfix({"loss": f"{sum(values.values()):.4f}"}, refresh=False)
        if crew.leads and ((step + 1) % schedule.checkpoint_every == 0 or step + 1 == total):
            tensors = {"weights": networks.state_dict()} | ({"ema": averaged} if averaged else {})
            checkpoints.save(step + 1, tensors, {"optimizers": [o.state_dict() for o in optimizers]}, config)
    bar.close()
    target = out / "weights.safetensors"
    if log is None:
        return target
    log.close()
    final = averaged or networks.state_dict()
    by_network = {
        name: {key.removeprefix(f"{name}."): v for key, v in final.items() if key.startswith(f"{name}.")}
        for name in task.networks
    }
    save_weights(
        target, by_network, {"stage": stage, "steps": str(total), "fingerprint": fingerprint, "config": config}
    )
    return target


def _shares(schedule: Schedule, crew: Crew) -> list[range]:
    """Samples of the batch that this process computes, one range for each pass."""
    parts = crew.size * schedule.accumulate
    if schedule.batch % parts:
        raise InputError(
            f"a batch of {schedule.batch} cannot be divided among {crew.size} processes of {schedule.accumulate} "
            "passes each; choose batch, processes and accumulate so that it can"
        )
    size = schedule.batch // parts
    first = crew.rank * schedule.accumulate
    return [range(part * size, (part + 1) * size) for part in range(first, first + schedule.accumulate)]


def _average(averaged: dict[str, Tensor], state: dict[str, Tensor], decay: float) -> None:
    moving = [key for key, value in state.items() if value.is_floating_point()]
    torch._foreach_lerp_([averaged[k] for k in moving], [state[k] for k in moving], 1 - decay)
    for key, value in state.items():
        if not value.is_floating_point():
            averaged[key] = value.clone()


class _Log:
    """JSON lines and TensorBoard, continued from step `done`: lines after it come from steps that will run again."""

    def __init__(self, out: Path, done: int) -> None:
        path = out / "log.jsonl"
        kept = []
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    if json.loads(line)["step"] <= done:
                        kept.append(line + "\n")
                except (ValueError, KeyError):
                    continue  # a line cut short by a kill
        aside = out / ".log.jsonl"
        aside.write_text("".join(kept), encoding="utf-8")
        os.replace(aside, path)
        self._stream = path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(out / "tensorboard"), purge_step=done + 1)
        self._start = time.monotonic()

    def write(self, step: int, values: dict[str, float]) -> None:
        record = {"step": step, "seconds": round(time.monotonic() - self._start, 2), **values}
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        self._stream.close()
        self._board.close()
