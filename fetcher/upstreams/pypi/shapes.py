"""Pydantic shapes of the parts that are read of an index's responses. Sources: PEP 691, 700, 792.

They are strict on types, ignore other fields, and accept absent and null ones, which are common on mirrors.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from fetcher.domain.outcome import Malformed
from fetcher.domain.text import one_line, storable
from fetcher.http.responses import quoted_excerpt

Text = Annotated[str, AfterValidator(storable)]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


S = TypeVar("S", bound=_Shape)


class JsonFile(_Shape):
    upload_time: str | None = None
    """The same time in an older form without a zone (UTC), which is the only one on some mirrors."""
    upload_time_iso_8601: str | None = None
    yanked: bool | None = None
    yanked_reason: Text | None = None
    requires_python: Text | None = None


class JsonInfo(_Shape):
    name: Text
    version: Text | None = None
    summary: Text | None = None
    classifiers: list[Text] | None = None
    license: Text | None = None
    license_expression: Text | None = None
    docs_url: Text | None = None
    project_urls: dict[str, Text | None] | None = None


class JsonProject(_Shape):
    """``{root}/pypi/{name}/json``. ``releases`` is deprecated: if absent, the releases are unknown."""

    info: JsonInfo
    releases: dict[Text, list[JsonFile] | None] | None = None
    urls: list[JsonFile] | None = None
    last_serial: int | None = None


class SimpleFile(_Shape):
    filename: Text
    uploaded: str | None = Field(default=None, alias="upload-time")
    yanked: bool | Text | None = None
    requires_python: Text | None = Field(default=None, alias="requires-python")


class SimpleMeta(_Shape):
    api_version: str | None = Field(default=None, alias="api-version")
    last_serial: int | None = Field(default=None, alias="_last-serial")


class SimpleStatus(_Shape):
    status: str | None = None


class SimpleProject(_Shape):
    """``{root}/simple/{name}/`` in its JSON form, to which ``simple_html`` converts the HTML form."""

    name: Text
    files: list[SimpleFile]
    versions: list[Text] | None = None
    meta: SimpleMeta = SimpleMeta()
    status: SimpleStatus | None = Field(default=None, alias="project-status")


def parse(shape: type[S], body: bytes, api: str) -> S | Malformed:
    """Return ``body`` in ``shape``, or one line with the expectation, its place and the actual value."""
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        return Malformed(one_line(f"{api}: {_complaint(error.errors(include_url=False)[0], body)}"))


def _complaint(error: ErrorDetails, body: bytes) -> str:
    if error["type"] == "json_invalid":
        fault = error.get("ctx", {}).get("error", "not JSON")
        return f"expected JSON, got {quoted_excerpt(body)} ({fault})"
    where = ".".join(str(part) for part in error["loc"]) or "the top"
    message = error["msg"]
    if error["type"] == "missing":
        return f"expected {where}, got none"
    return f"{message[:1].lower()}{message[1:]} at {where}, got {_shown(error['input'])}"


def _shown(value: object) -> str:
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case str():
            return repr(value[:60])
        case None | bool() | float():
            return repr(value)
        case _:
            return f"a value of type {type(value).__name__}"
