"""``dawn-eval``: every metric on any two folders of videos, what each was made from, and the same again on request."""
