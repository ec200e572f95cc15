"""Base class and types of the sections of the configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from dawn.errors import InputError


class ConfigError(InputError):
    """An invalid configuration; the message names the file, the key and the allowed values."""


Positive = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]
Seed = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """Base class of every section: unknown keys are errors, and values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
