"""The parts of an index's answers that are read, as pydantic shapes. Sources: PEP 691, 700, 792.

Strict on types, blind to fields that are not read, patient with absent and null ones: mirrors leave much out.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from fetcher.domain.outcome import Malformed
from fetcher.upstreams.pypi.text import beginning, one_line, storable

Text = Annotated[str, AfterValidator(storable)]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


S = TypeVar("S", bound=_Shape)


class JsonFile(_Shape):
    upload_time: str | None = None
    """The same moment in an older spelling without a zone (UTC): all that some mirrors have."""
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
    """``{root}/pypi/{name}/json``. ``releases`` is deprecated: absent is "not told", not "none"."""

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
    """``{root}/simple/{name}/`` in its JSON form, into which ``simple_html`` brings the HTML form."""

    name: Text
    files: list[SimpleFile]
    versions: list[Text] | None = None
    meta: SimpleMeta = SimpleMeta()
    status: SimpleStatus | None = Field(default=None, alias="project-status")


def parse(shape: type[S], body: bytes, api: str) -> S | Malformed:
    """``body`` in ``shape``, or one line of what was expected, where, and what came."""
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        return Malformed(one_line(f"{api}: {_complaint(error.errors(include_url=False)[0], body)}"))


def _complaint(error: ErrorDetails, body: bytes) -> str:
    if error["type"] == "json_invalid":
        fault = error.get("ctx", {}).get("error", "not JSON")
        return f"expected JSON, got {beginning(body)} ({fault})"
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
