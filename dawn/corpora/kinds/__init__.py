"""Kinds of corpus, one module each: ``corpus.kind`` names the module, which defines ``CORPUS``.

A module here imports media and network packages only inside functions: the workflow loads it to plan jobs.
"""
