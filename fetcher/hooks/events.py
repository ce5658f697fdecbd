"""Reader of webhooks' events: the repository that each names, and the sources that it may have changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from fetcher.domain.hints import Hint
from fetcher.domain.model import Source
from fetcher.hooks.signatures import Forge, Headers

_REPOSITORY = (Source.REPOSITORY,)
_RELEASE = (Source.REPOSITORY, Source.INDEX)
"""A release on a forge often comes with one on the index, whose feed may lag."""

_OF_GITHUB = (*("push", "create", "delete", "star", "watch", "fork", "public"), "repository")
EVENTS: Final[Mapping[Forge, Mapping[str, tuple[Source, ...]]]] = {
    Forge.GITHUB: {**dict.fromkeys(_OF_GITHUB, _REPOSITORY), "release": _RELEASE},
    Forge.FORGEJO: {**dict.fromkeys(_OF_GITHUB, _REPOSITORY), "release": _RELEASE},
    Forge.GITLAB: {
        **dict.fromkeys(("push hook", "tag push hook", "project hook", "system hook"), _REPOSITORY),
        "release hook": _RELEASE,
    },
}
"""Sources by event. Other events change nothing that is stored."""

_PATH = re.compile(r"[^/\s]{1,255}(?:/[^/\s]{1,255}){1,20}")
_DELIVERY = re.compile(r"[\x21-\x7e]{1,128}")
_IDS = {
    Forge.GITHUB: ("x-github-delivery",),
    Forge.GITLAB: ("webhook-id", "idempotency-key"),
    Forge.FORGEJO: ("x-forgejo-delivery", "x-gitea-delivery"),
}
"""Headers with the delivery's id. Those of GitLab that end in UUID name the hook, or several deliveries of an event."""

_EVENT_HEADERS = {
    Forge.GITHUB: ("x-github-event",),
    Forge.GITLAB: ("x-gitlab-event",),
    Forge.FORGEJO: ("x-forgejo-event", "x-gitea-event"),
}


class UnreadableEvent(Exception):
    """A body that is no event. Its text states the reason in one line."""


def event_of(forge: Forge, headers: Headers) -> str:
    """Return the event's name in lower case; empty if the headers do not state it."""
    return next((headers[name].lower() for name in _EVENT_HEADERS[forge] if name in headers), "")


def delivery_of(forge: Forge, headers: Headers, body: bytes) -> tuple[str, str]:
    """Return the delivery's id and the digest of its event. The id is the digest where the forge states none."""
    digest = sha256(event_of(forge, headers).encode() + b"\n" + body).hexdigest()
    stated = next((headers[name] for name in _IDS[forge] if name in headers), "")
    return stated if _DELIVERY.fullmatch(stated) else digest, digest


def read_event(forge: Forge, headers: Headers, body: bytes) -> Hint | None:
    """Return the hint of an event; ``None`` for one that changes nothing stored. Raise ``UnreadableEvent``."""
    sources = EVENTS[forge].get(event_of(forge, headers))
    payload = _payload(headers, body)
    if sources is None:
        return None
    if forge is Forge.GITLAB:
        return _gitlab(payload, sources)
    repository = payload.get("repository")
    if not isinstance(repository, dict):
        raise UnreadableEvent("the event has no repository")
    paths = [repository.get("full_name"), *_former_paths(payload, repository.get("full_name"))]
    return _hint(repository.get("html_url"), paths, repository.get("id"), sources)


def _payload(headers: Headers, body: bytes) -> dict[str, Any]:
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=16)
        body = fields.get("payload", [""])[0].encode()
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableEvent("the body is not JSON") from None
    if not isinstance(payload, dict):
        raise UnreadableEvent("the body is not an object")
    return payload


def _gitlab(payload: dict[str, Any], sources: tuple[Source, ...]) -> Hint | None:
    """Read an event of a project, or a system hook, which has the project's fields at the top."""
    project = payload.get("project")
    if isinstance(project, dict):
        paths = [project.get("path_with_namespace")]
        return _hint(project.get("web_url"), paths, project.get("id", payload.get("project_id")), sources)
    if "path_with_namespace" not in payload:
        return None
    paths = [payload.get("path_with_namespace"), payload.get("old_path_with_namespace")]
    return _hint(payload.get("git_http_url"), paths, payload.get("project_id"), sources)


def _former_paths(payload: dict[str, Any], present: object) -> Iterator[str]:
    """Yield the path before a rename or a transfer, as the event's ``changes`` state it."""
    owner, _, name = str(present).rpartition("/")
    match payload.get("changes"):
        case {"repository": {"name": {"from": str(former)}}}:
            yield f"{owner}/{former}"
        case {"owner": {"from": {"user": {"login": str(former)}} | {"organization": {"login": str(former)}}}}:
            yield f"{former}/{name}"


def _hint(url: object, paths: list[Any], repository_id: object, sources: tuple[Source, ...]) -> Hint:
    """Return the hint. The host is that of the repository's own address.

    Only printable text is taken. A database refuses other characters, and with them the hints of the same batch.
    """
    try:
        where = urlsplit(url if isinstance(url, str) else "")
        host = where.netloc.rpartition("@")[2].lower().removesuffix(":443")
    except ValueError:
        host = ""
    texts = [path for path in paths if isinstance(path, str) and path.isprintable()]
    known = tuple(dict.fromkeys(path.lower() for path in texts if _PATH.fullmatch(path)))
    if not host.isprintable() or not host or not known:
        raise UnreadableEvent("the event's repository has no address and path")
    stated = isinstance(repository_id, int | str) and not isinstance(repository_id, bool)
    number = str(repository_id)[:64] if stated else ""
    return Hint(host, known, number if number and number.isprintable() else None, sources)
