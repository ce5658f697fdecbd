"""The actions on a running simulator, each with its name, its target and its details."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import timedelta
from typing import Any

from fetcher.simulator import changes
from fetcher.simulator.project import Project, ProjectStatus
from fetcher.simulator.repository import Block, Repository
from fetcher.simulator.state import State
from fetcher.simulator.upstreams.github.limits import Resource
from fetcher.simulator.upstreams.github.node_ids import NodeIds, node_id

Details = Mapping[str, Any]
Result = dict[str, Any]
Action = Callable[[State, str, Details], Result]


class BadActionError(ValueError):
    """An action that does not exist or has wrong details; the text states the expected ones."""


def act(state: State, request: Mapping[str, Any]) -> Result:
    """Carry out ``{"action": …, "target": …, details…}``."""
    details = dict(request)
    name, target = str(details.pop("action", "")), str(details.pop("target", ""))
    action = ACTIONS.get(name)
    if action is None:
        raise BadActionError(f"no action {name!r}; there are {', '.join(sorted(ACTIONS))}")
    try:
        return action(state, target, details)
    except (TypeError, ValueError, KeyError) as error:
        raise BadActionError(f"{name} {target}: {error}") from error


def _repository(state: State, repository: Repository) -> Result:
    tip = repository.history.tip
    return {
        "full_name": repository.full_name,
        "id": repository.database_id,
        "node_id": node_id("Repository", repository.database_id, state.github.node_ids),
        "head": tip.oid if tip else None,
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


def _stale(state: State, target: str, details: Details) -> Result:
    changes.project_of(state.world, target)
    state.pypi.serve_stale(target, **details)
    return {}


def _revoke(state: State, target: str, _details: Details) -> Result:
    state.credentials.revoked.add(target)
    return {}


def _restore(state: State, target: str, _details: Details) -> Result:
    state.credentials.revoked.discard(target)
    return {}


def _quota(state: State, target: str, details: Details) -> Result:
    resource = Resource(details.get("resource", Resource.CORE))
    now = state.world.clock.now()
    state.ledger.set_remaining(target, resource, int(details["remaining"]), now)
    standing = state.ledger.standing(target, resource, now)
    return {"remaining": standing.remaining, "reset": standing.reset.isoformat()}


def _warm(state: State, _target: str, _details: Details) -> Result:
    state.jobs.warm(state.world.clock.now())
    return {}


def _advance(state: State, _target: str, details: Details) -> Result:
    state.world.clock.advance(timedelta(seconds=float(details["seconds"])))
    return {"now": state.world.clock.now().isoformat()}


def _node_ids(state: State, target: str, _details: Details) -> Result:
    state.github.node_ids = NodeIds(target)
    return {"node_ids": target}


def _deprecate(state: State, _target: str, details: Details) -> Result:
    for name, text in details.items():
        if name not in ("deprecation", "sunset") or not isinstance(text, str | None):
            raise ValueError(f"expected the texts of deprecation and sunset, or null, and not {name} {text!r}")
    for name, text in details.items():
        setattr(state.github, name, text)
    return {"deprecation": state.github.deprecation, "sunset": state.github.sunset}


def _retire_version(state: State, target: str, details: Details) -> Result:
    change = (
        state.github.retired_versions.add if details.get("retired", True) else state.github.retired_versions.discard
    )
    change(target)
    return {"retired": sorted(state.github.retired_versions)}


def _churn(state: State, _target: str, details: Details) -> Result:
    churned = changes.churn(state.world, **details)
    return {one.name: getattr(churned, one.name) for one in fields(churned)}


ACTIONS: Mapping[str, Action] = {
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
    "stale": _stale,
    "revoke": _revoke,
    "restore": _restore,
    "quota": _quota,
    "warm": _warm,
    "advance": _advance,
    "churn": _churn,
    "node_ids": _node_ids,
    "deprecate": _deprecate,
    "retire_version": _retire_version,
}
