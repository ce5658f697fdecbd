"""Outcomes of responses to git's requests over HTTP (gitprotocol-http), for all hosts.

Git's endpoints carry no credential. They return 401 for a repository that is missing or private, which says nothing
about a credential of the host's API.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from fetcher.domain.outcome import BlockCause, Blocked, Gone, Malformed, NonValue
from fetcher.http.messages import Answer, Fault, NoAnswer, Response
from fetcher.http.responses import classify_answer, media_type

RESULT: Final = "application/x-git-upload-pack-result"
ADVERTISEMENT: Final = "application/x-git-upload-pack-advertisement"

_WEB_PAGE = frozenset({"text/html", "application/xhtml+xml"})
_FILE = frozenset({"", "text/plain", "application/octet-stream"})
"""Media types of ``info/refs`` as a file."""


def read_status(answer: Answer, expected: str, now: datetime) -> bytes | NonValue:
    """Return the body of a response of the ``expected`` media type, otherwise the outcome."""
    if isinstance(answer, NoAnswer) and answer.fault is Fault.TOO_LARGE:
        return Blocked(BlockCause.TOO_LARGE, f"git: {answer.reason}")
    if isinstance(answer, Response) and answer.status == 401:
        return Gone("git: the host requests a login (status 401), so the repository is missing or private")
    if isinstance(answer, Response) and answer.status in {404, 410}:
        return Gone(f"git: the host has no repository at this address (status {answer.status})")
    if isinstance(answer, Response) and answer.status == 403:
        return Blocked(BlockCause.ACCESS, "git: the host refuses access (status 403)")
    found = classify_answer(answer, lambda response: f"git: the host returned status {response.status}", now=now)
    if not isinstance(found, Response):
        return found
    given = media_type(found)
    if given == expected:
        return found.body
    if given in _WEB_PAGE:
        return Malformed("git: the host returned a web page, so there is no repository at this address")
    if expected == ADVERTISEMENT and given in _FILE:
        return Blocked(BlockCause.ACCESS, "git: the host serves files only (dumb HTTP), which has no filters")
    return Malformed(f"git: the host returned {given or 'no media type'}, not a response of git")
