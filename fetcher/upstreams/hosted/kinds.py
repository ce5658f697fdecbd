"""The declaration of a kind of forge: its name, its API's facts, its credential's form and the sizes of its batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fetcher.domain.outcome import NonValue
from fetcher.http.messages import NO_META, Answer, Request, Response, ResponseMeta
from fetcher.http.responses import classify_answer
from fetcher.upstreams.base import Tools
from fetcher.upstreams.hosted.base import FactsReader, ForgeHost, ForgeKind


def by_status(answer: Answer, host: str) -> Response | NonValue:
    """Return ``answer`` unless the host has failed or requires a login. A git server needs no front page."""
    if isinstance(answer, Response) and answer.status < 500 and answer.status != 401:
        return answer
    return classify_answer(answer, lambda response: f"{host} returned status {response.status}")


@dataclass(frozen=True, slots=True)
class HostedKind:
    """One kind of forge whose commits are read over git. It performs no I/O, because every command creates it."""

    kind: ForgeKind
    title: str
    """The name for users, such as ``GitLab``."""
    routes: tuple[str, ...]
    """Kinds of its API's requests."""
    connect: Callable[[ForgeHost, Tools], FactsReader]
    """Returns the live reader of facts. It imports the reader's modules, which take time."""
    probe: Callable[[ForgeHost], Request]
    """Builds a request that every credential may send, for ``fetcher doctor``."""
    read_probe: Callable[[Answer, str], Response | NonValue] = by_status
    """Returns the response to the probe, or its outcome if the host (the second argument) cannot be used."""
    authorization: Callable[[str], str] = "Bearer {}".format
    """Returns the header ``Authorization`` for a token. It is sent to the API only, never with git's requests."""
    read_meta: Callable[[Response], ResponseMeta] = lambda _: NO_META
    clone_suffix: str = ".git"
    """Text behind a repository's path in its clone address."""
    batch: int = 10
    """Packages in a claim."""
    per_request: float = 0.5
    """Packages that one request of the API serves on average, those to git included where they share its quota."""
    look_ahead: float = 0.0
    """Share of the interval by which a package may be claimed early, to fill a batch of facts."""
