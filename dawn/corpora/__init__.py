"""Corpora: acquisition of sources, manifest of clips, and writing of each clip as a square video.

Generation reads manifests; importing this package therefore imports none of the packages that preparation needs.
"""
