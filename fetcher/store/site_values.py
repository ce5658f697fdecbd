"""The stored values of packages as a site's rows need them: two statements for any number of packages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, select

from fetcher.domain.model import OutcomeKind, Release, RepoRef, Source, SourceState
from fetcher.domain.sites import SiteValues
from fetcher.store.importing.entries import Serving, repo_of
from fetcher.store.schema import freshness, observations, packages, releases, site_packages, source_states
from fetcher.store.targets import commit_days_of
from fetcher.store.values import logins

_P, _O, _F, _R, _L, _S = packages.c, observations.c, freshness.c, releases.c, site_packages.c, source_states.c

DEPRECATED = "date_deprecated"

_VALUES: Select[Any] = (
    select(
        _P.id,
        _P.repo_url,
        _P.pypi_url,
        _P.repo_host,
        _P.repo_path,
        _P.repo_unsupported,
        _P.retired_at,
        *(
            _O[name]
            for name in (
                "stars",
                "forks",
                "description",
                "archived",
                "empty",
                "head_committed_at",
                "contributors",
                "days_start",
                "day_counts",
                "commit_count",
                "pypi_classifiers",
                "pypi_licence_expression",
                "pypi_licence_text",
                "pypi_documentation_url",
            )
        ),
        _F.last_fetched,
        _R.number,
        _R.uploaded_at,
        _R.requires_python,
        _R.prerelease,
        _R.files,
        _L.written,
    )
    .join(observations, _O.package_id == _P.id)
    .join(freshness, _F.package_id == _P.id)
    .join(releases, and_(_R.package_id == _P.id, _R.number == _O.pypi_latest), isouter=True)
    .join(site_packages, _L.package_id == _P.id, isouter=True)
    .order_by(_P.id)
)


def load(connection: Connection, ids: Sequence[int], serving: Serving) -> list[SiteValues]:
    """Return the values of these packages, ordered by id; unknown ids are left out."""
    states = _states(connection, ids)
    return [_values(row, states[row.id], serving) for row in connection.execute(_VALUES.where(_P.id.in_(ids)))]


def _values(row: Row[Any], states: Mapping[Source, SourceState], serving: Serving) -> SiteValues:
    answered = {source: state.answered_at for source, state in states.items() if state.answered_at is not None}
    written = row.written or {}
    return SiteValues(
        package_id=row.id,
        repo_url=row.repo_url,
        pypi_url=row.pypi_url,
        retired=row.retired_at is not None,
        unserved=_unserved(row, serving),
        answered=answered,
        repository=states.get(Source.REPOSITORY),
        last_fetched=row.last_fetched,
        stars=row.stars,
        forks=row.forks,
        description=row.description,
        archived=row.archived,
        empty=row.empty,
        last_committed=row.head_committed_at,
        logins=logins(row.contributors),
        commit_days=commit_days_of(row),
        commit_count=row.commit_count,
        latest=_latest(row),
        classifiers=None if row.pypi_classifiers is None else tuple(row.pypi_classifiers),
        licence_expression=row.pypi_licence_expression,
        licence_text=row.pypi_licence_text,
        documentation_url=row.pypi_documentation_url,
        deprecated_by_fetcher=datetime.fromisoformat(written[DEPRECATED]) if written.get(DEPRECATED) else None,
    )


def _unserved(row: Row[Any], serving: Serving) -> str | None:
    """Return the reason for which a package's repository is not fetched; ``None`` if it is, or if it has none."""
    repo = repo_of(row)
    if repo is None:
        return None
    if not isinstance(repo, RepoRef):
        return repo.reason
    served = serving(Source.REPOSITORY, repo.host) is not None
    return None if served else f"no upstream serves {repo.host}"


def _latest(row: Row[Any]) -> Release | None:
    if row.number is None:
        return None
    return Release(
        number=row.number,
        uploaded_at=row.uploaded_at,
        yanked=False,
        yanked_reason=None,
        requires_python=row.requires_python,
        prerelease=row.prerelease,
        files=row.files,
    )


def _states(connection: Connection, ids: Sequence[int]) -> dict[int, dict[Source, SourceState]]:
    """Return the parts of the states that a site's row depends on."""
    found: dict[int, dict[Source, SourceState]] = defaultdict(dict)
    columns = (_S.package_id, _S.source, _S.answered_at, _S.outcome, _S.failures, _S.first_failed_at, _S.last_failed_at)
    for row in connection.execute(select(*columns).where(_S.package_id.in_(ids))):
        source = Source(row.source)
        found[row.package_id][source] = SourceState(
            source=source,
            answered_at=row.answered_at,
            outcome=OutcomeKind.GONE if row.outcome == OutcomeKind.GONE else None,
            failures=row.failures,
            first_failed_at=row.first_failed_at,
            last_failed_at=row.last_failed_at,
        )
    return found
