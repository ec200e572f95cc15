"""Speech features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dawn.config import Speech
from dawn.errors import InputError
from dawn.features import speech as speech_module
from dawn.features.speech import encode
from dawn.media.audio import read_audio

LOGMEL = Speech()


@pytest.fixture(scope="module")
def speech(real: Path) -> NDArray[np.float32]:
    return read_audio(real / "speech" / "jfk.flac")


def click(at: int, length: int) -> NDArray[np.float32]:
    audio = np.zeros(length, np.float32)
    audio[at] = 1
    return audio


def test_logmel_of_real_speech(speech: NDArray[np.float32]) -> None:
    rows = encode(speech, 275, LOGMEL)
    assert rows.shape == (275, 256) and rows.dtype == np.float32
    bands = rows.reshape(275, 8, 32)
    assert np.abs(bands.mean((0, 1))).max() < 0.1 and np.allclose(bands[..., :24].std((0, 1)), 1, atol=0.1)
    assert np.abs(rows).max() < 6
    assert np.array_equal(rows, encode(speech, 275, LOGMEL))
    # Neighbouring frames share half of their hops: the last four of one are the first four of the next.
    assert np.array_equal(bands[:-1, 4:], bands[1:, :4])


@pytest.mark.parametrize("context", [1, 4, 7, 8])
def test_logmel_rows_are_centred_on_their_frame(context: int) -> None:
    cfg = Speech(context=context, mels=16, dim=16 * context)
    rows = encode(click(10 * 640 + 320, 20 * 640), 20, cfg).reshape(20, context, 16).mean(-1)
    assert rows[10].max() == rows.max() > 0 > rows[[7, 13]].max()
    assert np.allclose(rows[10], rows[10, ::-1], atol=1e-4)  # a click in the middle gives symmetric rows


def test_logmel_depends_neither_on_loudness_nor_on_later_sound(speech: NDArray[np.float32]) -> None:
    rows = encode(speech, 100, LOGMEL)
    assert np.abs(encode(0.5 * speech, 100, LOGMEL) - rows).max() < 1e-4
    assert np.array_equal(encode(speech[: 101 * 640 - 1], 100, LOGMEL), rows)


def test_logmel_of_silence_and_of_sound_that_is_too_short(speech: NDArray[np.float32]) -> None:
    assert np.abs(encode(np.zeros(32000, np.float32), 50, LOGMEL)).max() < 1e-9
    assert np.isfinite(encode(np.zeros(0, np.float32), 3, LOGMEL)).all()
    half = encode(speech[:32000], 100, LOGMEL)
    assert half.shape == (100, 256) and np.ptp(half[55:95], axis=0).max() < 1e-5  # silence after the end
    with pytest.raises(InputError, match="at least one"):
        encode(speech, 0, LOGMEL)


def test_logmel_golden(speech: NDArray[np.float32]) -> None:
    """To update after an intended change: print the same expressions."""
    rows = encode(speech, 275, LOGMEL)
    assert rows[100, ::64] == pytest.approx([-0.5264, 0.9532, 1.6699, 1.4412], abs=5e-3)


# -------------------------------------------------------------------------------------------------------------- encoder
@pytest.fixture(scope="module")
def tiny_hubert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A HuBERT of two layers with random weights, as a local folder."""
    from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

    folder = tmp_path_factory.mktemp("hubert")
    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    HubertModel(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False).save_pretrained(folder)
    return folder


def hidden(folder: Path, audio: NDArray[np.float32], pieces: list[slice]) -> NDArray[np.float32]:
    """Rows of each piece of the normalised clip, concatenated."""
    from transformers import HubertModel

    model = HubertModel.from_pretrained(folder).eval()
    values = torch.from_numpy((audio - audio.mean()) / np.sqrt(audio.var() + 1e-7))
    with torch.no_grad():
        return torch.cat([model(values[None, piece]).last_hidden_state[0] for piece in pieces]).numpy()


def interpolated(rows: NDArray[np.float32], frames: int) -> NDArray[np.float64]:
    at = np.linspace(0, len(rows) - 1, frames)
    return np.stack([np.interp(at, np.arange(len(rows)), column) for column in rows.T], axis=1)


def test_encoder_in_one_piece(tiny_hubert: Path, speech: NDArray[np.float32]) -> None:
    cfg = Speech(encoder=str(tiny_hubert), dim=24)
    audio = speech[:32000]
    rows = encode(audio, 50, cfg)
    assert rows.shape == (50, 24) and rows.dtype == np.float32
    expected = hidden(tiny_hubert, audio, [slice(0, None)])
    assert len(expected) == (32000 - 80) // 320
    assert np.allclose(rows, interpolated(expected, 50), atol=1e-5)


def test_encoder_in_chunks(tiny_hubert: Path, speech: NDArray[np.float32]) -> None:
    """Published: segment i is [iL, iL + L + 80), the remainder follows when it gives a row (400 samples)."""
    cfg = Speech(encoder=str(tiny_hubert), dim=24, chunk_seconds=2.0)
    for samples, pieces in {
        80000: [slice(0, 32080), slice(32000, 64080), slice(64000, None)],
        64300: [slice(0, 32080), slice(32000, 64080)],
        32000: [slice(0, 32080)],
    }.items():
        frames = samples // 640
        audio = speech[:samples]
        expected = hidden(tiny_hubert, audio, pieces)
        total = (samples - 80) // 320
        assert abs(len(expected) - total) <= 1
        expected = np.pad(expected, ((0, max(0, total - len(expected))), (0, 0)))[:total]
        assert np.allclose(encode(audio, frames, cfg), interpolated(expected, frames), atol=1e-5), samples


def test_encoder_takes_equal_chunks_at_once(
    tiny_hubert: Path, speech: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = Speech(encoder=str(tiny_hubert), dim=24, chunk_seconds=1.25)
    one_by_one = encode(speech[:64000], 100, cfg)
    monkeypatch.setattr(speech_module, "CPU_CHUNKS", 8)
    np.testing.assert_allclose(encode(speech[:64000], 100, cfg), one_by_one, atol=1e-5)


def test_unusable_encoders(tiny_hubert: Path, tmp_path: Path, speech: NDArray[np.float32]) -> None:
    with pytest.raises(InputError, match=r"dim is 1024, but .* gives 24"):
        encode(speech, 10, Speech(encoder=str(tiny_hubert), dim=1024))
    with pytest.raises(InputError, match="hf download facebook/hubert-large-ls960-ft"):
        encode(speech, 10, Speech(encoder="facebook/hubert-large-ls960-ft", dim=1024))
    with pytest.raises(InputError, match="not on this machine"):
        encode(speech, 10, Speech(encoder=str(tmp_path), dim=24))
