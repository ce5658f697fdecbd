"""Forgejo and Gitea as a kind of forge."""

from __future__ import annotations

from typing import Final

from fetcher.upstreams.base import Tools
from fetcher.upstreams.forgejo.requests import Route, version
from fetcher.upstreams.hosted.base import FactsReader, ForgeHost, ForgeKind
from fetcher.upstreams.hosted.kinds import HostedKind


def _connect(host: ForgeHost, tools: Tools) -> FactsReader:
    from fetcher.upstreams.forgejo.facts import ForgejoFacts  # noqa: PLC0415  (pydantic's models take time)

    return ForgejoFacts(host)


FORGEJO: Final = HostedKind(
    kind=ForgeKind.FORGEJO,
    title="Forgejo",
    routes=tuple(Route),
    connect=_connect,
    probe=version,
    authorization="token {}".format,
)
