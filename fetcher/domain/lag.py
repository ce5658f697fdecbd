"""Lag: the time from a change at its upstream to its stored value. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from fetcher.domain.model import Observed, ProjectVersions, Record, RepoStats, Source, SourceState, Target

EARLY = timedelta(minutes=10)
"""Longest time by which a change may precede the last response without it, since upstreams cache their responses.

An older change is none: another default branch was chosen, or a history was replaced. Its time is unknown.
"""


class ChangeKind(StrEnum):
    """A kind of change whose time the upstream states. Stars and descriptions have none."""

    PUSH = "push"
    """A moved head. Its time is that of the push where the forge states it, otherwise the head's committer date."""
    RELEASE = "release"
    """A new release. Its time is that of its first upload."""


@dataclass(frozen=True, slots=True)
class Lag:
    """The lag of one stored change."""

    kind: ChangeKind
    time: timedelta


def lags(targets: Sequence[Target], records: Iterable[Record], stored_at: datetime) -> list[Lag]:
    """Return the lag of each change that ``records`` have stored. First responses of a source have none."""
    by_id = {target.package_id: target for target in targets}
    found = []
    for record in records:
        target = by_id.get(record.package_id)
        if isinstance(record, Observed) and target is not None and target.state(record.source).answered_at is not None:
            found += [Lag(kind, max(stored_at - at, timedelta(0))) for kind, at in _changes(target, record)]
    return found


def _changes(target: Target, record: Observed) -> Iterator[tuple[ChangeKind, datetime]]:
    """Yield the kind and the time of each change that a record has stored."""
    state = target.state(record.source)
    match record.values:
        case RepoStats() as stats if stats.head_oid is not None and stats.head_oid != target.head_oid:
            at = stats.pushed_at or stats.head_committed_at
            if target.head_oid is not None and at is not None and _is_new(at, state):
                yield ChangeKind.PUSH, at
        case ProjectVersions() as versions if record.source is Source.INDEX:
            uploads = (release.uploaded_at for release in versions.releases)
            new = [at for at in uploads if at is not None and state.observed_at is not None and at > state.observed_at]
            if new:
                yield ChangeKind.RELEASE, max(new)
        case _:
            return


def _is_new(at: datetime, state: SourceState) -> bool:
    return state.observed_at is not None and at > state.observed_at - EARLY
