"""The interface between the simulator and one upstream: the entry of the registry, and the upstream on a world."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import md5
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from fetcher.simulator.exchange import Answer, Call, Handler
from fetcher.simulator.faults import Rule

if TYPE_CHECKING:
    from fetcher.simulator.git.server import GitServer
    from fetcher.simulator.repository import Repository
    from fetcher.simulator.world import World

PHRASES = {status.value: status.phrase for status in HTTPStatus}

Action = Callable[[str, Mapping[str, Any]], dict[str, Any]]
"""An action of the control API: it takes a target and details, and returns the result as JSON."""


class CannotLaunchError(Exception):
    """An option that cannot be followed; the text is the one line that the user reads."""


@dataclass(frozen=True, slots=True)
class Route:
    """One address of an upstream. ``path`` has Starlette's parameters: ``/repos/{path:path}``."""

    name: str
    """The name in the log, in faults and in the summary."""
    path: str
    """The path below the upstream's prefix."""
    handle: Handler
    method: str = "GET"


class Gate(Protocol):
    """The identities and limits of an upstream."""

    def admit(self, call: Call) -> Answer | None:
        """Admit the request (return None; one ``release`` follows), or return its refusal."""

    def settle(self, call: Call, answer: Answer) -> None:
        """Charge the response and report the quota in its headers."""

    def release(self, call: Call, took: timedelta) -> None:
        """Record that the response was sent."""

    def throttled(self, call: Call, rule: Rule) -> None:
        """Record that a fault sent the client a time to wait."""

    def resource(self, call: Call) -> str:
        """Return the quota that the request counts for, by its name in the summary."""


class OpenGate:
    """A gate that requires no identity and enforces no limit. Its quota has the upstream's name."""

    def admit(self, call: Call) -> Answer | None:
        return None

    def settle(self, call: Call, answer: Answer) -> None:
        """Charge nothing."""

    def release(self, call: Call, took: timedelta) -> None:
        """Count nothing."""

    def throttled(self, call: Call, rule: Rule) -> None:
        """Record nothing, because there is no identity."""

    def resource(self, call: Call) -> str:
        return call.upstream


class Upstream(ABC):
    """One upstream of a running simulator. Only ``routes`` is required; the rest has defaults."""

    host: str | None = None
    """The host whose repositories it serves; None if it serves no repositories."""
    gate: Gate = OpenGate()
    git: GitServer | None = None
    """The server of clone addresses under the mount's prefix; it has a gate and errors of its own."""
    etags: bool = True
    """Responses to GET have validators, and 304 replaces those that the client has."""

    @abstractmethod
    def routes(self) -> Iterable[Route]:
        """Return the routes below the prefix."""

    def other_prefixes(self) -> Mapping[str, Iterable[Route]]:
        """Return routes under further prefixes, the longer prefix first."""
        return {}

    def environment(self, root: str) -> Mapping[str, str]:
        """Return the variables that point Fetcher to this upstream, which is served under ``root``."""
        return {}

    def forges(self, root: str) -> Mapping[str, Mapping[str, Any]]:
        """Return entries of ``FETCHER_FORGES`` by host, which point Fetcher to this upstream under ``root``."""
        return {}

    def actions(self) -> Mapping[str, Action]:
        """Return this upstream's actions of the control API by their names."""
        return {}

    def facts(self, repository: Repository) -> Mapping[str, Any]:
        """Return the facts of a repository that only this upstream has, for truths and results of actions."""
        return {}

    def etag(self, call: Call, body: bytes) -> str:
        """Return the validator of a body; by default a strong one for all clients."""
        return f'"{md5(body, usedforsecurity=False).hexdigest()}"'

    def error(self, status: int, text: str) -> Answer:
        """Return an error in this upstream's form."""
        return Answer(status=status, payload={"message": text})

    def fault(self, rule: Rule, call: Call) -> Answer:
        """Return the response to a fault that is an error: a status, a throttle or an error of GraphQL."""
        return self.error(rule.status, rule.message or PHRASES.get(rule.status, "Error"))


class Mount(ABC):
    """One entry of the registry: a name, a prefix, the options of the command, and the way to open the upstream.

    Every command of Fetcher imports the registry, so the module of a mount imports its handlers only in ``open``.
    """

    name: str
    """The label in the log, in faults and in the summary."""

    @property
    def prefix(self) -> str:
        """Return the path under which the server serves it."""
        return f"/{self.name}"

    def read_options(self) -> Mapping[str, Any]:
        """Return fields of ``Settings`` from the command's options.

        Each parameter of an override is an option of ``fetcher simulate``. It has a default and is annotated for Typer.
        A wrong value raises ``CannotLaunchError``.
        """
        return {}

    @abstractmethod
    def open(self, world: World, settings: Any) -> Upstream:
        """Return the upstream over a world. ``settings`` are the registry's ``Settings``."""
