"""A host without an API that Fetcher knows: SourceHut, and every host of an unknown kind. Git alone is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from fetcher.domain.model import Purpose, Target
from fetcher.domain.outcome import Fetched, Outcome
from fetcher.http.gateway import Gateway
from fetcher.http.messages import Request
from fetcher.upstreams.base import Tools
from fetcher.upstreams.hosted.base import FactsReader, ForgeFacts, ForgeHost, ForgeKind
from fetcher.upstreams.hosted.kinds import HostedKind

FRONT_PAGE: Final = "front_page"


class NoFacts(FactsReader):
    """The facts of a host without an API: the repository's name alone, without a request."""

    async def facts(
        self, targets: Sequence[Target], gateway: Gateway, purpose: Purpose
    ) -> Mapping[int, Outcome[ForgeFacts]]:
        return {target.package_id: Fetched(_of_name(target.repo.path)) for target in targets if target.repo is not None}

    async def accounts(
        self, target: Target, gateway: Gateway, purpose: Purpose, *, since: str | None = None
    ) -> Outcome[Mapping[str, str]]:
        return Fetched({})


def _of_name(path: str) -> ForgeFacts:
    return ForgeFacts(
        repository_id=None,
        full_name=path,
        stars=None,
        forks=None,
        watchers=None,
        description=None,
        archived=False,
        disabled=False,
        empty=None,
        default_branch=None,
        head_oid=None,
        head_committed_at=None,
        pushed_at=None,
        is_known=False,
    )


def _front_page(host: ForgeHost) -> Request:
    return Request(host.name, "api", FRONT_PAGE, f"{host.root}/", max_bytes=1024 * 1024)


def _connect(host: ForgeHost, tools: Tools) -> FactsReader:
    return NoFacts()


GIT_ONLY: Final = HostedKind(
    kind=ForgeKind.GIT,
    title="Git",
    routes=(FRONT_PAGE,),
    connect=_connect,
    probe=_front_page,
    clone_suffix="",
)
