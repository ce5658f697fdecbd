"""Protocols that several modules of the refresh need; each module declares the others that it uses.

Adapters stay trivial, and fakes pass the same contract tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from fetcher.domain.lag import Lag
from fetcher.domain.model import Purpose, Record, Validators
from fetcher.domain.outcome import NonValue
from fetcher.http.messages import Answer, Request


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...


class Credential(Protocol):
    """The credential of an upstream's requests. ``header`` may have to fetch a fresh token first."""

    @property
    def identity(self) -> str:
        """The identity whose quota is spent: an account, an App's installation or an address; never a secret."""
        ...

    async def header(self) -> str | None:
        """Return the value of ``Authorization``, or ``None`` for an anonymous request."""
        ...


@dataclass(frozen=True, slots=True)
class Site:
    """The roots to which an upstream's requests may go, and the credential that they carry."""

    roots: tuple[str, ...] = field(repr=False)
    """May contain a mirror's password."""
    credential: Credential | None = None
    public_only: bool = False
    """Its hosts were named by an editor, so they must resolve to public addresses."""


class Transport(Protocol):
    async def send(self, request: Request) -> Answer:
        """Send once and read at most ``max_bytes``. Connection faults may be retried, and are counted."""
        ...

    async def stream(self, request: Request, feed: Callable[[bytes], None]) -> Answer:
        """Send like ``send``, with a 200's body passed to ``feed`` in pieces and an empty ``body`` in the response."""
        ...


class Observer(Protocol):
    """A receiver of events for metrics. It never raises and never waits."""

    def responded(self, request: Request, answer: Answer, outcome: NonValue | None) -> None:
        """Receive a sent request, its response, and the outcome read from it unless it has values."""
        ...

    def refreshed(self, purpose: Purpose, packages: int, records: Sequence[Record]) -> None:
        """Receive the records of a batch of ``packages``."""
        ...

    def changed(self, lags: Sequence[Lag]) -> None:
        """Receive the lag of each change that a batch has stored."""
        ...


class NullObserver:
    """An observer that does nothing."""

    def responded(self, request: Request, answer: Answer, outcome: NonValue | None) -> None:
        """Do nothing."""

    def refreshed(self, purpose: Purpose, packages: int, records: Sequence[Record]) -> None:
        """Do nothing."""

    def changed(self, lags: Sequence[Lag]) -> None:
        """Do nothing."""


NULL_OBSERVER = NullObserver()


# --- the store --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Imported:
    """Changes made by an import. ``rejected`` pairs an entry's index with the reason."""

    added: int
    updated: int
    unchanged: int
    rejected: tuple[tuple[int, str], ...]
    unsupported: tuple[tuple[str, str], ...]
    """Slug, and the reason why its repository or project will not be fetched."""
    slugs: tuple[str, ...] = ()
    """Slugs of the stored entries, as the catalogue has them, in the order of the entries."""
    cleaned: int = 0
    """Number of entries with a user name or password in an address, which was removed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State of one request made for the complete catalogue (the index's root)."""

    name: str
    observed_at: datetime | None = None
    due_at: datetime | None = None
    validators: Validators = Validators()
    outcome: str | None = None
    message: str | None = None


PLANNED = "plan"
"""The checkpoint of the last dispatch, by which monitoring finds beat alive."""


class Checkpoints(Protocol):
    """Stored checkpoints, by name."""

    def get(self, name: str) -> Checkpoint:
        """Return the checkpoint of that name; an empty one if none was saved."""
        ...

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint of that name."""
        ...

    def exchange(self, before: Checkpoint, after: Checkpoint) -> bool:
        """Replace ``before``, as it was read, by ``after``; return whether no other process had changed it."""
        ...
