"""Pydantic types of JSON responses, common to the forges: texts, times, counts and ids as a database can hold them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from fetcher.domain.outcome import Malformed
from fetcher.domain.text import storable

T = TypeVar("T")


def _in_utc(moment: datetime) -> datetime:
    """Convert to UTC. A time at the very end of the calendar has none, and authors choose their dates freely."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("expected a moment within the calendar") from None


def _or_none(value: Any, read: ValidatorFunctionWrapHandler) -> datetime | None:
    """Read a time, or ``None`` outside the calendar, so that one commit does not fail a complete history."""
    try:
        moment: datetime | None = read(value)
    except ValidationError:
        return None
    return moment


def _path(text: str) -> str:
    """Check that each segment is a name, because a path becomes a part of later addresses."""
    segments = text.split("/")
    if len(segments) < 2 or not all(_SEGMENT.fullmatch(one) and one.strip(".") for one in segments):
        raise ValueError("expected a path of names")
    return text


_SEGMENT = re.compile(r"[^\s/?#\\]{1,255}")

Text = Annotated[str, AfterValidator(storable)]
"""Text that a database can hold. Forges let NULs through in descriptions."""
RepositoryPath = Annotated[Text, AfterValidator(_path)]
"""The path of a repository below its host: an owner or groups, then the name."""
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
LenientMoment = Annotated[Moment | None, WrapValidator(_or_none)]
Count = Annotated[int, Field(ge=0, lt=2**31)]
"""A count within a database's plain integer, so that one absurd value does not fail its batch."""
Id = Annotated[int, Field(gt=0, lt=2**63)]


class Shape(BaseModel):
    """A part of a response. Fields that it does not name are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


def parse(adapter: TypeAdapter[T], body: bytes, what: str) -> T | Malformed:
    """Return ``body`` as ``adapter``'s type, or the first difference on one line."""
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        return Malformed(f"{what}: {first_fault(error)}")


def first_fault(error: ValidationError) -> str:
    """Return the first place where a shape differs, on one line."""
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{fault['msg']} at {where}" if where else fault["msg"]
