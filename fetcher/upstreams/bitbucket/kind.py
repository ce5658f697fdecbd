"""Bitbucket Cloud as a kind of forge."""

from __future__ import annotations

import base64
from typing import Final

from fetcher.domain.outcome import NonValue
from fetcher.http.messages import Answer, Response
from fetcher.upstreams.base import Tools
from fetcher.upstreams.bitbucket.requests import Route, hook_events
from fetcher.upstreams.hosted.base import FactsReader, ForgeHost, ForgeKind
from fetcher.upstreams.hosted.kinds import HostedKind


def authorization(token: str) -> str:
    """Return the header for a token: Basic for an API token as ``ADDRESS:TOKEN``, Bearer for an access token."""
    if ":" not in token:
        return f"Bearer {token}"
    return f"Basic {base64.b64encode(token.encode()).decode()}"


def _connect(host: ForgeHost, tools: Tools) -> FactsReader:
    from fetcher.upstreams.bitbucket.facts import BitbucketFacts  # noqa: PLC0415  (pydantic's models take time)

    return BitbucketFacts(host, tools.clock)


def _read_probe(answer: Answer, host: str) -> Response | NonValue:
    from fetcher.upstreams.bitbucket.readers import classify  # noqa: PLC0415

    return classify(answer, host)


BITBUCKET: Final = HostedKind(
    kind=ForgeKind.BITBUCKET,
    title="Bitbucket",
    routes=tuple(Route),
    connect=_connect,
    probe=hook_events,
    read_probe=_read_probe,
    authorization=authorization,
    per_request=0.75,  # nine requests a week for one package; git is counted apart
)
