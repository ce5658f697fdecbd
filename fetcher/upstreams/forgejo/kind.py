"""Forgejo and Gitea as a kind of forge."""

from __future__ import annotations

from typing import Final

from fetcher.domain.outcome import NonValue
from fetcher.http.messages import Answer, Response
from fetcher.upstreams.base import Tools
from fetcher.upstreams.forgejo.requests import Route, version
from fetcher.upstreams.hosted.base import FactsReader, ForgeHost, ForgeKind
from fetcher.upstreams.hosted.kinds import HostedKind


def _connect(host: ForgeHost, tools: Tools) -> FactsReader:
    from fetcher.upstreams.forgejo.facts import ForgejoFacts  # noqa: PLC0415  (pydantic's models take time)

    return ForgejoFacts(host)


def _read_probe(answer: Answer, host: str) -> Response | NonValue:
    from fetcher.upstreams.forgejo.readers import classify  # noqa: PLC0415

    return classify(answer, host)


FORGEJO: Final = HostedKind(
    kind=ForgeKind.FORGEJO,
    title="Forgejo",
    routes=tuple(Route),
    connect=_connect,
    probe=version,
    read_probe=_read_probe,
    authorization="token {}".format,
)
