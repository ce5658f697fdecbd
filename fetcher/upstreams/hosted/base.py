"""The values and protocols of a forge whose commits are read over git, and whose API states the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from fetcher.domain.forges import ForgeKind, KnownBy
from fetcher.domain.model import Purpose, Target
from fetcher.domain.outcome import Outcome
from fetcher.http.gateway import Gateway

__all__ = ["FactsReader", "ForgeFacts", "ForgeHost", "ForgeKind"]


@dataclass(frozen=True, slots=True)
class ForgeHost:
    """One host of repositories. Its upstream is named ``name``, and has a quota account of its own."""

    name: str
    """Label of rows, metrics and logs: ``gitlab`` or ``codeberg`` where well known, otherwise the host."""
    host: str
    """The host in editors' addresses, in lower case; one on another port includes that port."""
    kind: ForgeKind
    root: str
    """Root of its pages and API, without a trailing slash: the reader appends ``/api/v4`` and the like."""
    git_root: str
    """Root of clone addresses: ``{git_root}/{path}``."""
    token: str | None = field(default=None, repr=False)
    per_second: float | None = None
    """Requests a second; ``None`` selects the default of the kind."""
    trusted: bool = False
    """The operator's settings name it. Only then may it resolve to a private, loopback or link-local address."""
    known_by: KnownBy = KnownBy.ASSUMED
    """The origin of the knowledge of its kind."""


@dataclass(frozen=True, slots=True)
class ForgeFacts:
    """Facts about one repository from a forge's API. ``None``: the forge does not state it."""

    repository_id: str | None
    full_name: str
    stars: int | None
    forks: int | None
    watchers: int | None
    description: str | None
    archived: bool
    disabled: bool
    empty: bool | None
    default_branch: str | None
    head_oid: str | None
    head_committed_at: datetime | None
    pushed_at: datetime | None
    """A time that every push changes. While it equals the stored one, the head has not moved."""
    is_known: bool = True
    """False for a host without an API: nothing is known but its name and what git states."""


class FactsReader(Protocol):
    """The API of a forge: what git cannot tell. Every method sends its requests through ``gateway``."""

    batched: bool = False
    """True if one request returns the facts of many repositories."""

    async def facts(
        self, targets: Sequence[Target], gateway: Gateway, purpose: Purpose
    ) -> Mapping[int, Outcome[ForgeFacts]]:
        """Request the facts of each target's repository, by package id; by its stored id where there is one."""
        ...

    async def accounts(
        self, target: Target, gateway: Gateway, purpose: Purpose, *, since: str | None = None
    ) -> Outcome[Mapping[str, str]]:
        """Request logins by the oids of the newest commits of the default branch, in one request.

        ``since`` is an older commit: those that lead to it are not needed. A forge that names no accounts returns an
        empty mapping without a request.
        """
        ...
