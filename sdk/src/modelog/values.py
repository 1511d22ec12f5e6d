"""What events are made of: the small frozen values that several events carry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from reprlib import Repr
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
from typing_extensions import Self

from modelog.given import NotPlain, field
from modelog.unknown import Place, inner_types, text_fields, unknown_fields

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


SHORT = Repr()
"""How a field is shown: a text of 40 characters at most, of an object the first three items."""
SHORT.maxstring, SHORT.maxother, SHORT.maxdict, SHORT.maxlist, SHORT.maxtuple = 40, 60, 3, 3, 3


class _Text(str):
    """A text that is its own repr."""

    def __repr__(self) -> str:
        return str(self)


class Value(BaseModel):
    """A frozen value.

    Unknown fields are ignored in JSON, so an old reader can read a newer writer, and refused where a program makes the
    value: there they are mistakes that would be lost.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")

    if not TYPE_CHECKING:  # a type checker knows the fields

        def __init__(self, /, **data: Any) -> None:
            super().__init__(**type(self).given(data))

        __init__.__pydantic_base_init__ = True  # so that pydantic does not call it for JSON

    def __repr_args__(self) -> Iterable[tuple[str, Any]]:
        """What is not the default, cut where it is long; `model_dump()` has everything."""
        for name, field_info in type(self).model_fields.items():
            value = getattr(self, name)
            if field_info.is_required() or value != field_info.get_default(call_default_factory=True):
                yield name, _Text(SHORT.repr(value))

    @classmethod
    def given(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """The fields as a program gives them, as plain values; raise ValidationError for those that are unknown."""
        may_be_unknown = inner_types(cls) or not data.keys() <= cls.model_fields.keys()
        if may_be_unknown and (unknown := list(unknown_fields(cls, data))):
            raise refusal(cls, ((at, sentence, None) for at, sentence in unknown))
        texts, plain = text_fields(cls), (str, type(None))
        try:
            return {
                name: value if type(value) in plain else cls.given_field(name, value, name in texts)
                for name, value in data.items()
            }
        except NotPlain as error:
            raise refusal(cls, [(error.place, str(error), error.value)]) from None
        except RecursionError:
            raise refusal(
                cls, [((), "expected fewer lists and objects inside each other: flatten them", None)]
            ) from None

    @classmethod
    def given_field(cls, name: str, value: Any, is_text: bool) -> Any:
        """The value of a field as a plain value; a number in a field of text becomes text."""
        value = field(value, (name,))
        return str(value) if is_text and type(value) in (int, float) else value


def refusal(of: type[BaseModel], problems: Iterable[tuple[Place, str, object]]) -> ValidationError:
    """The error for the problems of a value: of each the place, the sentence and what was found."""
    listed = [
        InitErrorDetails(type=PydanticCustomError("refused", sentence), loc=at, input=found)
        for at, sentence, found in problems
    ]
    return ValidationError.from_exception_data(of.__name__, listed)


class Sent(Value):
    """What comes from elsewhere: a mapping that a program gives is checked as strictly as named arguments."""

    @classmethod
    def model_validate(cls, obj: Any, **how: Any) -> Self:
        """The value with the fields of a mapping; raise ValidationError for those that are unknown."""
        return super().model_validate(cls.given(obj) if isinstance(obj, Mapping) else obj, **how)


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


class Drift(Value):
    """What a monitor measured: `drift.detected` reports it, `drift.recorded` repeats it.

    Score and threshold may be infinite or NaN, as the divergence of a category that was never seen before is.
    """

    version: Version
    detector: Name
    score: float
    threshold: float
    drifted: bool
    features: Items[Name] = ()
    window: Window | None = None
    report: str | None = None


class Finding(Value):
    """The result of a check of a version, as values for programs and a sentence for people."""

    check: Name
    passed: bool
    required: str
    observed: str
    sentence: str
