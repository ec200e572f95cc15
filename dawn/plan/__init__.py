"""``dawn plan``: what a run of a configuration takes in GPU hours, core hours, memory, disk space and money.

Times are those of ``measured.yaml`` beside this module, or of a user's own measurement, scaled by arithmetic that
every line of the plan states. Imports no torch.
"""
