"""Speech features, one vector per video frame (paper 3.3).

``logmel`` needs no weights. Any transformers encoder of waveforms (HuBERT, wav2vec 2.0, WavLM) is loaded by its hub
name, once downloaded (the paper's also by ``dawn weights``), or from a local folder, such as one that ``dawn train
speech`` writes; ``pretrained:speech`` is the one of this package.
"""

from __future__ import annotations

import functools
import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dawn.choices import Device
from dawn.config import Speech
from dawn.errors import InputError
from dawn.features.encoders import encoder_folder, encoder_version
from dawn.weights import MissingWeights, folder

if TYPE_CHECKING:
    import torch

RATE = 16000  # Hz
FRAME = 640  # samples per video frame at 25 fps
_HOP, _WINDOW, _FFT = 160, 400, 512  # 10 ms, 25 ms
_RANGE = 1e-6  # -60 dB of the loudest band of the clip: quieter bands count as silence
_SILENCE = 1e-10  # power of a band, -100 dB of a full-scale tone: lowest floor of the logarithm
_MIN_STD = 0.5  # nepers; keeps normalisation from amplifying a clip of constant loudness or of silence
CPU_CHUNKS, GPU_CHUNKS = 1, 8  # chunks of equal length that an encoder takes at once
_BLOCK = 4096  # hops per Fourier transform, which bounds memory


def encode(audio: NDArray[np.float32], frames: int, cfg: Speech, device: Device = "auto") -> NDArray[np.float32]:
    """Encode speech (T,) at 16 kHz to float32 (frames, cfg.dim), row k for the time k / 25 to (k + 1) / 25 s.

    Shorter sound is padded with silence; sound beyond the frame after the last is ignored. `device` is that of the
    network of an encoder, which computes in float32. Raises InputError when the encoder cannot be used or its width
    differs from cfg.dim, and MissingWeights when it is not on this machine.
    """
    if frames < 1:
        raise InputError(f"speech features of {frames} frames requested; give at least one")
    audio = np.asarray(audio, np.float32)[: frames * FRAME + FRAME - 1]
    audio = np.pad(audio, (0, max(0, frames * FRAME - len(audio))))
    if cfg.encoder == "logmel":
        return _logmel(audio, frames, cfg)
    return _encoder(audio, frames, cfg, device)


def _logmel(audio: NDArray[np.float32], frames: int, cfg: Speech) -> NDArray[np.float32]:
    """Compute log mel energies, cfg.context hops of 10 ms around the middle of each frame, normalised over the clip."""
    from transformers.audio_utils import mel_filter_bank  # takes seconds to import

    # Hop j is centred at first + 160 j; the hops of frame k are symmetric about its middle, 640 k + 320.
    first = FRAME // 2 - _HOP * (cfg.context - 1) // 2
    step = FRAME // _HOP
    hops = step * (frames - 1) + cfg.context
    lead = max(0, _WINDOW // 2 - first)
    # The clip is mirrored at its ends: padding with silence would add the quietest moment of every clip there.
    audio = np.pad(audio, (lead, _WINDOW + _HOP * cfg.context), mode="symmetric")
    start = first + lead - _WINDOW // 2
    windows = np.lib.stride_tricks.sliding_window_view(audio, _WINDOW)[start::_HOP][:hops]
    taper = np.hanning(_WINDOW + 1)[:-1]
    bank = mel_filter_bank(_FFT // 2 + 1, cfg.mels, 50, RATE / 2, RATE, norm="slaney", mel_scale="slaney").T
    bank = bank / np.maximum(bank.sum(1, keepdims=True), 1e-12)  # mean power of a band, whatever the number of bands
    full_scale = (taper.sum() / 2) ** 2
    bands = np.concatenate(
        [
            np.abs(np.fft.rfft(windows[i : i + _BLOCK] * taper, _FFT)) ** 2 @ bank.T / full_scale
            for i in range(0, hops, _BLOCK)
        ]
    )
    level = np.log(np.maximum(bands, max(_RANGE * bands.max(), _SILENCE))) / 2
    level = (level - level.mean(0)) / np.maximum(level.std(0), _MIN_STD)
    rows = step * np.arange(frames)[:, None] + np.arange(cfg.context)
    return level[rows].reshape(frames, cfg.dim).astype(np.float32)


def _encoder(audio: NDArray[np.float32], frames: int, cfg: Speech, name: Device) -> NDArray[np.float32]:
    """Compute the last hidden state of a transformers encoder, resampled to one row per frame.

    As published for HuBERT: the processor normalises the whole clip; the network encodes chunks of cfg.chunk_seconds,
    each extended by the samples that its convolutions need for whole strides (80), then the remainder if that gives a
    row at all; the rows are concatenated, cut or zero-padded to the number that a single pass would give, and
    interpolated linearly over their index to `frames` points from the first to the last row.
    """
    import torch  # without it, preparation starts faster

    from dawn.devices import pick
    from dawn.precision import precise_products

    device = pick(name)
    local = encoder_folder(cfg.encoder)
    processor, model = _load(cfg.encoder, device, None if local is None else encoder_version(cfg))
    stride = math.prod(model.config.conv_stride)
    reach = 1  # receptive field of one row, samples
    for kernel, step in zip(reversed(model.config.conv_kernel), reversed(model.config.conv_stride), strict=True):
        reach = (reach - 1) * step + kernel
    values = processor(audio, sampling_rate=RATE, return_tensors="pt").input_values[0].to(device)
    chunk = round(cfg.chunk_seconds * RATE)
    whole = len(values) // chunk
    pieces = [values[i * chunk : (i + 1) * chunk + reach - stride] for i in range(whole)]
    if len(values) - whole * chunk >= reach:
        pieces.append(values[whole * chunk :])
    size = CPU_CHUNKS if device.type == "cpu" else GPU_CHUNKS
    equal = [list(group) for _, group in itertools.groupby(pieces, key=len)]
    with torch.inference_mode(), precise_products("exact"):
        while True:
            batches = [group[start : start + size] for group in equal for start in range(0, len(group), size)]
            try:
                encoded = [model(torch.stack(batch)).last_hidden_state.flatten(0, 1).cpu() for batch in batches]
                break
            except torch.OutOfMemoryError:  # other shards may use the same GPU
                if size == 1:
                    raise
                size //= 2
        rows = torch.cat(encoded).numpy()
    if rows.shape[1] != cfg.dim:
        raise InputError(
            f"features.speech.dim is {cfg.dim}, but {cfg.encoder} gives {rows.shape[1]} channels; set it to that"
        )
    expected = (len(values) - (reach - stride)) // stride
    rows = np.pad(rows, ((0, max(0, expected - len(rows))), (0, 0)))[:expected]
    at = np.linspace(0, expected - 1, frames)
    low = np.floor(at).astype(np.intp)
    high = np.minimum(low + 1, expected - 1)
    part = (at - low)[:, None]
    return (rows[low] * (1 - part) + rows[high] * part).astype(np.float32)


@functools.lru_cache(maxsize=1)
def _load(name: str, device: torch.device, version: str | None) -> tuple[Any, Any]:
    """Load processor and network from this machine only, so that a run is independent of the state of a server.

    `version` is that of a local folder, which is loaded again when its content has changed.
    """
    import torch
    from transformers import AutoFeatureExtractor, AutoModel

    place = encoder_folder(name) or folder(Path(name).name) or name
    try:
        processor = AutoFeatureExtractor.from_pretrained(place, local_files_only=True)
        model = AutoModel.from_pretrained(place, local_files_only=True, dtype=torch.float32)
    except (OSError, ValueError, KeyError) as error:
        raise MissingWeights(
            f"features.speech.encoder: {name!r} is not on this machine ({type(error).__name__}); download it with "
            f"'hf download {name}', or name a local folder that holds config.json, preprocessor_config.json and "
            "weights, such as 'dawn train speech' writes"
        ) from None
    if not hasattr(model.config, "conv_stride"):
        raise InputError(
            f"features.speech.encoder: {name!r} is no encoder of waveforms; use HuBERT, wav2vec 2.0 or WavLM"
        )
    return processor, model.eval().to(device)
