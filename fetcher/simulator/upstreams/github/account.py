"""GitHub's routes about the caller: quota, user, and a GitHub App's installation tokens."""

from typing import Any

from fetcher.simulator.clock import stamp
from fetcher.simulator.exchange import Answer, Call, Handler
from fetcher.simulator.upstreams.github.bodies import Bodies
from fetcher.simulator.upstreams.github.credentials import Credentials
from fetcher.simulator.upstreams.github.limits import Ledger, Resource
from fetcher.simulator.upstreams.github.options import GitHubOptions


class GitHubAccount:
    """Handlers of the routes outside repositories."""

    def __init__(self, credentials: Credentials, ledger: Ledger, options: GitHubOptions) -> None:
        self._options = options
        self._credentials = credentials
        self._ledger = ledger

    def routes(self) -> dict[str, tuple[str, str, Handler]]:
        """Return a mapping route name → (method, path, handler)."""
        return {
            "rate_limit": ("GET", "/rate_limit", self.rate_limit),
            "user": ("GET", "/user", self.user),
            "installation": ("GET", "/app/installations/{id:int}", self.installation),
            "installation_token": (
                "POST",
                "/app/installations/{id:int}/access_tokens",
                self.installation_token,
            ),
        }

    def rate_limit(self, call: Call) -> Answer:
        resources: dict[str, Any] = {}
        for resource in Resource:
            standing = self._ledger.standing(call.identity, resource, call.now)
            resources[resource.value] = {
                "limit": standing.limit,
                "used": standing.used,
                "remaining": standing.remaining,
                "reset": int(standing.reset.timestamp()),
                "resource": resource.value,
            }
        return Answer(payload={"resources": resources, "rate": resources[Resource.CORE.value]})

    def _bodies(self, call: Call) -> Bodies:
        return Bodies(call.root, self._options.node_ids)

    def user(self, call: Call) -> Answer:
        if call.token is None:
            return Answer(status=401, payload={"message": "Requires authentication"})
        return Answer(payload=self._bodies(call).account(call.identity))

    def installation(self, call: Call) -> Answer:
        number = int(call.parameters["id"])
        url = f"{call.root}/app/installations/{number}"
        body = {
            "id": number,
            "account": self._bodies(call).account("simulated-organization"),
            "access_tokens_url": f"{url}/access_tokens",
            "html_url": f"https://github.com/settings/installations/{number}",
            "app_id": 1,
            "target_type": "Organization",
            "permissions": {"metadata": "read"},
            "repository_selection": "all",
            "events": [],
        }
        return Answer(payload=body)

    def installation_token(self, call: Call) -> Answer:
        token, expires = self._credentials.issue(int(call.parameters["id"]), call.now)
        body = {
            "token": token,
            "expires_at": stamp(expires),
            "permissions": {"metadata": "read"},
            "repository_selection": "all",
        }
        return Answer(status=201, payload=body)
