r"""Fréchet inception distance, FID (Heusel et al. 2017).

.. math:: FID = |\mu_1 - \mu_2|^2 + tr(S_1) + tr(S_2) - 2 tr((S_1 S_2)^{1/2})

:math:`\mu, S`: mean and covariance (ddof 1) of the 2048 pool3 features of FID's Inception-v3, over every decoded frame
of all real and of all generated videos. No unit; 0 for equal sets. Preprocessing and weights are those of a published
suite, one metric each:

========================  ==========================  ===============================================================
``fid``                   pytorch-fid                 bilinear to 299 x 299 without antialiasing, 2 x / 255 - 1
``fid_clean``             clean-fid                   Pillow bicubic 299 x 299, (x - 128) / 128, TorchScript weights
``fid_clean_resize``      clean-fid's pixels          the same pixels through pytorch-fid's weights
``fid_tf1``               torch-fidelity              TensorFlow 1 bilinear 299 x 299, (x - 128) / 128
========================  ==========================  ===============================================================

The number of frames and their compression change the value most, then the resizer: values that do not state these three
are not comparable. With fewer frames than 2048 the value is biased upwards (:mod:`eval.stats.bias`).
"""

from __future__ import annotations

from eval.extract.catalogue import frame_embeddings
from eval.metrics.clip_set import frechet_distance
from eval.metrics.registry import Metric

EVERY_FRAME = "every decoded frame of all videos, ddof 1"
INCEPTION_FRAMES = frame_embeddings("inception-fid")
# Suite -> metric name and network card (eval.backbones.cards).
SUITES = {
    "pytorch-fid": ("fid", "inception-fid"),
    "clean-fid": ("fid_clean", "inception-tf-clean"),
    "clean-fid-resize": ("fid_clean_resize", "inception-fid-clean"),
    "torch-fidelity": ("fid_tf1", "inception-fid-tf1"),
}


def _fid(suite: str, name: str, network: str, order: int) -> Metric:
    frames = frame_embeddings(network)
    return Metric(
        name=name,
        title="FID" if name == "fid" else f"FID ({suite})",
        better="down",
        note="Fréchet distance of frames on Inception features",
        protocol=f"as {suite}: {EVERY_FRAME}",
        digits=2,
        backbone=network,
        order=order,
        real=(frames,),
        fake=(frames,),
        compute=frechet_distance(frames, frames),
    )


METRICS = tuple(_fid(suite, *names, order) for order, (suite, names) in enumerate(SUITES.items(), 10))
