"""Decisions about one repository of a hosted forge, from its facts and its stored values. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from fetcher.domain.model import DETAIL_SOURCES, RepoStats, Source, Target
from fetcher.upstreams.git_reader import Tip
from fetcher.upstreams.heads import is_list_refused, to_request
from fetcher.upstreams.hosted.base import ForgeFacts

SETTLES_AFTER = timedelta(minutes=5)
"""Age of a push at which its time can be trusted: a second push within the same second would not show in it."""


def head_of(facts: ForgeFacts) -> Tip | None:
    """Return the tip that the facts state, or ``None``."""
    if facts.empty:
        return Tip(None, facts.default_branch, empty=True)
    return None if facts.head_oid is None else Tip(facts.head_oid, facts.default_branch, empty=False)


def is_unmoved(target: Target, facts: ForgeFacts, now: datetime) -> bool:
    """Return whether the time of the last push shows that the stored head is still the head.

    It is not relied on if the push was recent when the stored values were fetched, nor at a re-check of the details.
    """
    fetched_at = target.state(Source.REPOSITORY).answered_at
    if target.head_oid is None or facts.pushed_at is None or fetched_at is None:
        return False
    if facts.pushed_at != target.pushed_at or fetched_at - facts.pushed_at < SETTLES_AFTER:
        return False
    return not any(to_request(target, source, now) or is_stranded(target, source) for source in DETAIL_SOURCES)


def is_stranded(target: Target, source: Source) -> bool:
    """Return whether a source failed together with its head, and waits for the repository's next response."""
    state = target.state(source)
    return state.failures > 0 and state.due_at is None


def details_to_read(at_head: Target, now: datetime) -> tuple[Source, ...]:
    """Return the details to read at the target's head: those of another head, and those due anyway.

    A source that cools down after a failure waits for its due time.
    """
    return tuple(
        source for source in DETAIL_SOURCES if to_request(at_head, source, now) and not _cools(at_head, source, now)
    )


def has_details(target: Target) -> bool:
    """Return whether the stored lists were loaded with the target, or there are none.

    A claim of statistics alone leaves them out. The details are then read by the next claim.
    """
    state = target.state(Source.COMMITS)
    return state.answered_at is None or is_list_refused(state) or target.commit_days is not None


def statistics(facts: ForgeFacts, head: Tip, committed_at: datetime | None) -> RepoStats:
    """Return the statistics of a repository with this head."""
    return RepoStats(
        handle=None,
        repository_id=facts.repository_id,
        full_name=head.path or facts.full_name,
        stars=facts.stars,
        forks=facts.forks,
        watchers=facts.watchers,
        description=facts.description or "",
        archived=facts.archived,
        disabled=facts.disabled,
        empty=head.empty,
        default_branch=facts.default_branch or head.branch,
        head_oid=head.oid,
        head_committed_at=committed_at,
        pushed_at=facts.pushed_at,
    )


def with_known_head(facts: ForgeFacts, target: Target) -> RepoStats:
    """Return the statistics with the stored head, whose time of the last push makes the next request look again."""
    known = Tip(target.head_oid, target.default_branch, empty=False)
    stats = statistics(facts, known, target.head_committed_at)
    return replace(stats, pushed_at=target.pushed_at)


def _cools(target: Target, source: Source, now: datetime) -> bool:
    state = target.state(source)
    return state.failures > 0 and state.due_at is not None and state.due_at > now and source not in target.claimed
