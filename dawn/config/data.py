"""Corpora, and the features of their clips (paper 3.3 and 4.1)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic.config import JsonDict

from dawn.config.base import Fraction, Positive, Section
from dawn.plugins import load_plugin, plugin_names

FACE_HEIGHT = 0.58  # default of corpus.face_height, and that of drawn people
CORPUS_KINDS = "dawn.corpora.kinds"  # package of the kinds of corpus, one module each; found by name, not imported


class DemoCorpus(Section):
    """The embedded corpus of rendered talking heads (``dawn/demo``)."""

    train_identities: Positive = Field(
        24, le=1000, description="identities in the training split; number 1000 is the first of the test split"
    )
    test_identities: Positive = Field(8, description="identities in the test split, disjoint from training")
    train_utterances: Positive = Field(4, description="utterances per training identity")
    test_utterances: Positive = Field(2, description="utterances per test identity")
    seconds: float = Field(3.0, gt=0.9, le=60, description="length of each clip, seconds")
    variety: Literal["plain", "wide"] = Field(
        "plain",
        exclude_if=lambda value: value == "plain",
        description="plain: people in soft light before plain backgrounds; wide: people, light, cameras, voices and "
        "rooms far more varied, from which networks learn what holds for photographs, paintings and recorded speech",
    )
    voices: tuple[Literal["espeak", "flite"], ...] = Field(
        ("espeak",),
        min_length=1,
        exclude_if=lambda value: value == ("espeak",),
        description="for variety: wide, the synthesisers; each person has a voice of one of them. flite is a command "
        "that the system's package of this name installs",
    )

    @model_validator(mode="after")
    def _plain_voices(self) -> DemoCorpus:
        if self.variety == "plain" and self.voices != ("espeak",):
            raise ValueError("voices: only people of variety 'wide' have other voices than espeak; set variety: wide")
        return self


class FolderCorpus(Section):
    """A folder of videos."""

    root: str = Field("data/raw", description="folder of videos, searched recursively")
    identity: str = Field(
        r"^(?P<identity>[^/]+)/",
        description="regular expression on the path below root; its group 'identity' is the identity",
    )
    people: Literal["path", "faces"] = Field(
        "path", description="identity from the path, or from clustering the faces of the videos"
    )
    same_person: float = Field(
        0.5,
        gt=0,
        description="for people: faces, the distance between face embeddings below which two videos share an identity",
    )
    test_list: str | None = Field(None, description="text file of test clips, one stem per line")
    test_fraction: Fraction = Field(
        0.1, description="fraction of identities in the test split, without test_list (paper 4.1: 9:1)"
    )
    min_seconds: float = Field(1.0, gt=0, description="minimum length of a video, seconds")
    cut_seconds: float | None = Field(
        None,
        ge=1,
        exclude_if=lambda value: value is None,
        description="cut each video into equal parts of at most this length, seconds; each is a clip",
    )


class CremaCorpus(Section):
    """CREMA-D, downloaded from its publisher (``dawn/corpora/kinds/crema.py``)."""

    root: str = Field("data/raw/crema", description="download folder of the videos")
    servers: tuple[str, ...] = Field(
        (
            "https://github.com/CheyneyComputerScience/CREMA-D.git",
            "https://gitlab.com/cs-cooper-lab/crema-d-mirror.git",
        ),
        min_length=1,
        description="repositories whose Git LFS storage holds the videos, in order of preference",
    )
    test_actors: tuple[Annotated[int, Field(ge=1001, le=1091)], ...] = Field(
        (1015, 1020, 1021, 1030, 1033, 1052, 1062, 1081, 1082, 1089),
        description="actors of the test split: 820 clips (paper 4.1: as Diffused Heads)",
    )


class WebCorpus(Section):
    """Online videos with a published list of segments (``dawn/corpora/web.py``)."""

    root: str = Field(description="download folder of lists and videos")
    lists: str = Field(description="URL of the folder of the lists, at a fixed commit")
    watch: str = Field(
        "https://www.youtube.com/watch?v={id}",
        pattern=r"\{id\}",
        description="URL of a video; {id} is replaced by its identifier",
    )
    height: Positive = Field(1080, description="maximum height of the downloaded format, pixels")
    min_seconds: float = Field(1.0, gt=0, description="minimum length of a clip, seconds")


class HdtfCorpus(WebCorpus):
    """HDTF, from YouTube (``dawn/corpora/kinds/hdtf.py``)."""

    root: str = Field("data/raw/hdtf", description="download folder of lists and videos")
    lists: str = Field(
        "https://raw.githubusercontent.com/MRzzm/HDTF/bbde889bbab954c9a9ebcabe9962885c29f2165e/HDTF_dataset",
        description="URL of the folder of the lists, at a fixed commit",
    )
    crop: Literal["list", "face"] = Field(
        "list",
        description="crop windows of the publisher's list, or windows around the detected face (its second method)",
    )
    test_fraction: Fraction = Field(0.1, description="fraction of videos in the test split (paper 4.1: random 9:1)")
    test_list: str | None = Field(None, description="text file of test clips, one per line; overrides test_fraction")


class VoxcelebCorpus(WebCorpus):
    """VoxCeleb from YouTube, as selected by First Order Motion Model (``dawn/corpora/kinds/voxceleb.py``)."""

    root: str = Field("data/raw/voxceleb", description="download folder of list and videos")
    lists: str = Field(
        "https://raw.githubusercontent.com/AliaksandrSiarohin/video-preprocessing/ac40aac58657a3d8db85421cd4afcf465e86ead1",
        description="URL of the folder of the list, at a fixed commit",
    )
    height: Positive = Field(720, description="maximum height of the downloaded format, pixels")


class Fetching(Section):
    """Downloads."""

    jobs: Positive = Field(4, description="concurrent downloads")
    cookies: str | None = Field(
        None, description="cookies file in Netscape format of an account with access to the videos; never written"
    )
    rate: float | None = Field(None, gt=0, description="maximum rate per video, MB/s; none: unlimited")
    pause: float = Field(0.0, ge=0, description="pause of each job before a video, seconds")
    keep: bool = Field(False, description="keep downloaded videos after cutting their clips")


def _name_kinds(schema: JsonDict) -> None:
    schema["enum"] = list(plugin_names(CORPUS_KINDS))


class Corpus(Section):
    name: str = Field("demo", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="name of the folder data/<name>")
    kind: str = Field(
        "demo",
        description="source of the clips: a module of dawn/corpora/kinds",
        json_schema_extra=_name_kinds,
    )
    resolution: int = Field(
        64, ge=32, le=1024, description="side of the square clips, pixels (paper 4.1: 128; A.4.2: 256)"
    )
    face_height: float = Field(
        FACE_HEIGHT,
        ge=0.2,
        le=0.85,
        description="height of the face, brows to chin, in sides of the square, where clips and portraits are cropped "
        "around the face; a head that moves far gets a larger square (ours)",
    )
    fps: Literal[25] = Field(25, description="frames per second (paper 4.1)")
    sample_rate: Literal[16000] = Field(16000, description="sample rate of speech, Hz (required by HuBERT)")
    shards: Positive = Field(2, description="jobs over which clip and feature extraction is divided")
    seed: int = Field(
        1234, ge=0, description="seed of the rendered identities, and of the split of a folder or of HDTF"
    )
    demo: DemoCorpus = DemoCorpus()
    folder: FolderCorpus = FolderCorpus()
    crema: CremaCorpus = CremaCorpus()
    hdtf: HdtfCorpus = HdtfCorpus()
    voxceleb: VoxcelebCorpus = VoxcelebCorpus()
    fetch: Fetching = Fetching()
    options: dict[str, JsonValue] = Field(
        {}, description="settings of a kind that has no section of its own here, as its module defines them"
    )

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, kind: str) -> str:
        known = plugin_names(CORPUS_KINDS)
        if kind not in known:
            raise ValueError(f"no kind of corpus has this name; there are: {', '.join(known)}")
        return kind

    @field_validator("options")
    @classmethod
    def _options_of_kind(cls, options: dict[str, JsonValue], info: ValidationInfo) -> dict[str, JsonValue]:
        """`options` with every default of the kind's own model filled in."""
        kind = info.data.get("kind")
        if kind is None:  # refused already
            return options
        model: type[Section] | None = None
        if kind not in cls.model_fields:
            model = load_plugin(CORPUS_KINDS, kind, "CORPUS").options
        if model is None:
            if options:
                place = f"use the section corpus.{kind}" if kind in cls.model_fields else "leave them out"
                raise ValueError(f"kind {kind!r} takes no options; {place}")
            return options
        try:
            return model.model_validate(options).model_dump(mode="json")
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            known = ", ".join(model.model_fields)
            raise ValueError(f"{key}: {first['msg']}; keys of kind {kind!r}: {known}") from None

    @model_validator(mode="after")
    def _drawn_face(self) -> Corpus:
        if self.kind == "demo" and self.face_height != FACE_HEIGHT:
            raise ValueError(f"face_height: drawn people have {FACE_HEIGHT}; leave it out for kind 'demo'")
        return self

    @model_validator(mode="after")
    def _sizes(self) -> Corpus:
        if self.resolution % 32:
            raise ValueError(f"resolution must be a multiple of 32, got {self.resolution}")
        return self


class Speech(Section):
    """Speech features, one vector per video frame (paper 3.3)."""

    encoder: str = Field(
        "logmel",
        min_length=1,
        description="'logmel', or a transformers speech encoder by hub name or local folder, such as that of 'dawn "
        "train speech', or pretrained:speech, that of this package (paper: HuBERT)",
    )
    dim: Positive = Field(256, description="channels of the feature; 1024 for HuBERT large")
    mels: Positive = Field(32, description="logmel: mel bands")
    context: Positive = Field(8, description="logmel: 10 ms hops stacked per frame, centred on it")
    chunk_seconds: float = Field(20.0, gt=1, description="encoder: length of a chunk, seconds (published: 20)")

    @model_validator(mode="after")
    def _dim(self) -> Speech:
        if self.encoder == "logmel" and self.dim != self.mels * self.context:
            raise ValueError(f"dim must be mels * context = {self.mels * self.context} for logmel, got {self.dim}")
        return self


class Features(Section):
    speech: Speech = Speech()
    pose: Literal["mediapipe", "3ddfa"] = Field(
        "mediapipe",
        description="head pose estimator: MediaPipe Face Landmarker, or 3DDFA_V2 (paper 3.3), which needs weights",
    )
    landmarks: Literal["mediapipe", "3ddfa"] = Field(
        "mediapipe",
        description="landmark detector, also the source of blinks and boxes; 3DDFA_V2 does not track eyelids",
    )
    detect_side: int = Field(
        256, ge=64, description="side to which frames are enlarged for the landmark detector, pixels"
    )
    min_face_share: Fraction = Field(
        0.9, description="minimum fraction of frames with a detected face; other clips are rejected"
    )


class Data(Section):
    """Data of training: packed clips and their loading."""

    store: Literal["raw", "jpeg", "none"] = Field(
        "raw",
        description="packed training clips: raw, pixels as decoded, 3 bytes each; jpeg, a tenth of that and slower, "
        "with changed pixels; none: training decodes the videos, slowest",
    )
    workers: int | None = Field(
        None,
        ge=0,
        description="processes that load batches for each training process; null: up to 8 for a GPU, else none; "
        "no value changes the result",
    )
    validation_fraction: float = Field(
        0,
        ge=0,
        lt=1,
        description="fraction of the clips of the training split, at least one clip, that no training draws: for the "
        "key validation of a schedule (paper: none)",
    )
    cache: str | None = Field(
        None, description="folder on a local disk to which training copies the packed clips, for slow shared disks"
    )


class Prepare(Section):
    """Corpus preparation; no key changes its result."""

    patience: float = Field(2.0, gt=0, description="time limit of a clip: one minute and this many seconds per frame")
    check_disk: bool = Field(True, description="refuse to prepare a corpus that exceeds the free disk space")
