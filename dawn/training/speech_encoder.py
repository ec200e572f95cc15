"""Training of the speech encoder: HuBERT's architecture, small, on the phonemes of the embedded corpus.

HuBERT (Hsu et al., 2021) predicts clusters of sound from what surrounds them; the phonemes of synthesised speech are
known, so that a network of a thousandth of the size of HuBERT large learns to tell them apart in minutes.
The result is a folder that transformers loads, in half precision, so that the copy in the package is the same file.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm
from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

from dawn.config import Config, SpeechModel
from dawn.corpora.manifest import Clip, read_manifest
from dawn.corpora.registry import kind_of
from dawn.demo.casting import generate_varied_person
from dawn.demo.flite import FliteVoice
from dawn.demo.speech import SAMPLE_RATE
from dawn.demo.truth import GroundTruth
from dawn.errors import InputError
from dawn.features.encoders import FILES, RECORD
from dawn.features.unfinished import unfinished_files
from dawn.fingerprint import code_fingerprint, fingerprint
from dawn.media.files import atomic_path, sha256_file
from dawn.media.json_files import write_json
from dawn.paths import Paths
from dawn.precision import lowered
from dawn.schedules import total_steps
from dawn.stages import SPEECH, speech_settings_of
from dawn.training.batch_shard import BatchShard
from dawn.training.distributed import launch
from dawn.training.log_hours import log_hours
from dawn.training.loop import initialise, train
from dawn.training.speech_batches import Phonemes, SpeechBatch, SpeechSampler, Utterances, normalised


def train_speech_encoder(config: Config, paths: Paths) -> Path:
    """Train the encoder of the section ``speech`` on the corpus' training split and return its folder.

    The folder holds what transformers loads and :data:`~dawn.features.encoders.RECORD`, which states the accuracy on
    the people of the test split. A killed training resumes there. Raises InputError when the corpus is not the embedded
    one, whose phonemes are known, or not prepared.
    """
    training, held_out = (_utterances(config, paths, split) for split in ("train", "test"))
    schedule = config.speech.train
    total = total_steps(schedule, len(training))
    phonemes = Phonemes.of(training)
    state = fingerprint(
        {
            "settings": speech_settings_of(config),
            "code": code_fingerprint(__name__),
            "data": sha256_file(paths.manifest),
        }
    )
    sampler = SpeechSampler(training, phonemes, round(config.speech.segment * SAMPLE_RATE))
    task = initialise(
        lambda: SpeechTask(config.speech.model, len(phonemes.names), sampler),
        stage=SPEECH,
        schedule=schedule,
        seed=config.seed,
    )
    out = paths.speech
    with launch(schedule.processes, schedule.batch) as distributed:
        weights = train(
            task,
            distributed,
            stage=SPEECH,
            schedule=schedule,
            total=total,
            out=out,
            seed=config.seed,
            fingerprint=state,
            config=config.dump(),
            workers=config.data.workers,
        )
        if distributed.is_main_process:
            for name, network in task.networks.items():
                network.load_state_dict(weights[name])
            about = {
                "corpus": config.corpus.name,
                "kind": config.corpus.kind,
                "clips": len(training),
                "steps": total,
                "hours": log_hours(out / "log.jsonl"),
                "seed": config.seed,
                "fingerprint": state,
                "phonemes": phonemes.names,
            }
            _write(out, task, about, held_out, phonemes, config.corpus.demo.voices)
    return out


class SpeechTask:
    """Task of the training loop: the encoder, a linear layer, and cross-entropy over the phoneme of each row."""

    groups: tuple[tuple[str, ...], ...] = (("speech", "head"),)
    adversarial: frozenset[str] = frozenset()

    def __init__(self, model: SpeechModel, classes: int, sampler: SpeechSampler) -> None:
        self.sampler = sampler
        self.net = build_encoder(model)
        self.head = nn.Linear(model.dim, classes)
        self.networks: dict[str, nn.Module] = {"speech": self.net, "head": self.head}
        self.frozen: dict[str, nn.Module] = {}

    def loss(self, batch: SpeechBatch, shard: BatchShard, group: int) -> dict[str, Tensor]:
        """Compute the cross-entropy in nats of the rows of `shard`."""
        with lowered(batch.sound.device, shard.dtype):
            scores = self.head(self.net(batch.sound).last_hidden_state)
        return {"phonemes": F.cross_entropy(scores.float().flatten(0, 1), batch.phonemes.flatten())}


def build_encoder(model: SpeechModel) -> Any:
    """Build a network of HuBERT's architecture, 50 rows of `model.dim` channels a second, with random weights."""
    return HubertModel(
        HubertConfig(
            hidden_size=model.dim,
            num_hidden_layers=model.layers,
            num_attention_heads=model.heads,
            intermediate_size=model.feed_forward,
            conv_dim=(model.channels,) * 7,
            num_conv_pos_embeddings=32,
            num_conv_pos_embedding_groups=8,
            # Many synthesised utterances of few voices: neither dropout nor masked sound improves the features.
            hidden_dropout=0,
            attention_dropout=0,
            activation_dropout=0,
            feat_proj_dropout=0,
            final_dropout=0,
            layerdrop=0,
            mask_time_prob=0,
        )
    )


def _utterances(config: Config, paths: Paths, split: str) -> Utterances:
    if config.corpus.kind != "demo":
        raise InputError(
            f"corpus.kind: {config.corpus.kind}: the speech encoder learns the phonemes of the embedded corpus (kind "
            "'demo'), which no other corpus states; train it there, and name its folder in features.speech.encoder"
        )
    if not paths.manifest.is_file():
        raise InputError(f"{paths.manifest}: no such corpus; prepare it first (dawn corpus)")
    clips: list[Clip] = [clip for clip in read_manifest(paths.manifest) if clip.split == split]
    if not clips:
        raise InputError(f"{paths.manifest}: no clips in the {split} split; prepare the corpus again (dawn corpus)")
    return Utterances(clips, kind_of(config.corpus).source_root(config.corpus, paths.corpus))


def _write(
    out: Path, task: SpeechTask, about: dict[str, Any], held_out: Utterances, phonemes: Phonemes, voices: Sequence[str]
) -> None:
    """Write the encoder in half precision, measure it as written, and complete the folder `out`."""
    with unfinished_files(out / "writing") as aside:
        task.net.cpu().half().save_pretrained(aside)
        Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False).save_pretrained(aside)
        about["accuracy"] = measure(task.net.float().eval(), task.head.cpu(), held_out, phonemes, voices)
        about["sha256"] = sha256_file(aside / "model.safetensors")
        write_json(aside / RECORD, about)
        for name in (RECORD, *FILES):  # the weights last, which a finished training has
            with atomic_path(out / name) as whole:
                shutil.copyfile(aside / name, whole)
    shares = ", ".join(f"{name} {share:.3f}" for name, share in about["accuracy"].items())
    print(f"{out}: {about['clips']} utterances; rows of unseen people with the right phoneme: {shares}")


def measure(
    net: nn.Module, head: nn.Module, utterances: Utterances, phonemes: Phonemes, voices: Sequence[str]
) -> dict[str, float]:
    """Measure the share of rows of whole utterances with the right phoneme: of all, of speech, of each synthesiser.

    `voices` are those of ``corpus.demo``. Rows of silence count for `all` alone.
    """
    right: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    for index in tqdm(range(len(utterances)), desc="accuracy", unit="clip", mininterval=2, dynamic_ncols=True):
        truth = utterances.truth(index)
        with torch.inference_mode():
            scores = head(net(torch.from_numpy(normalised(truth.speech.audio))[None]).last_hidden_state[0])
        wanted = phonemes.of_rows(truth.speech, 0, len(scores))
        hits = scores.argmax(-1).numpy() == wanted
        spoken = wanted != 0
        for name, chosen in (("all", np.ones_like(spoken)), ("speech", spoken), (synthesiser(truth, voices), spoken)):
            right[name] += int(hits[chosen].sum())
            rows[name] += int(chosen.sum())
    return {name: right[name] / count for name, count in sorted(rows.items()) if count}


def synthesiser(truth: GroundTruth, voices: Sequence[str]) -> str:
    """Return the synthesiser of an utterance, one of `voices`, which are those of ``corpus.demo``."""
    if truth.variety == "plain":
        return "espeak"
    engine = generate_varied_person(truth.seed, truth.index, voices).voice.engine
    return "flite" if isinstance(engine, FliteVoice) else "espeak"
