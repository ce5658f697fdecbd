"""Reader of the JSON API's response about one project. Source: the index's JSON API reference."""

from __future__ import annotations

from datetime import UTC, datetime

from packaging.utils import canonicalize_name

from fetcher.domain.model import ProjectVersions
from fetcher.domain.outcome import Fetched, Malformed
from fetcher.domain.text import one_line
from fetcher.http.messages import Answer, Response
from fetcher.http.responses import validators_of
from fetcher.upstreams.pypi import releases
from fetcher.upstreams.pypi.answers import IndexOutcome, Partial, good_response, not_json
from fetcher.upstreams.pypi.project_info import info_of
from fetcher.upstreams.pypi.shapes import JsonFile, JsonProject, parse

_API = "JSON API"
_LARGEST_SERIAL = 2**63 - 1


def read_json(
    answer: Answer, project: str, *, url: str, now: datetime
) -> IndexOutcome[ProjectVersions] | Partial[ProjectVersions]:
    """Return the outcome of the JSON API's response about ``project``.

    ``Partial`` if the response lists only the latest release: ``merge`` it with Simple's. A mirror without the JSON API
    responds as for an unknown project, ``Gone``. Simple then decides.
    """
    response = good_response(answer, url=url, now=now)
    if not isinstance(response, Response):
        return response
    wrong = not_json(response, _API)
    if wrong is not None:
        return wrong
    body = parse(JsonProject, response.body, _API)
    if isinstance(body, Malformed):
        return body
    if canonicalize_name(body.info.name) != canonicalize_name(project):
        return Malformed(one_line(f"{_API}: expected the project {project}, got {body.info.name}"))
    versions = _versions(body, response)
    if body.releases is None:
        return Partial(versions, validators_of(response))
    return Fetched(versions, validators_of(response))


def serial_of(stated: int | None, response: Response) -> int | None:
    """Return the serial from the body, otherwise from the header; ``None`` if the index (a mirror) has none."""
    header = response.headers.get("x-pypi-last-serial", "").strip()
    if stated is None and header.isascii() and header.isdigit() and len(header) < 20:
        stated = int(header)
    return stated if stated is not None and 0 < stated <= _LARGEST_SERIAL else None


def moment(text: str | None) -> datetime | None:
    """Return a file's upload time in UTC, or ``None`` if it is absent or unreadable."""
    try:
        time = datetime.fromisoformat(text or "")
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _versions(body: JsonProject, response: Response) -> ProjectVersions:
    stated = body.releases
    if stated is None:
        stated = {body.info.version: body.urls} if body.info.version else {}
    found = releases.in_order(
        releases.release(number, [_file(file) for file in files or ()])
        for number, files in stated.items()
        if number.strip()
    )
    return ProjectVersions(
        name=canonicalize_name(body.info.name),
        latest=releases.latest(found),
        releases=found,
        serial=serial_of(body.last_serial, response),
        info=info_of(body.info),
        status=None,
    )


def _file(file: JsonFile) -> releases.File:
    return releases.File(
        uploaded_at=moment(file.upload_time_iso_8601) or moment(file.upload_time),
        yanked=bool(file.yanked),
        yanked_reason=file.yanked_reason,
        requires_python=file.requires_python,
    )
