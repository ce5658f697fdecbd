"""Hints: reports that a repository may have changed. They make packages due and state no value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from fetcher.domain.model import Source

SPACING = timedelta(minutes=1)
"""Least time between two requests that hints cause for one source of a package."""


@dataclass(frozen=True, slots=True)
class Hint:
    """A repository named by a webhook, by its present and former paths or by its forge's id."""

    host: str
    """In lower case."""
    paths: tuple[str, ...]
    """In lower case, the present path first."""
    repository_id: str | None
    sources: tuple[Source, ...]
    """The sources that the event may have changed."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the paths: ``fetcher.domain.model.RepoRef.key``."""
        return tuple(f"{self.host}/{path}" for path in self.paths)
