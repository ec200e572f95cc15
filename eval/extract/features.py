"""Feature extraction: the arrays that metrics need of each video, loaded from the feature cache or computed and stored.

A video is decoded once for all features that the cache does not have; a network is loaded when the first video needs
it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from dawn.errors import InputError
from dawn.media.files import sha256_file
from dawn.weights import MissingWeights
from eval.extract.cache import CachedFeature, FeatureCache
from eval.extract.catalogue import VIDEO
from eval.extract.spec import Arrays, Extractor, ExtractorOptions, Features, FeatureSpec, ResolvedFeature, resolve
from eval.extract.video import DecodedVideo, decode_video


@dataclass(frozen=True)
class VideoFeatures:
    """Features of one video: SHA-256 of the file, and arrays by the name of their specification."""

    sha256: str
    features: dict[str, Arrays]


@dataclass
class Extraction:
    """Features by video path, and for videos that cannot be decoded the reason."""

    videos: dict[Path, VideoFeatures] = field(default_factory=dict)
    unreadable: dict[Path, str] = field(default_factory=dict)


class FeatureExtractors:
    """Extractors of a set of feature specifications; networks stay loaded between calls.

    resolved: the features that are extracted, by name; the video properties (:data:`eval.extract.catalogue.VIDEO`) are
    always among them. missing: for specifications whose weights are absent or wrong on this machine, the reason by
    name. devices: names of the devices that the features were computed on, including those in the cache. Without a
    `cache` everything is computed.
    """

    def __init__(
        self, specs: Iterable[FeatureSpec], options: ExtractorOptions, cache: FeatureCache | None = None
    ) -> None:
        from dawn.devices import device_name, pick_measuring

        self._cache = cache
        self._device = device_name(pick_measuring(options.device))
        self.devices: set[str] = set()
        self.resolved, self.missing = resolve([VIDEO, *specs], options)
        self._loaded: dict[str, Extractor] = {}

    def extract(self, videos: Sequence[Path], label: str = "") -> Extraction:
        """Extract the features of all `videos`, each file once. With a `label` a progress bar is shown.

        Raises InputError when a video is missing or the cache cannot be written.
        """
        extraction = Extraction()
        for path in tqdm(list(dict.fromkeys(videos)), desc=label, unit="video", mininterval=2, disable=not label):
            if not path.is_file():
                raise InputError(f"{path}: missing; every clip needs a video in this folder")
            sha256 = sha256_file(path)
            try:
                features = self._of_file(path, sha256)
            except _UndecodableVideo as error:
                extraction.unreadable[path] = str(error).removeprefix(f"{path}: ")
            else:
                extraction.videos[path] = VideoFeatures(sha256, features)
        return extraction

    def of_decoded(
        self, video: DecodedVideo, known: Features | None = None, names: Sequence[str] | None = None
    ) -> dict[str, Arrays]:
        """Extract features of a decoded video, without the cache; those in `known` are not computed.

        names: the features to compute, which must include those that they require; default: all. Raises MissingWeights.
        """
        features = dict(known or {})
        for feature in self._ordered():
            if feature.name not in features and (names is None or feature.name in names):
                if not self._load(feature):
                    raise MissingWeights(self.missing[feature.name])
                features[feature.name] = self._compute(feature, video, features)
        return features

    def _of_file(self, path: Path, sha256: str) -> dict[str, Arrays]:
        features: dict[str, Arrays] = {}
        absent: list[ResolvedFeature] = []
        for feature in self._ordered():
            found = None if self._cache is None else self._cache.load(sha256, feature.name, feature.fingerprint)
            if found is not None:
                features[feature.name] = found.arrays
                self.devices.add(found.device)
            elif self._load(feature):
                absent.append(feature)
        if not absent:
            return self._requested(features)
        with contextlib.ExitStack() as stack:
            try:
                video = stack.enter_context(decode_video(path))
            except InputError as error:
                raise _UndecodableVideo(str(error)) from None
            for feature in absent:
                features[feature.name] = self._compute(feature, video, features)
                if self._cache is not None:
                    made = CachedFeature(features[feature.name], self._device)
                    self._cache.save(sha256, feature.name, feature.fingerprint, made, feature.settings)
        return self._requested(features)

    def _compute(self, feature: ResolvedFeature, video: DecodedVideo, features: Features) -> Arrays:
        """Compute a feature with float32 products: a GPU would round those of convolutions to TensorFloat-32."""
        from dawn.precision import precise_products

        self.devices.add(self._device)
        with precise_products("exact"):
            return self._loaded[feature.name](video, features)

    def _ordered(self) -> list[ResolvedFeature]:
        """Order resolved features such that each follows those that it requires, without repetition."""
        ordered: dict[str, ResolvedFeature] = {}
        for feature in self.resolved.values():
            for one in (*feature.requires, feature):
                ordered.setdefault(one.name, one)
        return list(ordered.values())

    def _load(self, feature: ResolvedFeature) -> bool:
        """Load the extractor once; where its weights are absent or wrong, drop the feature and record the reason."""
        if feature.name not in self._loaded and feature.name not in self.missing:
            try:
                self._loaded[feature.name] = feature.load()
            except MissingWeights as error:
                self.missing[feature.name] = str(error)
                self.resolved.pop(feature.name, None)
        return feature.name in self._loaded

    def _requested(self, features: Features) -> dict[str, Arrays]:
        return {name: features[name] for name in self.resolved if name in features}


class _UndecodableVideo(InputError):
    """A video whose frames cannot be decoded."""
