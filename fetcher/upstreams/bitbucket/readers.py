"""Readers of Bitbucket's responses. Source: developer.atlassian.com/cloud/bitbucket/rest.

A repository has no stars and no flag for archived ones, and its response no head. A private one is a 403 or a 404, and
one that Atlassian has taken down is a 410. The text of a 429 is plain.
"""

from __future__ import annotations

import re

from pydantic import Field, TypeAdapter, ValidationError

from fetcher.domain.outcome import BlockCause, Blocked, Fetched, Gone, Malformed, NonValue
from fetcher.http.messages import Answer, Response
from fetcher.http.shapes import Count, RepositoryPath, Shape, Text, parse
from fetcher.upstreams.hosted.base import ForgeFacts
from fetcher.upstreams.hosted.classify import classify_api, describe

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class Branch(Shape):
    name: Text


class Repository(Shape):
    """The parts of a repository that ``fields`` selects; an empty one has no ``mainbranch``."""

    uuid: Text
    full_name: RepositoryPath
    description: Text | None = None
    branch: Branch | None = Field(default=None, alias="mainbranch")


class Page(Shape):
    """A page of a list; ``size`` is the length of the complete list."""

    size: Count


class ErrorDetail(Shape):
    message: Text = ""


class ErrorBody(Shape):
    error: ErrorDetail


_REPOSITORY = TypeAdapter(Repository)
_PAGE = TypeAdapter(Page)


def read_facts(answer: Answer, host: str) -> Fetched[ForgeFacts] | NonValue:
    """Read a repository. Its forks, its watchers and its head are not part of the response."""
    response = classify(answer, host)
    if not isinstance(response, Response):
        return response
    read = parse(_REPOSITORY, response.body, "repository")
    if isinstance(read, Malformed):
        return read
    uuid = read.uuid.strip("{}").lower()
    if not UUID.fullmatch(uuid):
        return Malformed("repository: expected a UUID at uuid")
    facts = ForgeFacts(
        repository_id=uuid,
        full_name=read.full_name,
        stars=None,
        forks=None,
        watchers=None,
        description=read.description or "",
        archived=False,
        disabled=False,
        empty=None,
        default_branch=read.branch.name if read.branch else None,
        head_oid=None,
        head_committed_at=None,
        pushed_at=None,
    )
    return Fetched(facts)


def read_total(answer: Answer, host: str) -> Fetched[int] | NonValue:
    """Read the length of a list."""
    response = classify(answer, host)
    if not isinstance(response, Response):
        return response
    page = parse(_PAGE, response.body, "list")
    return page if isinstance(page, Malformed) else Fetched(page.size)


def classify(answer: Answer, host: str) -> Response | NonValue:
    """Return ``answer`` if it is a 200 with JSON, otherwise its outcome."""
    if isinstance(answer, Response) and answer.status in (403, 410):
        message = read_message(answer.body)
        if message is not None and answer.status == 403:
            return Gone(f"{host} answers 403: private, or deleted")
        if message is not None:
            return Blocked(BlockCause.ACCESS, describe(answer, host, message))
    return classify_api(answer, host, read_message)


def read_message(body: bytes) -> str | None:
    """Return the message of an error body, or ``None`` if it is not the API's."""
    try:
        return ErrorBody.model_validate_json(body).error.message
    except ValidationError:
        return None
