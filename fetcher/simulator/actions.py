"""The actions on a running simulator, each with its name, its target and its details."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from datetime import timedelta
from functools import partial
from typing import Any

from fetcher.simulator import changes
from fetcher.simulator.mount import Action
from fetcher.simulator.project import Project, ProjectStatus
from fetcher.simulator.repository import Block, Repository
from fetcher.simulator.state import State

Details = Mapping[str, Any]
Result = dict[str, Any]
WorldAction = Callable[[State, str, Details], Result]


class BadActionError(ValueError):
    """An action that does not exist or has wrong details; the text states the expected ones."""


def act(state: State, request: Mapping[str, Any]) -> Result:
    """Carry out ``{"action": …, "target": …, details…}``."""
    details = dict(request)
    name, target = str(details.pop("action", "")), str(details.pop("target", ""))
    actions: dict[str, Action] = {known: partial(action, state) for known, action in ACTIONS.items()}
    for upstream in state.upstreams.values():
        actions.update(upstream.actions())
    if name not in actions:
        raise BadActionError(f"no action {name!r}; there are {', '.join(sorted(actions))}")
    try:
        return actions[name](target, details)
    except (TypeError, ValueError, KeyError) as error:
        raise BadActionError(f"{name} {target}: {error}") from error


def _repository(state: State, repository: Repository) -> Result:
    tip = repository.history.tip
    return {
        "full_name": repository.full_name,
        "id": repository.database_id,
        "head": tip.oid if tip else None,
        **state.facts(repository),
    }


def _project(project: Project) -> Result:
    latest = project.latest()
    return {"name": project.name, "serial": project.serial, "latest": latest.version if latest else None}


def _push(state: State, target: str, details: Details) -> Result:
    given = dict(details)
    age, committed_age = (timedelta(days=float(given.pop(name, 0))) for name in ("age_days", "committed_age_days"))
    pushed = changes.Push(**given, age=age, committed_age=committed_age)
    return _repository(state, changes.push(state.world, target, pushed))


def _force_push(state: State, target: str, details: Details) -> Result:
    return _repository(state, changes.force_push(state.world, target, **details))


def _empty(state: State, target: str, details: Details) -> Result:
    return _repository(state, changes.empty(state.world, target, **details))


def _rename(state: State, target: str, details: Details) -> Result:
    return _repository(state, changes.rename(state.world, target, str(details["name"])))


def _transfer(state: State, target: str, details: Details) -> Result:
    name = details.get("name") or changes.repository_of(state.world, target).name
    return _repository(state, changes.rename(state.world, target, str(name), str(details["owner"])))


def _delete(state: State, target: str, details: Details) -> Result:
    changes.delete(state.world, target, **details)
    return {}


def _recreate(state: State, target: str, details: Details) -> Result:
    return _repository(state, changes.recreate(state.world, target, **details))


def _set(state: State, target: str, details: Details) -> Result:
    return _repository(state, changes.set_facts(state.world, target, changes.Facts(**details)))


def _block(state: State, target: str, details: Details) -> Result:
    reason = details.get("reason")
    return _repository(state, changes.set_block(state.world, target, Block(reason) if reason else None))


def _release(state: State, target: str, details: Details) -> Result:
    return _project(changes.release(state.world, target, **details))


def _yank(state: State, target: str, details: Details) -> Result:
    return _project(changes.yank(state.world, target, **details))


def _status(state: State, target: str, details: Details) -> Result:
    status = ProjectStatus(str(details["status"]))
    return _project(changes.set_status(state.world, target, status, details.get("reason")))


def _delete_project(state: State, target: str, details: Details) -> Result:
    changes.project_of(state.world, target)
    state.world.drop_project(target, **details)
    return {}


def _advance(state: State, _target: str, details: Details) -> Result:
    state.world.clock.advance(timedelta(seconds=float(details["seconds"])))
    return {"now": state.world.clock.now().isoformat()}


def _git(state: State, target: str, details: Details) -> Result:
    upstream = state.upstreams.get(target)
    if upstream is None or upstream.git is None:
        raise ValueError(f"expected an upstream with git, one of {', '.join(_with_git(state))}")
    options = upstream.git.options
    changed = replace(options, **details)
    for one in fields(changed):
        setattr(options, one.name, getattr(changed, one.name))
    return asdict(options)


def _with_git(state: State) -> list[str]:
    return [name for name, upstream in state.upstreams.items() if upstream.git is not None]


def _churn(state: State, _target: str, details: Details) -> Result:
    churned = changes.churn(state.world, **details)
    return {one.name: getattr(churned, one.name) for one in fields(churned)}


ACTIONS: Mapping[str, WorldAction] = {
    "push": _push,
    "force_push": _force_push,
    "empty": _empty,
    "rename": _rename,
    "transfer": _transfer,
    "delete": _delete,
    "recreate": _recreate,
    "set": _set,
    "block": _block,
    "release": _release,
    "yank": _yank,
    "status": _status,
    "delete_project": _delete_project,
    "advance": _advance,
    "git": _git,
    "churn": _churn,
}
