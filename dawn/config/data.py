"""Corpora and what is read from their clips (paper 3.3 and 4.1)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from dawn.config.base import Fraction, Positive, Section


class DemoCorpus(Section):
    """The embedded corpus: drawn people who speak (``dawn/demo``)."""

    train_identities: Positive = Field(24, description="people in the training split")
    test_identities: Positive = Field(8, description="people in the test split, never trained on")
    train_utterances: Positive = Field(4, description="utterances of each training person")
    test_utterances: Positive = Field(2, description="utterances of each test person")
    seconds: float = Field(3.0, gt=0.9, le=60, description="seconds of each clip")


class FolderCorpus(Section):
    """Videos that a person already has on disk."""

    root: str = Field("data/raw", description="folder of videos, searched recursively")
    identity: str = Field(
        r"^(?P<identity>[^/]+)/",
        description="regular expression on the path below root; its group 'identity' names the person",
    )
    people: Literal["path", "faces"] = Field(
        "path", description="who is seen is told by the path, or found by clustering the videos' faces"
    )
    same_person: float = Field(
        0.5, gt=0, description="with faces: distance of face embeddings within which two videos show one person"
    )
    test_list: str | None = Field(None, description="text file naming the test clips, one stem a line")
    test_fraction: Fraction = Field(
        0.1, description="share of identities in the test split without a list (paper 4.1: 9:1)"
    )
    min_seconds: float = Field(1.0, gt=0, description="shorter videos are rejected, seconds")


class CremaCorpus(Section):
    """CREMA-D, fetched from its publisher (``dawn/corpora/crema.py``)."""

    root: str = Field("data/raw/crema", description="folder that the videos are fetched to")
    servers: tuple[str, ...] = Field(
        (
            "https://github.com/CheyneyComputerScience/CREMA-D.git",
            "https://gitlab.com/cs-cooper-lab/crema-d-mirror.git",
        ),
        min_length=1,
        description="repositories whose Git LFS storage has the videos, asked in this order",
    )
    test_actors: tuple[int, ...] = Field(
        (1015, 1020, 1021, 1030, 1033, 1052, 1062, 1081, 1082, 1089),
        description="actors of the test split: 820 clips (paper 4.1: as Diffused Heads)",
    )


class WebCorpus(Section):
    """Videos that others put on the net, and a published list of what to cut from them (``dawn/corpora/web.py``)."""

    root: str = Field(description="folder that lists and videos are fetched to")
    lists: str = Field(description="address of the folder of the lists, at a fixed commit")
    watch: str = Field(
        "https://www.youtube.com/watch?v={id}",
        pattern=r"\{id\}",
        description="address of a video; {id} is its own part",
    )
    height: Positive = Field(1080, description="rows of the pictures fetched, at most, where the publisher has several")
    min_seconds: float = Field(1.0, gt=0, description="shorter clips are rejected, seconds")


class HdtfCorpus(WebCorpus):
    """HDTF, from YouTube (``dawn/corpora/hdtf.py``)."""

    root: str = Field("data/raw/hdtf", description="folder that lists and videos are fetched to")
    lists: str = Field(
        "https://raw.githubusercontent.com/MRzzm/HDTF/bbde889bbab954c9a9ebcabe9962885c29f2165e/HDTF_dataset",
        description="address of the folder of the lists, at a fixed commit",
    )
    crop: Literal["list", "face"] = Field(
        "list", description="the publisher's first way, windows of its list; or the second, around the face found"
    )
    test_fraction: Fraction = Field(0.1, description="share of videos in the test split (paper 4.1: random 9:1)")
    test_list: str | None = Field(None, description="text file naming the test clips instead, one a line")


class VoxcelebCorpus(WebCorpus):
    """VoxCeleb as first-order motion models learn from it, from YouTube (``dawn/corpora/voxceleb.py``)."""

    root: str = Field("data/raw/voxceleb", description="folder that list and videos are fetched to")
    lists: str = Field(
        "https://raw.githubusercontent.com/AliaksandrSiarohin/video-preprocessing/ac40aac58657a3d8db85421cd4afcf465e86ead1",
        description="address of the folder of the list, at a fixed commit",
    )
    height: Positive = Field(720, description="rows of the pictures fetched, at most, where the publisher has several")


class Fetching(Section):
    """How files come from the net."""

    jobs: Positive = Field(4, description="files fetched at once")
    cookies: str | None = Field(
        None, description="file of cookies in Netscape format, of an account that may see the videos; it is only read"
    )
    rate: float | None = Field(None, gt=0, description="MB a second for each video at most; none: as fast as they come")
    pause: float = Field(0.0, ge=0, description="seconds that each job waits before a video")
    keep: bool = Field(False, description="keep whole videos after their clips were cut from them")


class Corpus(Section):
    name: str = Field("demo", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="names the folder data/<name>")
    kind: Literal["demo", "folder", "crema", "hdtf", "voxceleb"] = Field("demo", description="where clips come from")
    resolution: int = Field(
        64, ge=32, le=1024, description="side of the square clips, pixels (paper 4.1: 128; A.4.2: 256)"
    )
    fps: Literal[25] = Field(25, description="frames a second (paper 4.1)")
    sample_rate: Literal[16000] = Field(16000, description="speech samples a second, Hz (what HuBERT takes)")
    shards: Positive = Field(2, description="jobs that share clip and feature extraction")
    seed: int = Field(1234, ge=0, description="seed of the drawn people, and of the split of a folder or of HDTF")
    demo: DemoCorpus = DemoCorpus()
    folder: FolderCorpus = FolderCorpus()
    crema: CremaCorpus = CremaCorpus()
    hdtf: HdtfCorpus = HdtfCorpus()
    voxceleb: VoxcelebCorpus = VoxcelebCorpus()
    fetch: Fetching = Fetching()

    @model_validator(mode="after")
    def _sizes(self) -> Corpus:
        if self.resolution % 32:
            raise ValueError(f"resolution must be a multiple of 32, got {self.resolution}")
        return self


class Speech(Section):
    """One vector of speech features for each video frame (paper 3.3)."""

    encoder: str = Field(
        "logmel",
        min_length=1,
        description="'logmel', or a transformers speech encoder by hub name or local folder (paper: HuBERT)",
    )
    dim: Positive = Field(256, description="channels of the feature; 1024 for HuBERT large")
    mels: Positive = Field(32, description="logmel: mel bands")
    context: Positive = Field(8, description="logmel: 10 ms hops stacked for each frame, centred on it")
    chunk_seconds: float = Field(20.0, gt=1, description="encoder: seconds encoded at once (published: 20)")

    @model_validator(mode="after")
    def _dim(self) -> Speech:
        if self.encoder == "logmel" and self.dim != self.mels * self.context:
            raise ValueError(f"dim must be mels * context = {self.mels * self.context} for logmel, got {self.dim}")
        return self


class Features(Section):
    speech: Speech = Speech()
    pose: Literal["mediapipe", "3ddfa"] = Field(
        "mediapipe",
        description="tool for head pose: MediaPipe Face Mesh, or 3DDFA_V2 (paper 3.3), with weights",
    )
    landmarks: Literal["mediapipe", "3ddfa"] = Field(
        "mediapipe",
        description="tool for landmarks, and so for blinks and boxes; 3DDFA_V2's do not follow the lids",
    )
    detect_side: int = Field(
        256, ge=64, description="frames are enlarged to this side for the landmark detector, pixels"
    )
    min_face_share: Fraction = Field(
        0.9, description="a clip whose face is found in a smaller share of frames is rejected"
    )


class Prepare(Section):
    """How preparation behaves; nothing here changes what it makes."""

    patience: float = Field(
        2.0, gt=0, description="seconds for each frame, beside a minute, before a clip that is not done is rejected"
    )
    check_disk: bool = Field(True, description="refuse to prepare what the disk has no room for")
