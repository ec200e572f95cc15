"""The complete configuration, and its reading and validation."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from dawn.config.a2v import A2v, A2vStage
from dawn.config.base import ConfigError, Section
from dawn.config.compare import Compare
from dawn.config.data import Corpus, Data, Features, Prepare
from dawn.config.evaluate import Evaluate
from dawn.config.generate import Generate
from dawn.config.lfg import Lfg
from dawn.config.pbnet import Pbnet
from dawn.config.speech import SpeechEncoder


class Config(Section):
    """The complete configuration."""

    name: str = Field("demo", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="name of the folder results/<name>")
    seed: int = Field(1234, ge=0, description="random seed of training and generation (published: 1234)")
    corpus: Corpus = Corpus()
    features: Features = Features()
    prepare: Prepare = Prepare()
    data: Data = Data()
    speech: SpeechEncoder = SpeechEncoder()
    lfg: Lfg = Lfg()
    pbnet: Pbnet = Pbnet()
    a2v: A2v = A2v()
    generate: Generate = Generate()
    evaluate: Evaluate = Evaluate()
    compare: Compare = Compare()

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        down = 2 ** (len(self.a2v.model.multipliers) - 1)
        side = self.corpus.resolution // 4  # as dawn.models.build.latent_side
        if side % down:
            raise ValueError(
                f"corpus.resolution = {self.corpus.resolution} gives motion of side {side}, "
                f"not divisible by {down}, which a2v.model.multipliers needs"
            )
        schedules = {"lfg.train": self.lfg.train, "pbnet.train": self.pbnet.train}
        schedules |= {"a2v.stage1": self.a2v.stage1, "a2v.stage2": self.a2v.stage2}
        schedules |= {"a2v.ttr.train": self.a2v.ttr.train} if self.a2v.ttr.train else {}
        schedules |= {"evaluate.syncnet.train": self.evaluate.syncnet.train}
        if self.generate.speech_guidance not in (None, self.generate.guidance):
            for key, schedule in schedules.items():
                if isinstance(schedule, A2vStage) and not schedule.drop_speech:
                    raise ValueError(
                        "generate.speech_guidance needs networks that know motion without speech: set "
                        f"{key}.drop_speech, such as to 0.1, and train A2V"
                    )
        for key, schedule in schedules.items():
            if schedule.validation and not self.data.validation_fraction:
                raise ValueError(f"{key}.validation needs held-out clips: set data.validation_fraction, such as to 0.1")
        return self

    def dump(self) -> str:
        """YAML with every default filled in; ``load`` of it gives this configuration."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def parse(tree: Any, origin: str = "configuration") -> Config:
    """A validated :class:`Config` from a plain dictionary. Raises :class:`ConfigError` naming the first bad key."""
    if not isinstance(tree, dict):
        raise ConfigError(f"{origin}: expected keys and values, found {type(tree).__name__}")
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top level)"
        if first["type"] == "extra_forbidden":
            problem = f"unknown key; {_known_keys(first['loc'][:-1])}"
        else:
            problem = first["msg"].removeprefix("Value error, ")
            value = first.get("input")
            if isinstance(value, str | int | float | bool | None | list):
                problem += f" (found {value!r})"
        raise ConfigError(f"{origin}: {key}: {problem}") from None


def load(path: str | os.PathLike[str]) -> Config:
    """Read one YAML file. Raises :class:`ConfigError` when it is missing, is not YAML or holds a bad key."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error.__class__.__name__})") from None
    return loads(text, str(path))


def loads(text: str, origin: str = "configuration") -> Config:
    """A validated :class:`Config` from YAML text, such as :meth:`Config.dump` gives. Raises :class:`ConfigError`."""
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin}: not YAML: {' '.join(str(error).split())}") from None
    return parse(tree, origin)


def schema() -> str:
    """The JSON schema of the tree, as kept in ``config/schema.json``."""
    return json.dumps(Config.model_json_schema(), indent=1) + "\n"


def _known_keys(location: tuple[int | str, ...]) -> str:
    node: Any = Config
    for part in location:
        field = getattr(node, "model_fields", {}).get(part)
        node = field.annotation if field is not None else None
    names = getattr(node, "model_fields", None)
    return f"known keys: {', '.join(names)}" if names else "it has no such section"
