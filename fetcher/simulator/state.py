"""The state of the running simulator besides its routes, which the control API reads and changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fetcher.simulator.faults import Faults
from fetcher.simulator.journal import Journal
from fetcher.simulator.mount import Upstream
from fetcher.simulator.repository import Repository
from fetcher.simulator.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    world: World
    journal: Journal
    faults: Faults
    upstreams: Mapping[str, Upstream]
    """The upstreams by the names of their mounts."""

    def facts(self, repository: Repository) -> dict[str, Any]:
        """Return the facts of a repository that only the upstreams of its host have."""
        facts: dict[str, Any] = {}
        for upstream in self.upstreams.values():
            if upstream.host == repository.host:
                facts.update(upstream.facts(repository))
        return facts
