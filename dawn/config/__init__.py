"""The configuration: every setting of the project, typed and validated, in one tree with one module per section.

A run is reproducible from its resolved configuration alone: :func:`load` reads a YAML file into a :class:`Config`, and
``Config.dump`` writes it back with every default filled in. Each key states its unit and where its value comes from;
"paper" is the DAWN paper (section or appendix), "published" the authors' released code where it differs from the paper.
"""

from dawn.config.a2v import A2vStage, Diffusion, UnetModel
from dawn.config.base import ConfigError, Section
from dawn.config.data import (
    CORPUS_KINDS,
    FACE_HEIGHT,
    Corpus,
    CremaCorpus,
    DemoCorpus,
    Features,
    Fetching,
    FolderCorpus,
    HdtfCorpus,
    Speech,
    VoxcelebCorpus,
    WebCorpus,
)
from dawn.config.evaluate import DEFAULT_METRICS, SyncnetModel
from dawn.config.generate import Generate
from dawn.config.lfg import Hourglass, LfgModel
from dawn.config.pbnet import PbnetLoss, PbnetModel
from dawn.config.schedule import Schedule, ValidationSchedule
from dawn.config.speech import SpeechEncoder, SpeechModel
from dawn.config.tree import Config, load, loads, parse, schema

__all__ = [
    "CORPUS_KINDS",
    "DEFAULT_METRICS",
    "FACE_HEIGHT",
    "A2vStage",
    "Config",
    "ConfigError",
    "Corpus",
    "CremaCorpus",
    "DemoCorpus",
    "Diffusion",
    "Features",
    "Fetching",
    "FolderCorpus",
    "Generate",
    "HdtfCorpus",
    "Hourglass",
    "LfgModel",
    "PbnetLoss",
    "PbnetModel",
    "Schedule",
    "Section",
    "Speech",
    "SpeechEncoder",
    "SpeechModel",
    "SyncnetModel",
    "UnetModel",
    "ValidationSchedule",
    "VoxcelebCorpus",
    "WebCorpus",
    "load",
    "loads",
    "parse",
    "schema",
]
