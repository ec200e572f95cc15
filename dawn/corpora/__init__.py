"""Corpora: where clips come from, how they are listed in a manifest, and how each is written as a square video.

Light on purpose: generation reads manifests without the packages that corpora are prepared with.
"""
