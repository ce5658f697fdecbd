"""Commits and their histories as GraphQL reads them: dictionaries, with a function for each costly field."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from graphql import GraphQLError

from fetcher.simulator.clock import stamp
from fetcher.simulator.git_log import by_oid, git_log, holds, limited, total
from fetcher.simulator.graphql_queries import Info, View
from fetcher.simulator.history import Commit, History, Tip
from fetcher.simulator.repository import Repository
from fetcher.simulator.upstreams.github.bodies import account_id
from fetcher.simulator.upstreams.github.node_ids import node_id
from fetcher.simulator.upstreams.github.options import GitHubOptions

MOST_PER_PAGE = 100
NO_MORE: View = {"hasNextPage": False, "hasPreviousPage": False, "endCursor": None, "startCursor": None}


def typed_error(kind: str, text: str) -> GraphQLError:
    """Return an error of one of GitHub's types."""
    return GraphQLError(text, extensions={"type": kind})


def user(login: str, options: GitHubOptions) -> View:
    number = account_id(login)
    return {
        "__typename": "User",
        "id": lambda info: node_id("User", number, options.node_ids),
        "databaseId": number,
        "login": login,
        "url": f"https://github.com/{login}",
    }


def counted(number: int) -> View:
    """Return a connection of which only the number is known; its nodes are null."""
    return {"totalCount": number, "nodes": None, "pageInfo": NO_MORE}


@dataclass(frozen=True, slots=True)
class Commits:
    """The commits of one repository, as views."""

    repository: Repository
    options: GitHubOptions

    def tip(self) -> View | None:
        """Return the default branch's newest commit without reading its history; None if there is none."""
        history = self.repository.history
        if history.tip is None or self.repository.default_branch_missing:
            return None
        return self._of_tip(history, history.tip)

    def object(self, oid: str | None, expression: str | None) -> View | None:
        """Return the commit of an oid or a revision expression, also one that a forced push replaced."""
        branch = self.repository.default_branch
        if oid is None and expression in ("HEAD", branch, f"heads/{branch}", f"refs/heads/{branch}"):
            return self.tip()
        wanted = oid or expression or ""
        for history in (self.repository.history, *self.repository.abandoned):
            tip = history.tip
            if tip is not None and tip.oid == wanted:
                return self._of_tip(history, tip)
            if holds(history, wanted):
                return self._of(history, by_oid(history)[wanted])
        return None

    def _of_tip(self, history: History, tip: Tip) -> View:
        oid = tip.oid
        return {
            "__typename": "Commit",
            "id": f"C_{oid}",
            "oid": oid,
            "abbreviatedOid": oid[:7],
            "committedDate": stamp(tip.committed_at),
            "authoredDate": stamp(tip.authored_at),
            "author": lambda info: self._actor(by_oid(history)[oid]),
            "parents": lambda info, **page: self._parents(history, by_oid(history)[oid], info, **page),
            "history": partial(self._history, history, oid),
        }

    def _of(self, history: History, commit: Commit) -> View:
        return {
            "__typename": "Commit",
            "id": f"C_{commit.oid}",
            "oid": commit.oid,
            "abbreviatedOid": commit.oid[:7],
            "committedDate": stamp(commit.committed_at),
            "authoredDate": stamp(commit.authored_at),
            "author": lambda info: self._actor(commit),
            "parents": partial(self._parents, history, commit),
            "history": partial(self._history, history, commit.oid),
        }

    def _actor(self, commit: Commit) -> View:
        author = commit.author
        return {
            "name": author.name,
            "email": author.email,
            "date": lambda info: stamp(commit.authored_at),
            "user": user(author.login, self.options) if author.login else None,
        }

    def _parents(
        self, history: History, commit: Commit, _info: Info, first: int | None = None, **_elsewhere: Any
    ) -> View:
        """Return the parents as a connection; its nodes are read only if the query selects them."""

        def nodes(_info: Info) -> list[View]:
            known = by_oid(history)
            return [self._of(history, known[oid]) for oid in commit.parents[:first] if oid in known]

        return {"totalCount": len(commit.parents), "nodes": nodes, "pageInfo": NO_MORE}

    def _history(
        self,
        history: History,
        oid: str,
        _info: Info,
        first: int | None = None,
        after: str | None = None,
        since: str | None = None,
        until: str | None = None,
        **_backwards: Any,
    ) -> View:
        """Return ``git log <oid>`` as a connection; without dates its number of commits needs no walk."""
        if first is not None and not 0 <= first <= MOST_PER_PAGE:
            text = f"Requesting {first} records on the `history` connection exceeds the `first` limit of 100 records."
            raise typed_error("EXCESSIVE_PAGINATION", text)
        if first is None and not (since or until):
            return {"totalCount": total(history, oid), "nodes": _unbounded, "pageInfo": _unbounded}
        log = limited(git_log(history, oid), _moment(since), _moment(until), stops=self.options.since_stops)
        if first is None:
            return {"totalCount": len(log), "nodes": _unbounded, "pageInfo": _unbounded}
        start = 0 if after is None else cursor_index(after, oid) + 1
        shown = log[start : start + first]
        return {
            "totalCount": len(log),
            "nodes": lambda info: [self._of(history, commit) for commit in shown],
            "pageInfo": lambda info: self._page(oid, start, shown, len(log)),
        }

    def _page(self, oid: str, start: int, shown: Sequence[Commit], whole: int) -> View:
        stop = start + len(shown)
        cursors = (
            [cursor(oid, at, opaque=self.options.opaque_cursors) for at in (start, stop - 1)] if shown else [None] * 2
        )
        return {
            "hasPreviousPage": start > 0,
            "hasNextPage": stop < whole,
            "startCursor": cursors[0],
            "endCursor": cursors[1],
        }


def _unbounded(_info: Info) -> View:
    text = "You must provide a `first` value to properly paginate the `history` connection."
    raise typed_error("MISSING_PAGINATION_BOUNDARIES", text)


def _moment(text: str | None) -> datetime | None:
    """Read a ``GitTimestamp``: ISO 8601 with an offset."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise GraphQLError(f'Could not coerce value "{text}" to GitTimestamp')
    return moment


def cursor(oid: str, index: int, *, opaque: bool) -> str:
    """Return the cursor of one commit of a history: the commit that the history starts from, and the index."""
    text = f"{oid} {index}"
    return base64.b64encode(f"cursor:v2:{text}".encode()).decode() if opaque else text


def cursor_index(text: str, oid: str) -> int:
    """Read the index in a cursor of either form; an error unless it belongs to this history."""
    plain = text
    if " " not in text:
        try:
            plain = base64.b64decode(text, validate=True).decode().removeprefix("cursor:v2:")
        except (binascii.Error, UnicodeDecodeError):
            plain = ""
    start, _, index = plain.partition(" ")
    if start != oid or not (index.isascii() and index.isdigit()):
        raise typed_error("INVALID_CURSOR_ARGUMENTS", f"`{text}` does not appear to be a valid cursor.")
    return int(index)
