"""Models of the change feed's JSON, and its query parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from fetcher.domain.changes import EventType, FeedKind
from fetcher.web.following import LONGEST_WAIT
from fetcher.web.models import Moment, Package

MOST = 1000
"""Most packages on a page of changes."""

NOW = "now"
"""Value of ``since`` for the present end of the feed."""

Since = Annotated[
    str,
    Field(
        max_length=40,
        pattern=r"^(now|[0-9a-f]{1,16}-[0-9]{1,18})$",
        description="Cursor of the last page or export; `now`: the end of the feed. Default: every stored change.",
    ),
]


class ChangesQuery(BaseModel):
    """Query parameters of the feed. Others are refused, and an empty one counts as absent."""

    model_config = ConfigDict(extra="forbid")

    since: Since | SkipJsonSchema[None] = None
    limit: Annotated[int, Field(ge=1, le=MOST, description="Most packages on the page.")] = 100
    wait: Annotated[
        int,
        Field(ge=0, le=int(LONGEST_WAIT), description="Seconds to wait for a change before an empty page is returned."),
    ] = 0

    @model_validator(mode="before")
    @classmethod
    def _use_defaults(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value != ""}


class StreamQuery(BaseModel):
    """Query parameters of the stream of changes."""

    model_config = ConfigDict(extra="forbid")

    since: Since = NOW


class ChangedPackage(BaseModel):
    """A package that has changed: its newest state, once on a page."""

    cursor: str = Field(description="Cursor after this change.")
    id: int
    slug: str
    kind: FeedKind = Field(description="`retired` and `removed` are tombstones.")
    fields: list[str] = Field(description="Fields of the document that changed since the requested cursor.")
    events: list[EventType] = Field(description="Events since the requested cursor, the oldest first.")
    at: Moment = Field(description="Time of the last change.")
    package: Package | None = Field(description="The document; null in a tombstone.")


class ChangedPackages(BaseModel):
    """A page of the change feed, in the order of the commits."""

    results: list[ChangedPackage]
    next: str = Field(description="Cursor of the following page. An empty page repeats the requested one.")
    done: bool = Field(description="No further change is stored yet.")
