"""Feature specifications: a set of arrays that metrics need of a video, and everything that they depend on.

A :class:`FeatureSpec` names a set of arrays and defines their computation from a decoded video. It is declared by the
metrics (or taken from :mod:`eval.extract.catalogue`) and imports nothing heavy until it is loaded. :func:`resolve`
applies the options of a call; the resolved feature has a fingerprint, which is its key in the feature cache.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from dawn.choices import MeasuringDevice

if TYPE_CHECKING:
    from eval.extract.video import DecodedVideo

Arrays = dict[str, NDArray[Any]]
Features = Mapping[str, Arrays]  # arrays of one video by the name of their specification
Extractor = Callable[["DecodedVideo", Features], Arrays]
Stream = Literal["frames", "audio"]

_LIBRARIES = (
    "av", "dlib-bin", "insightface", "librosa", "mediapipe", "numpy", "onnxruntime", "opencv-contrib-python", "pillow",
    "python_speech_features", "scipy", "torch",
)  # fmt: skip


@dataclass(frozen=True)
class ExtractorOptions:
    """Options of one call that extractors depend on; `device` changes results by rounding only."""

    detect_side: int = 256  # pixels; frames with a shorter side are enlarged for the face mesh
    syncnet: Path | None = None  # SyncNet weights written by the training of this repository
    device: MeasuringDevice = "auto"  # of the networks


@dataclass(frozen=True)
class FeatureSpec:
    """Specification of a set of arrays computed from a video.

    name: unique; part of cache file names and of reports. Two specifications of one name must be the same.
    settings: options -> every setting that changes the result, as JSON-able values; the key ``weights`` maps names of
    weights files to SHA-256. Raises MissingWeights where the weights are not on this machine.
    load: options -> the function that computes the arrays of one video; loads the network.
    requires: specifications whose arrays the extractor takes as its second argument, by name.
    reads: the streams of the video that the result depends on, including those of `requires`.
    """

    name: str
    settings: Callable[[ExtractorOptions], dict[str, Any]]
    load: Callable[[ExtractorOptions], Extractor]
    requires: tuple[FeatureSpec, ...] = ()
    reads: tuple[Stream, ...] = ("frames",)


@dataclass(frozen=True)
class ResolvedFeature:
    """Feature specification with the options of a call and the settings that follow from them."""

    spec: FeatureSpec
    options: ExtractorOptions
    settings: Mapping[str, Any]
    requires: tuple[ResolvedFeature, ...] = ()

    @property
    def name(self) -> str:
        """Name of the specification."""
        return self.spec.name

    @functools.cached_property
    def fingerprint(self) -> str:
        """Digest of settings, code, library versions and required features: the key in the feature cache."""
        from dawn.fingerprint import fingerprint

        required = [feature.fingerprint for feature in self.requires]
        code = extraction_code(_module_of(self.spec.load))
        return fingerprint([self.name, dict(self.settings), code, versions(), required])

    def load(self) -> Extractor:
        """Load the extractor and its network. Raises MissingWeights."""
        return self.spec.load(self.options)


def resolve(
    specs: Iterable[FeatureSpec], options: ExtractorOptions
) -> tuple[dict[str, ResolvedFeature], dict[str, str]]:
    """Resolve specifications with `options`.

    Returns the resolved features by name, and for those whose weights are not on this machine the reason by name.
    """
    from dawn.weights import MissingWeights

    resolved: dict[str, ResolvedFeature] = {}
    missing: dict[str, str] = {}
    for spec in specs:
        if spec.name not in resolved and spec.name not in missing:
            try:
                resolved[spec.name] = _resolve(spec, options)
            except MissingWeights as error:
                missing[spec.name] = str(error)
    return resolved, missing


def _resolve(spec: FeatureSpec, options: ExtractorOptions) -> ResolvedFeature:
    required = tuple(_resolve(other, options) for other in spec.requires)
    return ResolvedFeature(spec, options, spec.settings(options), required)


def extraction_code(module: str) -> str:
    """Compute the fingerprint of the code that computes the features which `module` defines."""
    from dawn.fingerprint import code_fingerprint

    modules = ["eval.extract.features"]
    if module.startswith("eval.metrics."):
        modules.append(module)
    return code_fingerprint(*modules)


def _module_of(function: Callable[..., Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return function.__module__


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of the libraries that features and metric values depend on."""
    return {name: importlib.metadata.version(name) for name in _LIBRARIES}


def decoder() -> dict[str, str]:
    """Return the versions of the video decoder, and the rule by which frames and audio are sampled."""
    import av

    from eval.extract.video import RULE

    ffmpeg = {name: ".".join(map(str, number)) for name, number in av.library_versions.items()}
    return {"av": av.__version__, "libavcodec": ffmpeg["libavcodec"], "libswscale": ffmpeg["libswscale"], "rule": RULE}
