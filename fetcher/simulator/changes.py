"""Upstream changes: pushes, renames, deletions, releases. Each function changes a world in one step.

A ``target`` is a project's name, or a repository's ``owner/name`` on GitHub or ``host/path`` on any host.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random

from fetcher.simulator.git.objects import sealed
from fetcher.simulator.git_log import first_parents, git_log
from fetcher.simulator.history import Author, Commit, History, WrittenHistory, contributors, grow
from fetcher.simulator.project import Project, ProjectStatus, Release
from fetcher.simulator.repository import Block, Repository, address_of
from fetcher.simulator.world import World

LATE_MERGES, PROMPT_MERGES = 0.05, 0.15
"""Shares of a churn's pushes that merge a branch of up to 30 days ago, and one of now."""


class UnknownTargetError(LookupError):
    """The change names a repository or project that the world does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """New commits on the default branch. Without a login the busiest contributor writes them.

    ``age`` dates their authoring back, as after a rebase; ``merge`` puts a merge commit of now on top of them.
    ``committed_age`` backdates the committer date as well: the commits stand on a side branch that left the default
    branch at that time and is merged now. In git's order they follow the commits made on the branch since then.
    """

    commits: int = 1
    login: str | None = None
    anonymous: bool = False
    age: timedelta = timedelta(0)
    committed_age: timedelta = timedelta(0)
    merge: bool = False


def repository_of(world: World, target: str) -> Repository:
    repository = world.repository(target)
    if repository is None:
        raise UnknownTargetError(f"no repository {target}")
    return repository


def project_of(world: World, name: str) -> Project:
    project = world.project(name)
    if project is None:
        raise UnknownTargetError(f"no project {name}")
    return project


def push(world: World, target: str, pushed: Push | None = None) -> Repository:
    """Add commits to the default branch."""
    repository = repository_of(world, target)
    now = world.clock.now().replace(microsecond=0)
    added = _new_commits(repository, pushed or Push(), now, world.new_push())
    changed = replace(repository, history=grow(repository.history, added), pushed_at=now)
    world.put_repository(changed)
    return changed


def _new_commits(repository: Repository, pushed: Push, now: datetime, number: int) -> tuple[Commit, ...]:
    """Return the commits of a push. Its number is in their messages, so no two pushes make the same commit."""
    author = _author(repository, pushed)
    tip, late = repository.history.tip, pushed.committed_age
    written_at = [now - timedelta(minutes=pushed.commits - number) for number in range(pushed.commits)]
    parents: tuple[str, ...] = () if tip is None else (tip.oid,)
    if late and written_at:
        parents = _fork_point(repository.history, written_at[0] - late)
    commits: list[Commit] = []
    for at, moment in enumerate(written_at):
        authored_at = (moment - max(pushed.age, late)).replace(microsecond=0)
        committed_at = (moment - late).replace(microsecond=0) if late else now
        text = f"Commit {at} of push {number}"
        commits.append(sealed(author, authored_at, committed_at, parents, text, repository.object_format))
        parents = (commits[-1].oid,)
    if tip is not None and (pushed.merge or late):
        text = f"Merge of push {number}"
        commits.append(sealed(author, now, now, (tip.oid, *parents), text, repository.object_format))
    return tuple(commits)


def _fork_point(history: History, left_at: datetime) -> tuple[str, ...]:
    """Return the default branch's head at a moment, or its first commit if the branch is younger."""
    found: tuple[str, ...] = ()
    for commit in first_parents(history):
        found = (commit.oid,)
        if commit.committed_at <= left_at:
            break
    return found


def _author(repository: Repository, pushed: Push) -> Author:
    if pushed.anonymous:
        return Author(None, "Nameless", "nameless@example.invalid")
    login = pushed.login
    if login is None:
        known, _ = contributors(repository.history.commits())
        login = known[0].author.login if known else repository.owner
    return Author(login, str(login).title(), f"{login}@example.invalid")


def force_push(world: World, target: str, *, dropped: int = 1, commits: int = 1, vanished: bool = False) -> Repository:
    """Replace the last ``dropped`` commits of the branch, and the commits that only they merged, by others.

    With ``vanished`` GitHub no longer finds the old ones.
    """
    repository = repository_of(world, target)
    new_tip = next(islice(first_parents(repository.history), dropped, None), None)
    reached = {one.oid for one in git_log(repository.history, new_tip.oid)} if new_tip else set()
    kept = [one for one in repository.history.commits() if one.oid in reached]
    abandoned = () if vanished else (*repository.abandoned, repository.history)
    world.put_repository(replace(repository, history=WrittenHistory(kept), abandoned=abandoned))
    return push(world, target, Push(commits=commits))


def empty(world: World, target: str) -> Repository:
    """Delete every branch."""
    changed = replace(repository_of(world, target), history=WrittenHistory(), abandoned=())
    world.put_repository(changed)
    return changed


def rename(world: World, target: str, new_name: str, new_owner: str | None = None) -> Repository:
    """Rename the repository, or with an owner transfer it; the old name still leads to the repository."""
    repository = repository_of(world, target)
    changed = replace(repository, name=new_name, owner=new_owner or repository.owner)
    world.put_repository(changed)
    return changed


def delete(world: World, target: str) -> None:
    world.drop_repository(repository_of(world, target).database_id)


def recreate(world: World, target: str, *, commits: int = 1, login: str = "newcomer") -> Repository:
    """Create a repository under the name of one that was deleted or moved: same name, different id."""
    present = world.repository(target)
    if present is not None and present.address.lower() == address_of(target).lower():
        world.drop_repository(present.database_id)
    host, _, path = address_of(target).partition("/")
    owner, _, name = path.rpartition("/")
    now = world.clock.now().replace(microsecond=0)
    database_id = world.new_repository_id()
    created = Repository(database_id=database_id, host=host, owner=owner, name=name, created_at=now, pushed_at=now)
    world.put_repository(created)
    return push(world, target, Push(commits=commits, login=login))


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Plain facts to set on a repository; None leaves one as it is."""

    archived: bool | None = None
    disabled: bool | None = None
    private: bool | None = None
    contributors_too_large: bool | None = None
    default_branch_missing: bool | None = None
    stars: int | None = None
    forks: int | None = None
    subscribers: int | None = None
    description: str | None = None


def set_facts(world: World, target: str, facts: Facts) -> Repository:
    given = {name: value for name in Facts.__dataclass_fields__ if (value := getattr(facts, name)) is not None}
    changed = replace(repository_of(world, target), **given)
    world.put_repository(changed)
    return changed


def set_block(world: World, target: str, block: Block | None) -> Repository:
    changed = replace(repository_of(world, target), block=block)
    world.put_repository(changed)
    return changed


def release(world: World, name: str, version: str | None = None, *, requires_python: str | None = None) -> Project:
    """Upload a new version; without a version, the next major of the latest final one."""
    project = project_of(world, name)
    if version is None:
        latest = project.latest()
        parsed = latest.parsed if latest else None
        version = f"{parsed.release[0] + 1 if parsed else 1}.0"
    new = Release(version=version, uploaded_at=world.clock.now().astimezone(UTC), requires_python=requires_python)
    kept = tuple(one for one in project.releases if one.version != version)
    return _put(world, replace(project, releases=(*kept, new)))


def yank(world: World, name: str, version: str | None = None, *, reason: str | None = None) -> Project:
    """Yank a version; without one, the latest."""
    project = project_of(world, name)
    latest = project.latest()
    target = version or (latest.version if latest else None)
    if target not in {one.version for one in project.releases}:
        raise UnknownTargetError(f"no version {target} of {name}")
    releases = tuple(
        replace(one, yanked=True, yanked_reason=reason) if one.version == target else one for one in project.releases
    )
    return _put(world, replace(project, releases=releases))


def set_status(world: World, name: str, status: ProjectStatus, reason: str | None = None) -> Project:
    """Archive, quarantine, deprecate or reactivate a project. As upstream, this does not change the serial."""
    changed = replace(project_of(world, name), status=status, status_reason=reason)
    world.put_project(changed)
    return changed


def _put(world: World, project: Project) -> Project:
    moved = replace(project, serial=world.new_serial())
    world.put_project(moved)
    return moved


@dataclass(frozen=True, slots=True)
class Churn:
    """The packages changed by a bulk change."""

    pushed: tuple[str, ...]
    released: tuple[str, ...]


def churn(world: World, *, heads: float = 0.05, releases: float = 0.02, seed: int = 0) -> Churn:
    """Move a share of the heads and release a share of the projects: the same ones for the same seed."""
    rng = Random(seed)  # noqa: S311 - chooses invented packages
    ids = world.repository_ids()
    chosen = [world.repository_by_id(known) for known in rng.sample(ids, round(len(ids) * heads))]
    pushed = [repository.target for repository in chosen if repository is not None]
    names = [name for name, _ in world.projects()]
    released = rng.sample(names, round(len(names) * releases))
    for target in pushed:
        commits, chance = rng.randint(1, 4), rng.random()
        age = timedelta(days=rng.randint(1, 30)) if chance < LATE_MERGES else timedelta(0)
        push(world, target, Push(commits=commits, committed_age=age, merge=chance < LATE_MERGES + PROMPT_MERGES))
    for name in released:
        release(world, name)
    return Churn(tuple(pushed), tuple(released))
