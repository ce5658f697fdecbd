"""The simulated Forgejo: repositories by path and by number, the pages of a branch's commits, and the front page."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from fetcher.simulator.exchange import Answer, Call, Handler, about
from fetcher.simulator.git.server import GitServer
from fetcher.simulator.git_log import git_log, holds
from fetcher.simulator.mount import Route, Upstream
from fetcher.simulator.paging import number, page_of
from fetcher.simulator.repository import Block, Repository
from fetcher.simulator.upstreams.forgejo.bodies import NUMBERED_FROM, Bodies
from fetcher.simulator.upstreams.forgejo.gate import ForgejoGate
from fetcher.simulator.upstreams.forgejo.settings import HALF_AN_HOUR, TOKEN, Forgejo
from fetcher.simulator.world import World

VERSION = "15.0.9+gitea-1.22.0"
LARGEST_PAGE = 50
FRONT = b"<!DOCTYPE html><html><head><title>Forgejo</title></head><body>Forgejo: Beyond coding.</body></html>\n"
API = "/api/v1"

RepositoryHandler = Callable[[Call, Repository], Answer]


class ForgejoInstance(Upstream):
    """One instance. Its JSON has no validators, and git counts for the same limit."""

    etags = False

    def __init__(self, world: World, host: str, settings: Forgejo, *, scale: float, enforced: bool) -> None:
        self.host = host
        self.settings = settings
        limit = settings.requests if enforced else 0
        self.gate = ForgejoGate(limit, HALF_AN_HOUR * scale, sign_in=settings.sign_in)
        self.git = GitServer(world, host, gate=self.gate)
        self._world = world

    def routes(self) -> Iterable[Route]:
        path = f"{API}/repos/{{owner}}/{{name}}"
        return [
            Route("front", "/", self.front),
            Route("version", f"{API}/version", lambda call: Answer(payload={"version": VERSION})),
            Route("repository", path, self._found(self.repository)),
            Route("repository", f"{API}/repositories/{{id:int}}", self._found(self.repository)),
            Route("commits", f"{path}/commits", self._found(self.commits)),
        ]

    def forges(self, root: str) -> Mapping[str, Mapping[str, Any]]:
        entry = {"kind": "forgejo", "root": root}
        return {str(self.host): entry | ({"token": TOKEN} if self.settings.sign_in else {})}

    def error(self, status: int, text: str) -> Answer:
        return Answer(status=status, payload={"message": text, "url": f"https://{self.host}/api/swagger"})

    @staticmethod
    def front(_call: Call) -> Answer:
        return Answer(body=FRONT, content_type="text/html; charset=utf-8", headers={"x-forgejo-version": VERSION})

    def repository(self, call: Call, repo: Repository) -> Answer:
        return Answer(payload=self._bodies(call).repository(repo))

    def commits(self, call: Call, repo: Repository) -> Answer:
        """Return a page of a branch's commits. As in Forgejo, ``since`` and ``until`` are not known."""
        tip = repo.history.tip
        if tip is None:
            return self.error(409, "Git Repository is empty.")
        wanted = call.query.get("sha", "")
        start = tip.oid if wanted in ("", repo.default_branch) else wanted
        if not holds(repo.history, start):
            return self._missing()
        log = git_log(repo.history, start)
        excluded = {one.oid for one in self._excluded(repo, call.query.get("not"))}
        listed = [one for one in log if one.oid not in excluded]
        size = min(LARGEST_PAGE, number(call.query, "limit", LARGEST_PAGE))
        page = number(call.query, "page", 1)
        shown = page_of(len(listed), size, page)
        bodies = self._bodies(call)
        answer = Answer(payload=[bodies.commit(repo, listed[at], call.query) for at in shown])
        answer.headers |= _page_headers(call, page, size, len(listed))
        return answer

    @staticmethod
    def _excluded(repo: Repository, oid: str | None) -> Iterable[Any]:
        return git_log(repo.history, oid) if oid and holds(repo.history, oid) else ()

    def _bodies(self, call: Call) -> Bodies:
        return Bodies(call.root, str(self.host))

    def _found(self, handle: RepositoryHandler) -> Handler:
        """Look the repository up first: missing, moved and blocked ones have the same response on every route."""

        def handler(call: Call) -> Answer:
            asked = self._asked(call)
            found = self._lookup(call, asked)
            answer = self._refused(found) or self._moved(call, asked, found)
            if answer is None and found is not None:
                answer = handle(call, found)
            answer = answer or self._missing()
            answer.packages = about(asked or (found.full_name if found else str(call.parameters.get("id"))))
            return answer

        return handler

    @staticmethod
    def _asked(call: Call) -> str | None:
        given = call.parameters
        return f"{given['owner']}/{given['name']}" if "owner" in given else None

    def _lookup(self, call: Call, asked: str | None) -> Repository | None:
        if asked is not None:
            return self._world.repository(f"{self.host}/{asked}")
        return self._world.repository_by_id(int(call.parameters["id"]) + NUMBERED_FROM, self.host)

    def _refused(self, found: Repository | None) -> Answer | None:
        if found is None or found.private:
            return self._missing()
        match found.block:
            case None:
                return None
            case Block.LEGAL:
                return self.error(451, "This repository is not available for legal reasons.")
            case _:
                return self.error(403, "This repository is not available.")

    def _moved(self, call: Call, asked: str | None, found: Repository | None) -> Answer | None:
        """Return the redirect of a renamed or transferred repository: the same path under its new name."""
        if asked is None or found is None or found.full_name.lower() == asked.lower():
            return None
        rest = call.path.removeprefix(f"{API}/repos/{asked}")
        query = f"?{urlencode(call.query)}" if call.query else ""
        location = f"{call.root}{API}/repos/{found.full_name}{rest}{query}"
        return Answer(status=307, content_type="text/html; charset=utf-8", headers={"location": location})

    def _missing(self) -> Answer:
        missing = self.error(404, "The target couldn't be found.")
        missing.payload["errors"] = []
        return missing


def _page_headers(call: Call, page: int, size: int, total: int) -> dict[str, str]:
    last = max(1, -(-total // size))
    others = {"next": page + 1, "last": last} if page < last else {}
    if page > 1:
        others |= {"first": 1, "prev": page - 1}
    root = f"{call.root}{call.path}"
    links = [f'<{root}?{urlencode({**call.query, "page": at})}>; rel="{rel}"' for rel, at in others.items()]
    headers = {"x-total": str(total), "x-total-count": str(total), "x-hasmore": str(page < last).lower()}
    return headers | ({"link": ",".join(links)} if links else {})
