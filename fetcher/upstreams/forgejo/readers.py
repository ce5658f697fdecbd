"""Readers of responses of Forgejo and Gitea. Source: the OpenAPI document that each instance serves.

An absent or private repository is a 404. An instance that requires a login answers 403 to everything. The commits of an
empty repository are a 409.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field, TypeAdapter, ValidationError

from fetcher.domain.model import Target
from fetcher.domain.outcome import BlockCause, Blocked, Fetched, Malformed, NonValue, Unauthorized
from fetcher.http.messages import Answer, Response
from fetcher.http.shapes import Count, Id, LenientMoment, RepositoryPath, Shape, Text, parse
from fetcher.upstreams.hosted.base import ForgeFacts
from fetcher.upstreams.hosted.classify import classify_api, describe

_SIGN_IN = "signed in"


class Repository(Shape):
    """The parts of a repository that are read."""

    id: Id
    full_name: RepositoryPath
    description: Text | None = None
    empty: bool | None = None
    mirror: bool = False
    archived: bool = False
    stars: Count | None = Field(default=None, alias="stars_count")
    forks: Count | None = Field(default=None, alias="forks_count")
    watchers: Count | None = Field(default=None, alias="watchers_count")
    default_branch: Text | None = None
    updated_at: LenientMoment = None


class Account(Shape):
    login: Text | None = None


class Commit(Shape):
    """One commit; ``author`` is absent if the instance knows no account for the address."""

    sha: Text
    author: Account | None = None


class ErrorBody(Shape):
    message: Text


_REPOSITORY = TypeAdapter(Repository)
_COMMITS = TypeAdapter(list[Commit])


def read_facts(answer: Answer, host: str, target: Target) -> Fetched[ForgeFacts] | NonValue:
    """Read a repository. Its head is not part of the response."""
    response = classify(answer, host)
    if not isinstance(response, Response):
        return response
    read = parse(_REPOSITORY, response.body, "repository")
    if isinstance(read, Malformed):
        return read
    facts = ForgeFacts(
        repository_id=str(read.id),
        full_name=read.full_name,
        stars=read.stars,
        forks=read.forks,
        watchers=read.watchers,
        description=read.description or "",
        archived=read.archived,
        disabled=False,
        empty=read.empty,
        default_branch=read.default_branch or None,
        head_oid=None,
        head_committed_at=None,
        pushed_at=push_time(read, target.default_branch),
    )
    return Fetched(facts)


def push_time(repository: Repository, known_branch: str | None) -> datetime | None:
    """Return ``updated_at`` if every change of the head changes it, otherwise ``None``.

    A push to any branch sets it to the current time, and a star does not. It proves nothing for a mirror, whose time is
    that of its newest commit, nor after a change of the default branch, for which no push is needed.
    """
    if repository.mirror or known_branch not in (None, repository.default_branch):
        return None
    return repository.updated_at


def read_accounts(answer: Answer, host: str) -> Fetched[dict[str, str]] | NonValue:
    """Read logins by the oids of a page of commits; commits without an account are left out."""
    if isinstance(answer, Response) and answer.status == 409:
        return Fetched({})
    response = classify(answer, host)
    if not isinstance(response, Response):
        return response
    commits = parse(_COMMITS, response.body, "commits")
    if isinstance(commits, Malformed):
        return commits
    return Fetched({one.sha: one.author.login for one in commits if one.author and one.author.login})


def classify(answer: Answer, host: str) -> Response | NonValue:
    """Return ``answer`` if it is a 200 with JSON, otherwise its outcome."""
    if isinstance(answer, Response) and answer.status == 403:
        message = read_message(answer.body)
        if message is not None and _SIGN_IN in message.lower():
            return Unauthorized(f"{host} serves nothing without an account: set its token in FETCHER_FORGES")
        if message is not None:
            return Blocked(BlockCause.ACCESS, describe(answer, host, message))
    return classify_api(answer, host, read_message)


def read_message(body: bytes) -> str | None:
    """Return the message of an error body, or ``None`` if it is not the API's."""
    try:
        return ErrorBody.model_validate_json(body).message
    except ValidationError:
        return None
