"""What events are made of: the small frozen values that several events carry."""

from __future__ import annotations

import re
from typing import Annotated, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, FailFast, Field, model_validator

MODEL_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,198}[A-Za-z0-9])?")


def model_name(name: str) -> str:
    """Return `name` if it may name a model; raise ValueError with the rule if not.

    A name is a Kafka key, a stream of the log, part of a URL and of a shell command, so it is plain ASCII.
    """
    if not MODEL_NAME.fullmatch(name):
        raise ValueError(
            f"a model's name has 1 to 200 characters out of A-Z a-z 0-9 . _ - and space, and begins and ends "
            f"with a letter or digit; found {name[:60]!r} ({len(name)} characters): rename the model"
        )
    return name


ModelName = Annotated[str, AfterValidator(model_name), Field(json_schema_extra={"pattern": f"^{MODEL_NAME.pattern}$"})]
Name = Annotated[str, Field(min_length=1, max_length=300)]
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
T = TypeVar("T")
Items = Annotated[tuple[T, ...], FailFast()]
"""Checked up to the first item that is wrong: the errors of a megabyte of wrong items would take seconds."""
Metrics = dict[Name, float]
"""Name to value. NaN and infinities are allowed, so that validation can name the metric that is not finite."""


class Value(BaseModel):
    """A frozen value; unknown fields are ignored, so an old reader can read a newer writer."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")


class File(Value):
    """One file of an artifact: its path inside it, its size in bytes and the sha256 of its bytes, in hex."""

    path: str
    size: int = Field(ge=0)
    sha256: Sha256


class Artifact(Value):
    """The bytes of a model: files already in the store under their digests, or a foreign `s3://bucket/prefix`."""

    files: Items[File] = ()
    uri: str | None = None

    @model_validator(mode="after")
    def bytes_in_one_place(self) -> Artifact:
        if self.files and self.uri:
            raise ValueError("an artifact has either files in the store or a foreign uri, found both: leave one out")
        return self


class Dataset(Value):
    """A data set that a run used, with the version, address or digest that it has."""

    name: Name
    version: str | None = None
    uri: str | None = None
    digest: str | None = None


class Code(Value):
    """The commit that the run executed."""

    repository: str
    commit: str


class Framework(Value):
    """The library that made the model."""

    name: Name
    version: str | None = None


class Experiment(Value):
    """Where the run is tracked: the tracker's name, its own id of the run, an address."""

    tracker: Name
    run: str | None = None
    uri: str | None = None


class Window(Value):
    """The time that a monitor measured."""

    start: AwareDatetime
    end: AwareDatetime


class Finding(Value):
    """The result of a check of a version, as values for programs and a sentence for people."""

    check: Name
    passed: bool
    required: str
    observed: str
    sentence: str
