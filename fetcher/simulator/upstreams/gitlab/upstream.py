"""The simulated GitLab: GraphQL, projects over REST, the version, and the pages of a browser."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from fetcher.simulator.clock import stamp
from fetcher.simulator.exchange import Answer, Call, about
from fetcher.simulator.faults import Kind, Rule
from fetcher.simulator.git.server import GitOptions, GitServer
from fetcher.simulator.mount import PHRASES, Route, Upstream
from fetcher.simulator.repository import Repository
from fetcher.simulator.upstreams.gitlab.gate import FRONT, GRAPHQL, PROJECT, RETRY_LATER, GitLabGate
from fetcher.simulator.upstreams.gitlab.graphql import GitLabGraphQL, shown
from fetcher.simulator.upstreams.gitlab.settings import TOKEN, GitLab
from fetcher.simulator.upstreams.gitlab.views import NUMBERED_FROM, number_of
from fetcher.simulator.world import World

API = "/api/v4"
VERSION = {"version": "19.4.0-pre", "revision": "0f2c6e3a1b5"}
SIGN_IN = b"<!DOCTYPE html><html><head><title>Sign in - GitLab</title></head><body>Sign in</body></html>\n"
PAGE = "text/html; charset=utf-8"
PLAIN = "text/plain"


class GitLabInstance(Upstream):
    """One instance. Git serves a moved project at its former path."""

    def __init__(self, world: World, host: str, settings: GitLab, *, scale: float, enforced: bool) -> None:
        self.host = host
        self.settings = settings
        self.gate = GitLabGate(settings, scale, enforced=enforced)
        self.git = GitServer(world, host, GitOptions(moved=200))
        self._world = world
        self._graphql = GitLabGraphQL(world, host, older=settings.older)

    def routes(self) -> Iterable[Route]:
        return [
            Route(GRAPHQL, "/api/graphql", self._graphql.handle, "POST"),
            Route(PROJECT, f"{API}/projects/{{path:path}}", self.project),
            Route("version", f"{API}/version", self.version),
            Route("sign_in", "/users/sign_in", lambda call: Answer(body=SIGN_IN, content_type=PAGE)),
            Route(FRONT, "/", self.front),
        ]

    def forges(self, root: str) -> Mapping[str, Mapping[str, Any]]:
        entry = {"kind": "gitlab", "root": root}
        return {str(self.host): entry | ({"token": TOKEN} if self.settings.sign_in else {})}

    def error(self, status: int, text: str) -> Answer:
        return Answer(status=status, payload={"message": f"{status} {text}"})

    def fault(self, rule: Rule, call: Call) -> Answer:
        """Return an error: a limit and a blocked address are plain text, everything else is JSON."""
        if rule.kind in (Kind.RESOURCE_LIMITS, Kind.RATE_LIMITED):
            return Answer(payload={"errors": [{"message": rule.message or "Timeout on Query.projects"}]})
        text = rule.message or PHRASES.get(rule.status, "Error")
        if rule.status == 429:
            return Answer(status=429, body=RETRY_LATER, content_type=PLAIN)
        if rule.status == 403:
            return Answer(status=403, body=f"{text}\n".encode(), content_type=PLAIN)
        if call.route == GRAPHQL:
            return Answer(status=rule.status, payload={"errors": [{"message": text}]})
        return self.error(rule.status, text)

    @staticmethod
    def front(call: Call) -> Answer:
        return Answer(status=302, content_type=PAGE, headers={"location": f"{call.root}/users/sign_in"})

    def version(self, call: Call) -> Answer:
        return Answer(payload=VERSION) if call.token is not None else self.error(401, "Unauthorized")

    def project(self, call: Call) -> Answer:
        """Return a project by its number or its path. A former path redirects to the number."""
        asked = str(call.parameters["path"])
        by_number = asked.isascii() and asked.isdigit()
        found = shown(
            self._world.repository_by_id(int(asked) + NUMBERED_FROM, self.host)
            if by_number
            else self._world.repository(f"{self.host}/{asked}"),
            member=call.member,
        )
        if found is None:
            answer = self.error(404, "Project Not Found")
        elif by_number or found.full_name.lower() == asked.lower():
            answer = Answer(payload=self._body(found, call))
        else:
            query = f"?{urlencode(call.query)}" if call.query else ""
            location = f"{call.root}{API}/projects/{number_of(found)}{query}"
            answer = Answer(status=301, body=b"", headers={"location": location})
        answer.packages = about(found.full_name if found is not None else asked)
        return answer

    def _body(self, repo: Repository, call: Call) -> dict[str, Any]:
        page = f"https://{repo.address}"
        body: dict[str, Any] = {
            "id": number_of(repo),
            "description": repo.description,
            "name": repo.name,
            "name_with_namespace": repo.full_name.replace("/", " / "),
            "path": repo.name,
            "path_with_namespace": repo.full_name,
            "created_at": _moment(repo),
            "default_branch": None if repo.empty else repo.default_branch,
            "topics": [],
            "http_url_to_repo": f"{page}.git",
            "web_url": page,
            "readme_url": None,
            "forks_count": repo.forks,
            "star_count": repo.stars,
            "last_activity_at": stamp(repo.pushed_at).replace("Z", ".000Z"),
            "namespace": {"kind": "group" if "/" in repo.owner else "user", "full_path": repo.owner},
            "_links": {"self": f"{call.root}{API}/projects/{quote(str(number_of(repo)))}"},
            "empty_repo": repo.empty,
            "archived": repo.archived,
            "visibility": "private" if repo.private else "public",
            "open_issues_count": 0,
        }
        if call.query.get("license", "").lower() in ("true", "1"):
            key = (repo.license or "").lower()
            body["license"] = {"key": key, "name": repo.license, "html_url": None} if key else None
        return body | ({"marked_for_deletion_on": repo.pushed_at.date().isoformat()} if repo.disabled else {})


def _moment(repo: Repository) -> str:
    return stamp(repo.created_at).replace("Z", ".000Z")
