"""Imported once by the server that :mod:`tests.support.forked` forks its processes from."""

# ruff: noqa: F401
import librosa
import mediapipe
import torch._dynamo  # the first optimizer imports it

import dawn.corpora.lfs
import dawn.corpora.web
import dawn.features.extract
import dawn.features.portrait
import dawn.features.shards
import tests.support.toy_training
