"""Reader of Simple's response about one project. Sources: PEP 503, 691 (forms), 700 (versions, times), 792 (status)."""

from __future__ import annotations

import re
from datetime import datetime

from packaging.utils import canonicalize_name

from fetcher.domain.model import ProjectStatus, ProjectVersions
from fetcher.domain.outcome import Fetched, Malformed
from fetcher.domain.text import one_line
from fetcher.http.messages import Answer, Response
from fetcher.http.responses import quoted_excerpt, validators_of
from fetcher.upstreams.pypi import releases
from fetcher.upstreams.pypi.answers import (
    IndexOutcome,
    NotOffered,
    good_response,
    is_html,
    is_untold,
    not_json,
)
from fetcher.upstreams.pypi.filenames import KnownVersions
from fetcher.upstreams.pypi.json_api import moment, serial_of
from fetcher.upstreams.pypi.shapes import SimpleFile, SimpleProject, parse

_API = "Simple API"
_SUPPORTED_MAJOR = 1
_MARGIN = 100
"""Bytes within which a page's first tag begins."""
_TELLS_STATUS = (1, 4)
"""First version in which a project without a status marker is active. In older ones its status is unknown."""


def read_simple(answer: Answer, project: str, *, url: str, now: datetime) -> IndexOutcome[ProjectVersions]:
    """Read the JSON form or the HTML form, whichever was sent; ``NotOffered`` if the index has neither.

    The HTML form seldom has upload times, and knows releases only by their files.
    """
    if isinstance(answer, Response) and answer.status == 406:
        return NotOffered(f"{_API}: the index offers neither the JSON form nor the HTML form")
    response = good_response(answer, url=url, now=now)
    if not isinstance(response, Response):
        return response
    html = _is_page(response)
    body = _parse_html(response, project) if html else _parse_json(response)
    if isinstance(body, Malformed):
        return body
    if canonicalize_name(body.name) != canonicalize_name(project):
        return Malformed(one_line(f"{_API}: expected the project {project}, got {body.name}"))
    if _api_version(body)[0] != _SUPPORTED_MAJOR:
        return Malformed(one_line(f"{_API}: expected version 1.x, got {body.meta.api_version}"))
    versions = _versions(body, response)
    if html and not versions.releases and (body.files or body.meta.api_version is None):
        page = f"got a page without one that begins {quoted_excerpt(response.body)}"
        return Malformed(one_line(f"{_API}: expected a listing with files of {project}, {page}"))
    return Fetched(versions, validators_of(response))


def _is_page(response: Response) -> bool:
    """Return whether the body is HTML, by the content type, otherwise by its first character."""
    return is_html(response) or (is_untold(response) and response.body[:_MARGIN].lstrip().startswith(b"<"))


def _parse_json(response: Response) -> SimpleProject | Malformed:
    return not_json(response, _API) or parse(SimpleProject, response.body, _API)


def _parse_html(response: Response, project: str) -> SimpleProject | Malformed:
    from fetcher.upstreams.pypi.simple_html import parse_html  # noqa: PLC0415  (it takes a tenth of a second to import)

    return parse_html(response.body, project)


def not_offered(response: Response) -> bool:
    """Return whether the index lacks the JSON form of its root: it sends HTML anyway, or a 406."""
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
    """Return every release's files. A release without a file is kept, a file without a release is left out."""
    known = KnownVersions(body.name, (number for number in body.versions or () if number.strip()))
    filed: dict[str, list[releases.File]] = {number: [] for number in known.numbers}
    for file in body.files:
        number = known.release_of(file.filename)
        if number is not None:
            filed.setdefault(number, []).append(_file(file))
    return filed


def _file(file: SimpleFile) -> releases.File:
    """Return a file. ``yanked`` is the reason, or true without one; an empty reason still yanks (PEP 592)."""
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
    """Return the listing's version; a missing or unreadable one counts as the first."""
    match = re.fullmatch(r"([0-9]{1,4})\.([0-9]{1,4})", body.meta.api_version or "")
    return (int(match[1]), int(match[2])) if match else (1, 0)
