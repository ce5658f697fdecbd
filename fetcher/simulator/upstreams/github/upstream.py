"""The simulated GitHub: its routes, its gate, and the actions that only it has."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

from fetcher.simulator.exchange import Answer, Call, Handler
from fetcher.simulator.faults import Rule
from fetcher.simulator.git.server import GitServer
from fetcher.simulator.mount import Action, Route, Upstream
from fetcher.simulator.repository import Repository
from fetcher.simulator.upstreams.github.account import GitHubAccount
from fetcher.simulator.upstreams.github.credentials import DEFAULT_TOKEN
from fetcher.simulator.upstreams.github.errors import GRAPHQL_ROUTE, fault_answer, message
from fetcher.simulator.upstreams.github.gate import GitHubGate
from fetcher.simulator.upstreams.github.graphql import GitHubGraphQL
from fetcher.simulator.upstreams.github.limits import Ledger, Resource
from fetcher.simulator.upstreams.github.node_ids import NodeIds, node_id
from fetcher.simulator.upstreams.github.options import HOST
from fetcher.simulator.upstreams.github.rest import GitHubRest
from fetcher.simulator.upstreams.github.settings import GitHubSettings
from fetcher.simulator.upstreams.github.statistics_jobs import StatisticsJobs
from fetcher.simulator.world import World

ENTERPRISE_ROOT, ENTERPRISE_GRAPHQL_ROOT = "/api/v3", "/api"

Details = Mapping[str, Any]
Result = dict[str, Any]


class GitHub(Upstream):
    """REST and GraphQL over one ledger, one set of credentials and one set of statistics jobs."""

    host = HOST

    def __init__(self, world: World, settings: GitHubSettings) -> None:
        world.remembered = settings.statistics.contributors_lag
        self.options = settings.github
        self.credentials = settings.credentials
        self.ledger = Ledger(settings.limits)
        self.jobs = StatisticsJobs(settings.statistics)
        self.gate = GitHubGate(self.credentials, self.ledger, self.options)
        self.git = GitServer(world, HOST)
        self._world = world
        rest = GitHubRest(world, self.jobs, self.options).routes()
        account = GitHubAccount(self.credentials, self.ledger, self.options).routes()
        self._rest = [
            Route(name, prefix + path, self._versioned(handle))
            for prefix in ("/repos/{owner}/{name}", "/repositories/{id:int}")
            for name, (path, handle) in rest.items()
        ] + [Route(name, path, self._versioned(handle), method) for name, (method, path, handle) in account.items()]
        handle = GitHubGraphQL(world, self.ledger, self.options).handle
        self._graphql = Route(GRAPHQL_ROUTE, "/graphql", handle, "POST")

    def routes(self) -> Iterable[Route]:
        return [self._graphql, *self._rest]

    def other_prefixes(self) -> Mapping[str, Iterable[Route]]:
        """Return the routes under GitHub Enterprise's addresses."""
        return {ENTERPRISE_ROOT: self._rest, ENTERPRISE_GRAPHQL_ROOT: [self._graphql]}

    def _versioned(self, handle: Handler) -> Handler:
        """Return a REST handler that returns 410 for a retired version of the API."""

        def handler(call: Call) -> Answer:
            version = call.headers.get("x-github-api-version", "")
            if version in self.options.retired_versions:
                return message(410, f"Version {version} of the API is no longer supported.")
            return handle(call)

        return handler

    def environment(self, root: str) -> Mapping[str, str]:
        token = next(iter(self.credentials.identities), DEFAULT_TOKEN)
        return {"FETCHER_GITHUB_API_URL": root, "FETCHER_GITHUB_TOKEN": token}

    def facts(self, repository: Repository) -> Mapping[str, Any]:
        return {"node_id": node_id("Repository", repository.database_id, self.options.node_ids)}

    def etag(self, call: Call, body: bytes) -> str:
        """Return a weak validator that differs for each credential."""
        key = (call.token or "").encode()[:64]
        return f'W/"{blake2b(body, key=key, digest_size=32).hexdigest()}"'

    def error(self, status: int, text: str) -> Answer:
        return message(status, text)

    def fault(self, rule: Rule, call: Call) -> Answer:
        return fault_answer(rule, call)

    def actions(self) -> Mapping[str, Action]:
        return {
            "revoke": self._revoke,
            "restore": self._restore,
            "quota": self._quota,
            "warm": self._warm,
            "node_ids": self._node_ids,
            "deprecate": self._deprecate,
            "retire_version": self._retire_version,
        }

    def _revoke(self, target: str, _details: Details) -> Result:
        self.credentials.revoked.add(target)
        return {}

    def _restore(self, target: str, _details: Details) -> Result:
        self.credentials.revoked.discard(target)
        return {}

    def _quota(self, target: str, details: Details) -> Result:
        resource = Resource(details.get("resource", Resource.CORE))
        now = self._world.clock.now()
        self.ledger.set_remaining(target, resource, int(details["remaining"]), now)
        standing = self.ledger.standing(target, resource, now)
        return {"remaining": standing.remaining, "reset": standing.reset.isoformat()}

    def _warm(self, _target: str, _details: Details) -> Result:
        self.jobs.warm(self._world.clock.now())
        return {}

    def _node_ids(self, target: str, _details: Details) -> Result:
        self.options.node_ids = NodeIds(target)
        return {"node_ids": target}

    def _deprecate(self, _target: str, details: Details) -> Result:
        for name, text in details.items():
            if name not in ("deprecation", "sunset") or not isinstance(text, str | None):
                raise ValueError(f"expected the texts of deprecation and sunset, or null, and not {name} {text!r}")
        for name, text in details.items():
            setattr(self.options, name, text)
        return {"deprecation": self.options.deprecation, "sunset": self.options.sunset}

    def _retire_version(self, target: str, details: Details) -> Result:
        retired = self.options.retired_versions
        change = retired.add if details.get("retired", True) else retired.discard
        change(target)
        return {"retired": sorted(retired)}
