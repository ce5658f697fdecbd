"""The simulated Bitbucket: repositories by path and by UUID, the pages of their lists, and those of their commits."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from fetcher.simulator.exchange import Answer, Call, Handler, about
from fetcher.simulator.git.server import GitServer
from fetcher.simulator.git_log import git_log, holds
from fetcher.simulator.mount import Route, Upstream
from fetcher.simulator.paging import number, page_of
from fetcher.simulator.repository import Repository
from fetcher.simulator.upstreams.bitbucket import bodies
from fetcher.simulator.upstreams.bitbucket.bodies import HOST
from fetcher.simulator.upstreams.bitbucket.fields import selected
from fetcher.simulator.upstreams.bitbucket.gate import BitbucketGate, error
from fetcher.simulator.upstreams.bitbucket.settings import Bitbucket
from fetcher.simulator.world import World

USUAL_PAGE, LARGEST_PAGE = 10, 100
USUAL_COMMITS = 30

RepositoryHandler = Callable[[Call, Repository], Answer]


class BitbucketCloud(Upstream):
    """The repositories of one host. A renamed one is not found under its old name, only by its UUID."""

    host = HOST

    def __init__(self, world: World, settings: Bitbucket, *, scale: float, enforced: bool) -> None:
        self.gate = BitbucketGate(settings, scale, enforced=enforced)
        self.git = GitServer(world, HOST)
        self._world = world

    def routes(self) -> Iterable[Route]:
        path = "/2.0/repositories/{workspace}/{slug}"
        return [
            Route("hook_events", "/2.0/hook_events", self.hook_events),
            Route("repository", path, self._found(self.repository)),
            Route("forks", f"{path}/forks", self._found(self.forks)),
            Route("watchers", f"{path}/watchers", self._found(self.watchers)),
            Route("commits", f"{path}/commits", self._found(self.commits)),
            Route("commits", f"{path}/commits/{{revision:path}}", self._found(self.commits)),
        ]

    def forges(self, root: str) -> Mapping[str, Mapping[str, Any]]:
        return {HOST: {"kind": "bitbucket", "root": root}}

    def error(self, status: int, text: str) -> Answer:
        return error(status, text)

    @staticmethod
    def hook_events(call: Call) -> Answer:
        """Return the subjects of webhooks."""
        links = {"events": {"href": f"{call.root}/2.0/hook_events/repository"}}
        return Answer(payload={"repository": {"links": links}})

    @staticmethod
    def repository(call: Call, repo: Repository) -> Answer:
        return Answer(payload=bodies.repository(call.root, repo))

    @staticmethod
    def forks(call: Call, repo: Repository) -> Answer:
        return _page(call, [bodies.account(f"fork-{at}") for at in _shown(call, repo.forks)], repo.forks)

    @staticmethod
    def watchers(call: Call, repo: Repository) -> Answer:
        return _page(call, [bodies.account(f"user-{at}") for at in _shown(call, repo.subscribers)], repo.subscribers)

    @staticmethod
    def commits(call: Call, repo: Repository) -> Answer:
        """Return a page of a branch's commits, without its length and without a filter by date."""
        tip = repo.history.tip
        wanted = str(call.parameters.get("revision", repo.default_branch))
        start = tip.oid if tip is not None and wanted == repo.default_branch else wanted
        if tip is None or not holds(repo.history, start):
            return (
                Answer(payload={"pagelen": USUAL_COMMITS, "values": []})
                if tip is None
                else error(404, "Commit not found")
            )
        log = git_log(repo.history, start)
        size = min(LARGEST_PAGE, number(call.query, "pagelen", USUAL_COMMITS))
        page = number(call.query, "page", 1)
        shown = page_of(len(log), size, page)
        body: dict[str, Any] = {"pagelen": size, "values": [bodies.commit(call.root, repo, log[at]) for at in shown]}
        if shown.stop < len(log):
            query = {**call.query, "ctx": f"{repo.database_id:x}", "page": page + 1}
            body["next"] = f"{call.root}{call.path}?{urlencode(query)}"
        return Answer(payload=body)

    def _found(self, handle: RepositoryHandler) -> Handler:
        """Look the repository up first: missing, private and flagged ones have the same response on every route."""

        def handler(call: Call) -> Answer:
            asked = f"{call.parameters['workspace']}/{call.parameters['slug']}"
            found = self._lookup(call)
            answer = _refused(found, asked)
            if answer is None and found is not None:
                answer = handle(call, found)
                answer.payload = selected(answer.payload, call.query.get("fields", ""))
                answer.headers |= {"cache-control": "max-age=900", "x-accepted-oauth-scopes": "repository"}
            answer = answer or error(404, f"Repository {asked} not found")
            answer.packages = about(found.full_name if found else asked)
            return answer

        return handler

    def _lookup(self, call: Call) -> Repository | None:
        """Return the repository of a workspace and a slug, or of a UUID in the place of the slug.

        Empty braces stand for any workspace.
        """
        workspace, slug = str(call.parameters["workspace"]), str(call.parameters["slug"])
        by_number = bodies.number_of(slug)
        if by_number is not None:
            found = self._world.repository_by_id(by_number, HOST)
            return found if found and workspace in ("{}", found.owner) else None
        found = self._world.repository(f"{HOST}/{workspace}/{slug}")
        return found if found and found.full_name.lower() == f"{workspace}/{slug}".lower() else None


def _refused(found: Repository | None, asked: str) -> Answer | None:
    if found is None:
        return error(404, f"Repository {asked} not found")
    if found.private:
        return error(403, "You may not have access to this repository, or it no longer exists in this workspace.")
    return None if found.block is None else error(410, "This repository has been flagged.")


def _shown(call: Call, total: int) -> range:
    size = min(LARGEST_PAGE, number(call.query, "pagelen", USUAL_PAGE))
    return page_of(total, size, number(call.query, "page", 1))


def _page(call: Call, values: list[Any], total: int) -> Answer:
    size = min(LARGEST_PAGE, number(call.query, "pagelen", USUAL_PAGE))
    page = number(call.query, "page", 1)
    body: dict[str, Any] = {"pagelen": size, "size": total, "page": page, "values": values}
    if page * size < total:
        body["next"] = f"{call.root}{call.path}?{urlencode({**call.query, 'page': page + 1})}"
    return Answer(payload=body)
