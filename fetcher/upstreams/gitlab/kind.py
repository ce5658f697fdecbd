"""GitLab as a kind of forge."""

from __future__ import annotations

from typing import Final

from fetcher.domain.outcome import NonValue
from fetcher.http.messages import Answer, Response
from fetcher.upstreams.base import Tools
from fetcher.upstreams.gitlab.requests import Route, probe
from fetcher.upstreams.hosted.base import FactsReader, ForgeHost, ForgeKind
from fetcher.upstreams.hosted.kinds import HostedKind


def _connect(host: ForgeHost, tools: Tools) -> FactsReader:
    from fetcher.upstreams.gitlab.facts import GitLabFacts  # noqa: PLC0415  (pydantic's models take time)

    return GitLabFacts(host)


def _read_probe(answer: Answer, host: str) -> Response | NonValue:
    from fetcher.upstreams.gitlab.classify import classify  # noqa: PLC0415

    return classify(answer, host)


GITLAB: Final = HostedKind(
    kind=ForgeKind.GITLAB,
    title="GitLab",
    routes=tuple(Route),
    connect=_connect,
    probe=probe,
    read_probe=_read_probe,
    batch=100,
    per_request=10,
    look_ahead=1 / 8,
)
