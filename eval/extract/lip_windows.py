"""Mouth crops, MFCC windows and SyncNet embeddings of both (Chung and Zisserman 2016).

SyncNet embeds windows of 5 frames and the 0.2 s of audio that belong to them. The crop has more influence on a lip-sync
score than anything else: ``tracked`` is the original's face track, ``whole_frame`` is Wav2Lip's evaluation of videos
that are face crops already. The original re-compresses its crops as video and JPEG before embedding; here crops are not
re-compressed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from dawn.features.mfcc import HOPS_PER_FRAME, mfcc
from eval.backbones.syncnet import SyncNet
from eval.extract.face_tracks import SMALL, TrackRules, crop_track, enlarge, face_tracks, longest_track
from eval.extract.rates import SAMPLES_PER_FRAME

VIDEO_WINDOW = 5  # frames
AUDIO_WINDOW = 20  # MFCC hops of 10 ms
SIDE = 224  # pixels, of the published network's crops
CPU_PIXELS, GPU_PIXELS = 1 << 21, 1 << 25  # of crops embedded in one forward pass, which bounds memory


@dataclass(frozen=True)
class LipCrops:
    """Crops for SyncNet: frames (n, side, side, 3) uint8 RGB, from frame `first` on, of a video of `total` frames."""

    frames: NDArray[np.uint8]
    first: int
    total: int
    mode: str

    @property
    def coverage(self) -> float:
        """Fraction of the video's frames that have a crop, in [0, 1]."""
        return len(self.frames) / self.total if self.total else 0.0

    def audio(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cut the video's audio (T,) at 16 kHz to that of the cropped frames."""
        return audio[self.first * SAMPLES_PER_FRAME : (self.first + len(self.frames)) * SAMPLES_PER_FRAME]


def whole_frame(frames: NDArray[np.uint8], side: int = SIDE) -> LipCrops:
    """Resize frames (N, H, W, 3), which are face crops already, to squares; bilinear, not antialiased."""
    crops = [np.asarray(cv2.resize(frame, (side, side)), np.uint8) for frame in frames]
    return LipCrops(np.stack(crops) if crops else np.empty((0, side, side, 3), np.uint8), 0, len(frames), "whole_frame")


def tracked(
    frames: NDArray[np.uint8],
    detect: Callable[[NDArray[np.uint8]], NDArray[np.floating]],
    rules: TrackRules = SMALL,
    side: int = SIDE,
) -> LipCrops:
    """Crop the longest face track of frames (N, H, W, 3).

    detect: frame (H, W, 3) -> face boxes (K, 4). Without a track the crops are empty and their coverage is 0; no other
    crop is substituted.
    """
    enlarged = enlarge(frames, rules)
    track = longest_track(face_tracks([detect(frame) for frame in enlarged], rules))
    mode = f"tracked, {rules.name}"
    if track is None:
        return LipCrops(np.empty((0, side, side, 3), np.uint8), 0, len(frames), mode)
    return LipCrops(crop_track(enlarged, track, side), track.first, len(frames), mode)


@torch.inference_mode()
def lip_embeddings(
    net: SyncNet, crops: NDArray[np.uint8], audio: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Embed mouth crops and audio with SyncNet: two arrays (W, D), W = :func:`window_count`, 0 where the clip is too
    short.

    crops: (n, side, side, 3) RGB at 25 fps. audio: (T,) at 16 kHz.
    """
    count = window_count(len(crops), len(audio))
    if not count:
        empty = np.empty((0, net.size), np.float32)
        return empty, empty
    used = crops[: count + VIDEO_WINDOW - 1]
    video = torch.from_numpy(np.ascontiguousarray(used[..., ::-1] if net.bgr else used)).permute(3, 0, 1, 2)[None]
    device = next(net.parameters()).device
    pixels = CPU_PIXELS if device.type == "cpu" else GPU_PIXELS
    step = max(VIDEO_WINDOW, pixels // (net.side * net.side))
    lips = [
        net.embed_lips(video[:, :, start : start + step + VIDEO_WINDOW - 1].to(device).float())[0]
        for start in range(0, count, step)
    ]
    sound = net.embed_sound(torch.from_numpy(audio_windows(mfcc(audio), count)).to(device))
    return torch.cat(lips).numpy(force=True), sound.numpy(force=True)


def window_count(frames: int, samples: int) -> int:
    """Count the windows of a clip of `frames` frames and `samples` audio samples; as in the original, without the last
    one."""
    return max(0, min(frames, samples // SAMPLES_PER_FRAME) - VIDEO_WINDOW)


def audio_windows(coefficients: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Cut MFCC (hops, 13) into windows (count, 13, 20): that of frame t begins at hop 4 t; the last hop is repeated at
    need."""
    need = HOPS_PER_FRAME * (count - 1) + AUDIO_WINDOW
    if len(coefficients) < need:
        coefficients = np.pad(coefficients, ((0, need - len(coefficients)), (0, 0)), mode="edge")
    starts = HOPS_PER_FRAME * np.arange(count)[:, None] + np.arange(AUDIO_WINDOW)
    return np.ascontiguousarray(coefficients[starts].transpose(0, 2, 1))
