"""Models of the API's JSON. The published OpenAPI schema is generated from them."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Annotated, Any, Self

from pydantic import AnyUrl, BaseModel, ConfigDict, Field, NonNegativeInt, PlainSerializer
from pydantic.json_schema import SkipJsonSchema

from fetcher.domain.model import WEEKS_SHOWN, Source
from fetcher.domain.views import RefreshRequest, RequestState

Moment = Annotated[datetime, PlainSerializer(lambda moment: moment.isoformat(), return_type=str)]


class Package(BaseModel):
    """A package's document, in the directory's own form."""

    category: Any = Field(description="As the editors state it.")
    grids: Any = Field(description="As the editors state them.")
    id: int
    title: str
    slug: str
    last_updated: Moment | None = Field(description="Time of the newest commit on the default branch.")
    last_fetched: Moment | None = Field(description="Time by which every source had been fetched.")
    repo_url: str | None
    pypi_version: str | None
    created: Moment | None
    modified: Moment | None
    repo_forks: NonNegativeInt | None
    repo_description: str
    pypi_url: str | None
    documentation_url: str | None
    repo_watchers: NonNegativeInt | None = Field(description="Number of stars; the name is the directory's.")
    commits_over_52: list[NonNegativeInt] = Field(
        max_length=WEEKS_SHOWN, description="Commits per week, oldest first; empty while unknown."
    )
    participants: list[str] = Field(description="Logins, most commits first.")


class Page(BaseModel):
    """A page of documents."""

    count: NonNegativeInt
    next: AnyUrl | None
    previous: AnyUrl | None
    results: list[Package]
    count_is: str | SkipJsonSchema[None] = Field(None, description="Present if `count` is not exact.")


class FieldChange(BaseModel):
    """The value of a document's field before and after a refresh."""

    model_config = ConfigDict(from_attributes=True)

    before: Any
    after: Any


class Failure(BaseModel):
    """A source that could not be fetched."""

    model_config = ConfigDict(from_attributes=True)

    source: Source
    outcome: str
    message: str


class Refresh(BaseModel):
    """A requested refresh: its state, and what it changed."""

    id: str
    package: str = Field(description="Path of the package's document.")
    slug: str
    state: RequestState
    requested_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    changed: dict[str, FieldChange] = Field(description="Changed fields of the document, except `last_fetched`.")
    failures: list[Failure]
    reason: str | None = Field(description="Why the refresh failed as a whole.")

    @classmethod
    def from_request(cls, request: RefreshRequest, package: str, zone: tzinfo, **values: Any) -> Self:
        """Build the model of ``request``, with times in ``zone``. ``package`` is the path of the document."""

        def local(moment: datetime | None) -> datetime | None:
            return moment.astimezone(zone) if moment else None

        return cls(
            id=request.id,
            package=package,
            slug=request.slug,
            state=request.state,
            requested_at=request.requested_at.astimezone(zone),
            started_at=local(request.started_at),
            finished_at=local(request.finished_at),
            changed={change.field: FieldChange.model_validate(change) for change in request.changes},
            failures=[Failure.model_validate(failure) for failure in request.failures],
            reason=request.reason,
            **values,
        )


class RequestedRefresh(Refresh):
    """The response to a request for a refresh."""

    joined: bool = Field(description="The package had an open refresh, which this request joined.")


class Error(BaseModel):
    """An error."""

    detail: str = Field(description="What is wrong.")
    remedy: str = Field(description="What to do.")
