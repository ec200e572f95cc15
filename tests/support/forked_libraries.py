"""Imported once by the server that :mod:`tests.support.forked` forks its processes from."""

# ruff: noqa: F401
import torch._dynamo  # the first optimizer imports it

import dawn.corpora.lfs
import dawn.corpora.web
import tests.support.toy_training
