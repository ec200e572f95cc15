"""Compilation of a whole pass of the denoiser, and of its training step, for similar lengths at once.

Compiled code has one length. Motion is padded to the next of few lengths; frames of padding change no other frame
(:meth:`dawn.models.unet3d.UNet3D.prepare`).
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from dawn.media.files import user_cache
from dawn.models.unet3d import UNet3D

VARIANTS = 256  # compiled lengths of one network, with and without padding: more than fit the memory of any GPU

Backend: TypeAlias = "str | Callable[..., object]"  # of torch.compile


@functools.lru_cache(maxsize=1)
def compiled(unet: UNet3D) -> Callable[..., Tensor]:
    """Return the pass of a denoiser, compiled for each new length when it is first called."""
    return _compile(unet.forward)


class CompiledStep:
    """Prediction of a training step, compiled with its conditions and its gradients.

    `recompute` is that of :meth:`UNet3D.prepare`, `backend` that of ``torch.compile``. Where compilation fails, the
    step is computed without it.
    """

    def __init__(self, unet: UNet3D, recompute: bool = False, backend: Backend = "inductor") -> None:
        def step(
            x: Tensor, t: Tensor, static: Tensor, speech: Tensor, pose: Tensor, eye: Tensor, padding: int | Tensor = 0
        ) -> Tensor:
            conditions = unet.prepare(static, speech=speech, pose=pose, eye=eye, padding=padding, recompute=recompute)
            return unet(x, t, conditions)

        from torch._functorch import config  # with torch._dynamo, which takes seconds to import

        # The gradients' code too is compiled at the first call, so that all that fails does so there.
        config.force_non_lazy_backward_lowering = True
        self._plain = step
        self._compiled: Callable[..., Tensor] | None = _compile(step, backend)

    @property
    def compiles(self) -> bool:
        """Whether no compilation has failed."""
        return self._compiled is not None

    def __call__(self, x: Tensor, t: Tensor, static: Tensor, *, speech: Tensor, pose: Tensor, eye: Tensor) -> Tensor:
        """Predict from noisy motion x (b, 3, f, h, w); the arguments are those of :class:`UNet3D`."""
        if self._compiled is None:
            return self._plain(x, t, static, speech, pose, eye)
        frames = x.shape[2]
        padding = padded_frames(frames) - frames
        conditions = (F.pad(condition, (0, 0, 0, padding)) for condition in (speech, pose, eye))
        # A number would be part of the code, a tensor is not.
        count = torch.full((), padding, device=x.device)
        try:
            return self._compiled(F.pad(x, (0, 0, 0, 0, 0, padding)), t, static, *conditions, count)[:, :, :frames]
        except _compiler_error() as error:
            reason = " ".join(str(error).partition("\n\n")[0].split())  # the first paragraph
            print(f"the U-Net's step does not compile here and is computed without: {reason}", file=sys.stderr)
            self._compiled = None
            return self._plain(x, t, static, speech, pose, eye)


def _compiler_error() -> tuple[type[Exception], ...]:
    from torch._dynamo import exc  # takes seconds to import

    return exc.TorchDynamoException, exc.FailOnRecompileLimitHit


def padded_frames(frames: int) -> int:
    """Return the length to which motion is padded: at most an eighth longer, but for the shortest."""
    step = max(8, 2 ** (frames.bit_length() - 4))
    return -(-frames // step) * step


def _compile(function: Callable[..., Tensor], backend: Backend = "inductor") -> Callable[..., Tensor]:
    """Compile `function` for each new length when it is first called.

    Compiled code is kept on disk, in a folder ``dawn/compiled`` of the user's cache, for later processes.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(user_cache() / "dawn/compiled"))
    torch._dynamo.config.recompile_limit = max(VARIANTS, torch._dynamo.config.recompile_limit)
    return torch.compile(function, fullgraph=True, dynamic=False, backend=backend)
