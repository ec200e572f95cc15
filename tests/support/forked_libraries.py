"""Imported once by the server that :mod:`tests.support.forked` forks its processes from."""

# ruff: noqa: F401
import mediapipe.tasks.python.vision
import torch._dynamo  # the first optimizer imports it
import transformers.audio_utils

import dawn.corpora.lfs
import dawn.corpora.web
import dawn.features.extract
import dawn.features.portrait
import dawn.features.shards
import tests.support.distributed_worker
import tests.support.toy_training
