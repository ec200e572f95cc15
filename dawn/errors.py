"""The one kind of error a person can mend: shown as a single line, exit code 2."""


class InputError(ValueError):
    """Something given by the user cannot be used. The message says what, where and what to do."""
