"""The authors' published checkpoints, read into our networks and written as a run that ``dawn generate`` takes."""
