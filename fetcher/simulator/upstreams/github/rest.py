"""GitHub's REST API: the responses of the repository routes, computed from the world alone."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import lru_cache
from urllib.parse import urlencode

from fetcher.simulator.comparison import compare
from fetcher.simulator.exchange import Answer, Call, Handler, about
from fetcher.simulator.git_log import git_log, holds
from fetcher.simulator.history import Contributor, History, commit_activity, contributors, participation
from fetcher.simulator.repository import Block, Repository
from fetcher.simulator.upstreams.github import bodies
from fetcher.simulator.upstreams.github.errors import message
from fetcher.simulator.upstreams.github.options import HOST, GitHubOptions
from fetcher.simulator.upstreams.github.statistics_jobs import EmptyAnswer, Participation, StatisticsJobs
from fetcher.simulator.world import World

MOST_PER_PAGE = 100
USUAL_PER_PAGE = 30
COMPARED_UNPAGED = 250

RepositoryHandler = Callable[[Call, Repository], Answer]


class GitHubRest:
    """Handlers of the routes under ``/repos/{owner}/{name}`` and ``/repositories/{id}``."""

    def __init__(self, world: World, jobs: StatisticsJobs, options: GitHubOptions | None = None) -> None:
        self._world = world
        self._options = options or GitHubOptions()
        self._jobs = jobs
        self._contributors = lru_cache(maxsize=1024)(_contributors_of)

    def routes(self) -> dict[str, tuple[str, Handler]]:
        """Return a mapping route name → (path below the repository, handler)."""
        return {
            "repository": ("", self._found(self.repository)),
            "contributors": ("/contributors", self._found(self.contributors)),
            "participation": ("/stats/participation", self._found(self.participation)),
            "commit_activity": ("/stats/commit_activity", self._found(self.commit_activity)),
            "commits": ("/commits", self._found(self.commits)),
            "compare": ("/compare/{basehead:path}", self._found(self.compare)),
        }

    def _found(self, handle: RepositoryHandler) -> Handler:
        """Look the repository up first: missing, moved and blocked ones have the same response on every route."""

        def handler(call: Call) -> Answer:
            number = call.parameters.get("id")
            asked = None if number is not None else f"{call.parameters['owner']}/{call.parameters['name']}"
            if asked is None:
                found = self._world.repository_by_id(int(number or 0), HOST)
            else:
                found = self._world.repository(f"{HOST}/{asked}")
            answer = self._refused(found) or self._moved(call, asked, found)
            if answer is None and found is not None:
                answer = handle(call, found)
            answer = answer or message(404, "Not Found")
            answer.packages = about(asked or (found.full_name if found else str(number)))
            return answer

        return handler

    @staticmethod
    def _refused(found: Repository | None) -> Answer | None:
        if found is None or found.private:
            return message(404, "Not Found")
        if found.block is None:
            return None
        status = 451 if found.block is Block.LEGAL else 403
        return message(status, "Repository access blocked", block={"reason": found.block.value})

    @staticmethod
    def _moved(call: Call, asked: str | None, found: Repository | None) -> Answer | None:
        if asked is None or found is None or found.full_name.lower() == asked.lower():
            return None
        rest = call.path.removeprefix(f"/repos/{asked}")
        location = f"{call.root}/repositories/{found.database_id}{rest}"
        if call.query:
            location += f"?{urlencode(call.query)}"
        answer = message(301, "Moved Permanently", url=location)
        answer.headers["location"] = location
        return answer

    def _bodies(self, call: Call) -> bodies.Bodies:
        return bodies.Bodies(call.root, self._options.node_ids)

    def repository(self, call: Call, repo: Repository) -> Answer:
        return Answer(payload=self._bodies(call).repository(repo))

    def contributors(self, call: Call, repo: Repository) -> Answer:
        if repo.contributors_too_large:
            text = "The history or contributor list is too large to list contributors for this repository via the API."
            return message(403, text)
        if repo.empty:
            return Answer(status=204)
        counted = self._world.history_at(repo, call.now - self._jobs.settings.contributors_lag)
        accounts, anonymous = self._contributors(counted)
        listed = [*accounts, *anonymous] if call.query.get("anon") in ("1", "true") else accounts
        listed = sorted(listed, key=lambda one: -one.contributions)
        page = _page(call, len(listed))
        answer = Answer(payload=[self._bodies(call).contributor(one) for one in listed[page.start : page.stop]])
        _link(call, answer, page, len(listed))
        return answer

    def participation(self, call: Call, repo: Repository) -> Answer:
        answer = self._not_ready("participation", call.now, repo)
        if answer is None:
            body = bodies.participation(
                self._weeks(repo, call.now.date()), self._weeks(repo, call.now.date(), repo.owner)
            )
            answer = Answer(payload=body)
        return answer

    def _weeks(self, repo: Repository, today: date, owner: str | None = None) -> list[int]:
        """Return the weekly counts that the settings select."""
        counting = self._jobs.settings.participation
        merges = counting is not Participation.WITHOUT_MERGES
        weeks = participation(repo.history.commits(), today, owner, merges=merges)
        return [count + 1 for count in weeks] if counting is Participation.WRONG else weeks

    def commit_activity(self, call: Call, repo: Repository) -> Answer:
        answer = self._not_ready("commit_activity", call.now, repo)
        if answer is None:
            weeks = commit_activity(repo.history.commits(), call.now.date())
            answer = Answer(payload=bodies.commit_activity(weeks))
        return answer

    def _not_ready(self, kind: str, now: datetime, repo: Repository) -> Answer | None:
        tip = repo.history.tip
        if tip is None:
            if self._jobs.settings.empty is EmptyAnswer.ZEROS:
                return None
            return Answer(status=int(self._jobs.settings.empty))
        if self._jobs.ready(repo.database_id, kind, tip.oid, repo.pushed_at, now):
            return None
        return Answer(status=202)

    def commits(self, call: Call, repo: Repository) -> Answer:
        if repo.empty:
            return message(409, "Git Repository is empty.")
        sha = call.query.get("sha", repo.default_branch)
        start = _oid_of(repo, sha)
        line = next((one for one in (repo.history, *repo.abandoned) if holds(one, start)), None)
        if line is None:
            return message(404, f"No commit found for SHA: {sha}")
        newest_first = git_log(line, start)
        page = _page(call, len(newest_first))
        shown = newest_first[page.start : page.stop]
        answer = Answer(payload=[self._bodies(call).commit(repo.full_name, one) for one in shown])
        _link(call, answer, page, len(newest_first))
        return answer

    def compare(self, call: Call, repo: Repository) -> Answer:
        base, dots, head = str(call.parameters["basehead"]).partition("...")
        if not dots or repo.empty:
            return message(404, "Not Found")
        oids = [_oid_of(repo, ref) for ref in (base, head)]
        compared = compare((repo.history, *repo.abandoned), *oids)
        if compared is None:
            return message(404, "Not Found")
        total = len(compared.ahead)
        paged = bool({"page", "per_page"} & call.query.keys())
        page = _page(call, total) if paged else range(min(total, COMPARED_UNPAGED))
        shown = compared.ahead[page.start : page.stop]
        body = self._bodies(call).comparison(repo.full_name, compared, shown, with_files=page.start == 0)
        answer = Answer(payload=body)
        if paged:
            _link(call, answer, page, total)
        return answer


def _oid_of(repo: Repository, ref: str) -> str:
    """Return the oid that a reference names: the default branch's newest commit, or the reference itself."""
    tip = repo.history.tip
    if tip is None or repo.default_branch_missing or ref not in (repo.default_branch, "HEAD"):
        return ref
    return tip.oid


def _contributors_of(history: History) -> tuple[list[Contributor], list[Contributor]]:
    return contributors(history.commits())


def _number(call: Call, name: str, usual: int) -> int:
    text = call.query.get(name, "")
    return max(1, int(text)) if text.isascii() and text.isdigit() else usual


def _page(call: Call, total: int) -> range:
    """Return the slice of a list of ``total`` that ``page`` and ``per_page`` select."""
    size = min(MOST_PER_PAGE, _number(call, "per_page", USUAL_PER_PAGE))
    start = (_number(call, "page", 1) - 1) * size
    return range(min(start, total), min(start + size, total), 1)


def _link(call: Call, answer: Answer, page: Sequence[int], total: int) -> None:
    """Set the ``Link`` header, unless one page holds everything."""
    size = min(MOST_PER_PAGE, _number(call, "per_page", USUAL_PER_PAGE))
    number, last = _number(call, "page", 1), -(-total // size)
    others = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
    wanted = (["next", "last"] if number < last else []) + (["prev", "first"] if number > 1 else [])
    links = [
        f'<{call.root}{call.path}?{urlencode({**call.query, "page": others[rel]})}>; rel="{rel}"' for rel in wanted
    ]
    if links:
        answer.headers["link"] = ", ".join(links)
