"""Read Simple's answer about one project, in its JSON form. Sources: PEP 691, 700 (versions, times), 792 (status)."""

from __future__ import annotations

import re
from datetime import datetime

from packaging.utils import canonicalize_name

from fetcher.model import ProjectStatus, ProjectVersions
from fetcher.outcome import Fetched, Malformed
from fetcher.pypi import releases
from fetcher.pypi.answers import Settled, Unoffered, good_response, is_html, not_json, validators_of
from fetcher.pypi.filenames import KnownVersions
from fetcher.pypi.json_api import moment, serial_of
from fetcher.pypi.shapes import SimpleFile, SimpleProject, parse
from fetcher.pypi.text import one_line
from fetcher.wire import Answer, Response

_API = "Simple API"
_SUPPORTED_MAJOR = 1
_TELLS_STATUS = (1, 4)
"""From this version on, a project without a status marker is active; before it, nothing is said."""


def read_simple(answer: Answer, project: str, *, url: str, now: datetime) -> Settled[ProjectVersions]:
    """What Simple's answer about ``project`` comes to; ``Unoffered`` where the index has only the HTML form."""
    if isinstance(answer, Response) and not_offered(answer):
        return Unoffered(f"{_API}: the index has no JSON form")
    response = good_response(answer, url=url, now=now)
    if not isinstance(response, Response):
        return response
    body = not_json(response, _API) or parse(SimpleProject, response.body, _API)
    if isinstance(body, Malformed):
        return body
    if canonicalize_name(body.name) != canonicalize_name(project):
        return Malformed(one_line(f"{_API}: expected the project {project}, got {body.name}"))
    if _api_version(body)[0] != _SUPPORTED_MAJOR:
        return Malformed(one_line(f"{_API}: expected version 1.x, got {body.meta.api_version}"))
    return Fetched(_versions(body, response), validators_of(response))


def not_offered(response: Response) -> bool:
    """Whether an index says that Simple has no JSON form here: it sends HTML all the same, or a 406."""
    return response.status == 406 or (response.status == 200 and is_html(response))


def _versions(body: SimpleProject, response: Response) -> ProjectVersions:
    found = releases.in_order(releases.release(number, files) for number, files in _filed(body).items())
    return ProjectVersions(
        name=canonicalize_name(body.name),
        latest=releases.latest(found),
        releases=found,
        serial=serial_of(body.meta.last_serial, response),
        info=None,
        status=_status(body),
    )


def _filed(body: SimpleProject) -> dict[str, list[releases.File]]:
    """Every release's files; a release without a file keeps its place, a file of no release is left out."""
    known = KnownVersions(body.name, (number for number in body.versions or () if number.strip()))
    filed: dict[str, list[releases.File]] = {number: [] for number in known.numbers}
    for file in body.files:
        number = known.release_of(file.filename)
        if number is not None:
            filed.setdefault(number, []).append(_file(file))
    return filed


def _file(file: SimpleFile) -> releases.File:
    """PEP 592: ``yanked`` is the reason, or true where none was given; an empty reason still yanks."""
    reason = file.yanked if isinstance(file.yanked, str) else None
    return releases.File(
        uploaded_at=moment(file.uploaded),
        yanked=reason is not None or bool(file.yanked),
        yanked_reason=reason or None,
        requires_python=file.requires_python,
    )


def _status(body: SimpleProject) -> ProjectStatus | None:
    if body.status is None or body.status.status is None:
        return ProjectStatus.ACTIVE if _api_version(body) >= _TELLS_STATUS else None
    try:
        return ProjectStatus(body.status.status)
    except ValueError:
        return None


def _api_version(body: SimpleProject) -> tuple[int, int]:
    """A listing that states no version, or none that can be read, is taken for the first."""
    match = re.fullmatch(r"([0-9]{1,4})\.([0-9]{1,4})", body.meta.api_version or "")
    return (int(match[1]), int(match[2])) if match else (1, 0)
