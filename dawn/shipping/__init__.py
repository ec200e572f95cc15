"""``dawn ship``: writing of the pre-trained networks of this package (:mod:`dawn.pretrained`) from trained runs."""
