"""PyPI's JSON API and Simple API, the latter in both its forms (PEP 503, 691, 700 and 792)."""

import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from datetime import datetime
from html import escape
from itertools import islice
from typing import Any

from packaging.utils import canonicalize_name

from fetcher.simulator.changes import project_of
from fetcher.simulator.exchange import Answer, Call, Handler, about
from fetcher.simulator.mount import Action, Route, Upstream
from fetcher.simulator.project import Project, ProjectStatus, Release, digest, filename
from fetcher.simulator.upstreams.pypi.feed import RSS, ReleaseFeed
from fetcher.simulator.upstreams.pypi.settings import Index
from fetcher.simulator.world import World

SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"
SIMPLE_HTML = "text/html; charset=utf-8"
API_VERSION = "1.4"
ROOT_CHUNK = 2_000
FILE_SIZE = 4_096


class PyPI(Upstream):
    """The index's three routes. It requires no identity and enforces no limit."""

    def __init__(self, world: World, index: Index, others_per_minute: float = 0.0) -> None:
        self._world = world
        self._index = index
        self._feed = ReleaseFeed(world, others_per_minute)
        self._stale: Counter[str] = Counter()
        self.etags = index.etags

    def routes(self) -> Iterable[Route]:
        routes = [
            Route("simple_root", "/simple/", self.simple_root),
            Route("simple_project", "/simple/{name}/", self._named(self.simple_project, "/simple/{}/")),
            Route("simple_unslashed", "/simple/{name}", self.unslashed),
        ]
        if self._index.json_api:
            project_json = self._named(self.project_json, "/pypi/{}/json")
            routes.append(Route("project_json", "/pypi/{name}/json", project_json))
        if self._index.feed:
            routes.append(Route("feed", "/rss/updates.xml", self.updates))
        return routes

    def environment(self, root: str) -> Mapping[str, str]:
        return {"FETCHER_PYPI_URL": root}

    def actions(self) -> Mapping[str, Action]:
        return {"stale": self._serve_stale, "crowd": self._crowd}

    def _crowd(self, _target: str, details: Mapping[str, Any]) -> dict[str, Any]:
        self._feed.crowd(**details)
        return {}

    def updates(self, call: Call) -> Answer:
        """Return the feed of the newest releases."""
        return Answer(body=self._feed.document(call.root, call.now), content_type=RSS)

    def _serve_stale(self, target: str, details: Mapping[str, Any]) -> dict[str, Any]:
        project_of(self._world, target)
        self.serve_stale(target, **details)
        return {}

    def serve_stale(self, name: str, times: int = 1) -> None:
        """Serve the state before a project's last change in its next responses, as an outdated CDN cache does."""
        self._stale[canonicalize_name(name)] += times

    def _named(self, handle: Callable[[Call, Project], Answer], canonical: str) -> Handler:
        def handler(call: Call) -> Answer:
            asked = str(call.parameters["name"])
            name = canonicalize_name(asked)
            if asked != name:
                location = call.root + canonical.format(name)
                answer = Answer(status=301, headers={"location": location}, content_type=SIMPLE_HTML)
            else:
                project = self._read(name)
                answer = _missing() if project is None else handle(call, project)
                if project is not None:
                    self._stamp(answer, project.serial)
            answer.packages = about(name)
            return answer

        return handler

    def _read(self, name: str) -> Project | None:
        if self._stale[name] > 0:
            self._stale[name] -= 1
            return self._world.earlier_project(name) or self._world.project(name)
        return self._world.project(name)

    def _stamp(self, answer: Answer, serial: int) -> None:
        if self._index.serials:
            answer.headers["x-pypi-last-serial"] = str(serial)

    @staticmethod
    def unslashed(call: Call) -> Answer:
        location = f"{call.root}/simple/{canonicalize_name(str(call.parameters['name']))}/"
        return Answer(status=301, headers={"location": location}, content_type=SIMPLE_HTML)

    def simple_root(self, call: Call) -> Answer:
        as_json = self._as_json(call)
        seen = f"{self._world.revision}/{self._world.serial}/{as_json}"
        answer = Answer(
            stream=self._json_root if as_json else self._html_root,
            content_type=SIMPLE_JSON if as_json else SIMPLE_HTML,
            etag=f'"{hashlib.md5(seen.encode(), usedforsecurity=False).hexdigest()}"',
            headers={"vary": "accept"},
        )
        self._stamp(answer, self._world.serial)
        return answer

    async def _json_root(self) -> AsyncIterator[bytes]:
        meta: dict[str, Any] = {"api-version": API_VERSION}
        if self._index.serials:
            meta["_last-serial"] = self._world.serial
        yield f'{{"meta":{json.dumps(meta)},"projects":['.encode()
        separator = ""
        for chunk in _chunks(self._world.projects()):
            entries = (
                f'{{"_last-serial":{serial},"name":{json.dumps(name)}}}'
                if self._index.serials
                else f'{{"name":{json.dumps(name)}}}'
                for name, serial in chunk
            )
            yield (separator + ",".join(entries)).encode()
            separator = ","
        yield b"]}"

    async def _html_root(self) -> AsyncIterator[bytes]:
        yield b"<!DOCTYPE html>\n<html><head><title>Simple index</title></head><body>\n"
        for chunk in _chunks(self._world.projects()):
            lines = (f'<a href="{canonicalize_name(name)}/">{escape(name)}</a><br/>\n' for name, _ in chunk)
            yield "".join(lines).encode()
        yield b"</body></html>\n"

    def _as_json(self, call: Call) -> bool:
        accepted = call.headers.get("accept", "")
        wanted = SIMPLE_JSON in accepted or "application/vnd.pypi.simple.latest+json" in accepted
        return self._index.simple_json and wanted

    def simple_project(self, call: Call, project: Project) -> Answer:
        releases = () if project.status is ProjectStatus.QUARANTINED else project.releases
        if not self._as_json(call):
            body = _simple_html(call.root, project, releases).encode()
            return Answer(body=body, content_type=SIMPLE_HTML, headers={"vary": "accept"})
        payload = self._simple_json(call.root, project, releases)
        return Answer(payload=payload, content_type=SIMPLE_JSON, headers={"vary": "accept"})

    def _simple_json(self, root: str, project: Project, releases: tuple[Release, ...]) -> dict[str, Any]:
        meta: dict[str, Any] = {"api-version": API_VERSION}
        if self._index.serials:
            meta["_last-serial"] = project.serial
        status = {"status": project.status.value}
        if project.status_reason:
            status["reason"] = project.status_reason
        return {
            "meta": meta,
            "name": canonicalize_name(project.name),
            "versions": [release.version for release in releases],
            "files": [_simple_file(root, project, release) for release in releases],
            "alternate-locations": [],
            "project-status": status,
        }

    def project_json(self, call: Call, project: Project) -> Answer:
        latest = project.latest()
        if latest is None or project.status is ProjectStatus.QUARANTINED:
            return _missing()
        body: dict[str, Any] = {
            "info": _info(project, latest),
            "releases": {release.version: [_json_file(call.root, project, release)] for release in project.releases},
            "urls": [_json_file(call.root, project, latest)],
            "vulnerabilities": [],
        }
        if self._index.serials:
            body["last_serial"] = project.serial
        return Answer(payload=body, content_type="application/json")


def _missing() -> Answer:
    return Answer(status=404, payload={"message": "Not Found"}, content_type="application/json")


def _chunks(entries: Iterator[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    while chunk := list(islice(entries, ROOT_CHUNK)):
        yield chunk


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _file_url(root: str, project: Project, release: Release) -> str:
    return f"{root}/files/{filename(project.name, release)}"


def _simple_file(root: str, project: Project, release: Release) -> dict[str, Any]:
    return {
        "filename": filename(project.name, release),
        "url": _file_url(root, project, release),
        "hashes": {"sha256": digest(project.name, release)},
        "requires-python": release.requires_python,
        "size": FILE_SIZE,
        "upload-time": _instant(release.uploaded_at),
        "yanked": (release.yanked_reason or True) if release.yanked else False,
        "core-metadata": False,
    }


def _simple_html(root: str, project: Project, releases: tuple[Release, ...]) -> str:
    lines = []
    for release in releases:
        extra = f' data-yanked="{escape(release.yanked_reason or "")}"' if release.yanked else ""
        if release.requires_python:
            extra += f' data-requires-python="{escape(release.requires_python)}"'
        url = f"{_file_url(root, project, release)}#sha256={digest(project.name, release)}"
        lines.append(f'<a href="{url}"{extra}>{filename(project.name, release)}</a><br/>\n')
    head = f'<meta name="pypi:repository-version" content="{API_VERSION}">'
    head += f'<meta name="pypi:project-status" content="{project.status.value}">'
    return f"<!DOCTYPE html>\n<html><head>{head}</head><body>\n{''.join(lines)}</body></html>\n"


def _json_file(root: str, project: Project, release: Release) -> dict[str, Any]:
    return {
        "filename": filename(project.name, release),
        "url": _file_url(root, project, release),
        "digests": {"sha256": digest(project.name, release)},
        "packagetype": "sdist",
        "python_version": "source",
        "requires_python": release.requires_python,
        "size": FILE_SIZE,
        "upload_time": release.uploaded_at.strftime("%Y-%m-%dT%H:%M:%S"),
        "upload_time_iso_8601": _instant(release.uploaded_at),
        "yanked": release.yanked,
        "yanked_reason": release.yanked_reason,
    }


def _info(project: Project, latest: Release) -> dict[str, Any]:
    return {
        "name": project.name,
        "version": latest.version,
        "summary": project.summary,
        "description": "",
        "author": "",
        "author_email": "",
        "license": project.license,
        "license_expression": None,
        "classifiers": list(project.classifiers),
        "keywords": "",
        "home_page": project.project_urls.get("Homepage", ""),
        "docs_url": None,
        "project_urls": dict(project.project_urls) or None,
        "requires_dist": None,
        "requires_python": latest.requires_python,
        "yanked": latest.yanked,
        "yanked_reason": latest.yanked_reason,
    }
