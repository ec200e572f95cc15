"""Errors that the user can correct: printed as a single line, with exit code 2."""


class InputError(ValueError):
    """Input that cannot be used. The message states what is wrong, where, and what to do."""
