"""The plan on paper: each limit by itself, and a catalogue's cost by the engine's own constants."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain.scheduling import Cadence
from fetcher.simulator.upstreams.github import limits as simulated
from fetcher.sizing import Answers, Catalogue, Pass, Policy, Workers, daily_pass, first_pass, intervals, most_packages
from fetcher.upstreams.github import limits as github
from fetcher.upstreams.github.limits import GRAPHQL, REST, Resource
from fetcher.upstreams.pypi.limits import PYPI

HOUR = timedelta(hours=1)
POLICY = Policy()
MANY = Workers(processes=1_000, repository_concurrency=8, project_concurrency=6)
PLAIN = Catalogue(1_000_000, further_pages=0, commit_pages=0, moved_commit_pages=0)


def bound(one: Pass, name: str, resource: Resource | None) -> float:
    """Hours."""
    return next(b.takes for b in one.bounds if (b.name, b.resource) == (name, resource)) / HOUR


def test_the_ledger_and_the_simulator_go_by_the_same_figures() -> None:
    """Each has its own figures, so that one finds the other's mistakes, and they are equal."""
    upstream = simulated.Limits()
    assert (REST.primary, GRAPHQL.primary) == (upstream.core_per_hour, upstream.graphql_per_hour)
    assert REST.points == upstream.rest_points_per_minute
    assert GRAPHQL.points == upstream.graphql_points_per_minute
    assert github.POLICY.in_flight == upstream.in_flight
    assert (github.POLICY.seconds, GRAPHQL.seconds) == (
        upstream.seconds_per_minute,
        upstream.graphql_seconds_per_minute,
    )


def test_the_cost_of_a_million_packages() -> None:
    """Full batches hold a hundred statistics a point and seventy histories, requested twice.

    Both APIs of an index are requested.
    """
    one = Workers(1, 8, 6)
    first = first_pass(PLAIN, POLICY, Answers(), one)
    growing = 2 + 5
    histories = 14_286 + 20_000  # seventy in a query, and fifty beside the lists
    assert first.cost.graphql == 10_000 + histories + growing
    assert (first.cost.rest, first.cost.pypi) == (1_000_000, 2_000_001)

    day = daily_pass(replace(PLAIN, moved=0.05, released=0.01, newcomers=0.2), POLICY, Answers(), one)
    histories, beside_lists = 50_000 + 1_000_000 / 30, 10_000 + 1_000_000 / 30
    # A plan a minute finds 58 histories and 30 lists due: one query each.
    assert day.cost.graphql == pytest.approx(10_000 + 1_440 + 1_440, rel=0.001)
    assert histories / 1_440 == pytest.approx(58, abs=0.2)
    assert day.cost.rest == round(beside_lists)
    assert day.cost.pypi == round(10_000 + 2_000_000 / 30) + 1


def test_a_million_packages_fit_into_a_day_up_to_a_tenth_of_them_moving() -> None:
    """The defaults are one identity, re-checks each 30 days, two processes and the usual spread of commits."""
    two = Workers(2, 8, 6)
    for moved in (0.05, 0.10):
        assert daily_pass(Catalogue(1_000_000, moved), POLICY, Answers(), two).takes < timedelta(days=1)


def test_further_pages_of_commits_go_together() -> None:
    """The 21 further pages of seventy histories are one query, a point."""
    (without, with_) = (
        first_pass(replace(PLAIN, packages=10_000, commit_pages=pages), POLICY, Answers(), MANY).cost.graphql
        for pages in (0, 0.3)
    )
    assert with_ - without == 143


def test_parents_cost_a_connection_a_commit() -> None:
    """If merges do not count, a history costs 102 connections instead of 2, and a further page 101."""
    of = replace(PLAIN, packages=1_000, commit_pages=0.5, merges=False)
    cost = first_pass(of, POLICY, Answers(), Workers(1, 8, 6)).cost
    # Queries of 70, 71 points each; 20 of 50 beside the lists, 51 each; queries of 35 further pages, 35 each.
    assert cost.graphql == round(10 + 7 + 1_000 / 70 * 71 + 20 * 51 + 1_000 / 70 * 35)
    assert cost.queries == round(10 + 7 + 1_000 / 70 + 20 + 1_000 / 70)


def test_batches_are_filled_with_due_packages() -> None:
    """275 moved packages are four batches after an outage, and five if they are due minute by minute."""
    of = Catalogue(5_500, moved=0.05, newcomers=0, moved_commit_pages=0)
    after_outage, usual = (daily_pass(of, _never(), Answers(), MANY, at_once=at_once) for at_once in (True, False))
    assert after_outage.cost.graphql == 55 + 4  # 3.93 claims of one query of 70
    assert usual.cost.graphql == 55 + 55


def test_graphql_alone_takes_180_000_repositories_an_hour_less_our_share() -> None:
    """Responses of 2 s allow 30 queries a minute, of which the background has 95 %."""
    day = daily_pass(replace(PLAIN, moved=0), _never(), Answers(graphql=2), MANY)
    assert 1_000_000 / bound(day, "response seconds a minute", Resource.GRAPHQL) == pytest.approx(0.95 * 180_000)


def test_rest_is_paced_by_the_hour() -> None:
    """A tenth of the quota is used at once, the rest in step with the hour, and the last hundredth never."""
    for requests, hours in ((400, 0), (500, 0), (2_750, 0.5), (4_950, 0.99), (9_900, 1.99), (118_800, 23.99)):
        one = daily_pass(replace(PLAIN, packages=requests, moved=1, newcomers=1), _never(), Answers(), MANY)
        assert one.cost.rest == requests
        assert bound(one, "points an hour", Resource.CORE) == pytest.approx(hours, abs=0.011)


def test_another_identity_halves_the_time_at_github_only() -> None:
    """A second identity halves the time at GitHub only, because an index has no identities."""
    one, two = (daily_pass(PLAIN, replace(POLICY, identities=n), Answers(), MANY) for n in (1, 2))
    for before, after in zip(one.bounds[2:], two.bounds[2:], strict=True):
        of_github = before.resource != PYPI and "worker" not in before.name
        assert after.takes / before.takes == pytest.approx(0.5 if of_github else 1)


def test_small_catalogues_are_requested_by_project_and_in_small_batches() -> None:
    """Below the threshold the root is not used, and a query holds only the packages of its slots."""
    cost = daily_pass(Catalogue(500, moved=0, further_pages=0), _never(), Answers(), MANY).cost
    assert (cost.graphql, cost.rest, cost.pypi) == (8, 0, 500)


def test_a_few_slow_workers_bind() -> None:
    """One process that waits two seconds for each query of a hundred cannot use two identities' quota."""
    policy = replace(_never(), identities=2)
    one = daily_pass(replace(PLAIN, moved=0, released=0), policy, Answers(graphql=2), Workers(1, 8, 6))
    assert one.binding.name == "worker processes that wait for answers"
    assert one.takes == timedelta(seconds=2 * 10_000) + timedelta(seconds=0.2 / 6)


@given(moved=st.floats(0, 1), released=st.floats(0, 1), identities=st.integers(1, 5), seconds=st.floats(0.001, 10))
def test_the_most_packages_fit_and_one_more_does_not(
    moved: float, released: float, identities: int, seconds: float
) -> None:
    """The reported maximum fits, and one package more does not, for any pace and latency."""
    policy = replace(POLICY, identities=identities)
    rest = (policy, Answers(seconds, seconds, seconds), MANY)
    like = Catalogue(1, moved, released)
    most = most_packages(like, *rest)
    day = policy.cadence.interval
    assert daily_pass(replace(like, packages=most), *rest).takes <= day
    assert daily_pass(replace(like, packages=most + 1), *rest).takes > day


def _never() -> Policy:
    """Without the slow re-checks."""
    return Policy(Cadence(recheck=timedelta(days=900_000_000)))


@pytest.mark.parametrize("packages", [500, 5_500, 50_000, 1_000_000])
def test_computed_intervals_leave_room_for_the_rest(packages: int) -> None:
    """A day of computed intervals takes more points than one sweep, at most a quarter, and fits into the day."""
    usual, computed = Catalogue(packages), Policy(share=0.25)
    plan = intervals(usual, computed)
    assert plan is not None
    assert plan.share <= 0.25
    day = daily_pass(usual, computed, Answers(), Workers(2, 8, 6))
    once = daily_pass(usual, POLICY, Answers(), Workers(2, 8, 6))
    assert once.cost.graphql < day.cost.graphql <= 0.25 * 24 * 5_000
    assert day.takes <= timedelta(days=1)


def test_a_fixed_interval_computes_none() -> None:
    """Without a share the cadence's interval counts."""
    assert intervals(Catalogue(5_500), POLICY) is None
