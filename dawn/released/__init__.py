"""Conversion of the authors' published checkpoints to a run that ``dawn generate`` uses."""
