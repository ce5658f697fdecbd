"""Packages that a feed or a webhook names, on SQLite and PostgreSQL: due at once, and only as often as allowed."""

from __future__ import annotations

from datetime import timedelta

from fetcher.domain.hints import Hint
from fetcher.domain.model import Deferral, DueReason, FollowedProject, Source
from fetcher.upstreams.pypi.limits import PYPI
from tests.harness.clock import DAY, HOUR
from tests.harness.stores import NOW, Catalogue, answered, failed, stats, versions

MINUTE = timedelta(minutes=1)
MONTH = 30 * DAY
INDEX = [Source.INDEX]


def fetched(catalogue: Catalogue, *slugs: str) -> list[int]:
    """Add packages with a project fetched now and due tomorrow."""
    ids = catalogue.add(*slugs, project=True, repo_url=None)
    catalogue.store.claims.record([answered(i, Source.INDEX, versions("1.0"), revision="7") for i in ids])
    return ids


def followed(catalogue: Catalogue) -> list[FollowedProject]:
    return catalogue.store.index_serials.known(["a", "b"])


def test_known_projects_have_their_versions(catalogue: Catalogue) -> None:
    """Only followed projects are returned, by canonical name, with the time of their last request."""
    (a,) = fetched(catalogue, "a")
    catalogue.add("b", project=True)
    assert catalogue.store.index_serials.known(["a", "unknown"]) == [FollowedProject(a, "a", NOW, frozenset(["1.0"]))]
    assert catalogue.store.index_serials.followed(10) == 2
    assert catalogue.store.index_serials.followed(1) == 1


def test_named_packages_are_due_now(catalogue: Catalogue) -> None:
    """Also a failing one is; one that was due earlier keeps its time, and others stay as they are."""
    a, b, _ = fetched(catalogue, "a", "b", "c")
    at = NOW + HOUR
    catalogue.store.claims.record([failed(b, Source.INDEX, due_at=NOW + DAY)])
    assert catalogue.store.claims.make_packages_due([a, b], INDEX, DueReason.FEED, at) == 2
    assert catalogue.store.claims.make_packages_due([a, b], INDEX, DueReason.HINT, at + MINUTE) == 0
    for slug in ("a", "b"):
        state = catalogue.state(slug, Source.INDEX)
        assert (state.due_at, state.due_reason) == (at, DueReason.FEED)
    assert catalogue.state("c", Source.INDEX).due_reason is not DueReason.FEED


def test_a_recent_request_delays_the_next(catalogue: Catalogue) -> None:
    """A package requested within the spacing is due after it, however often it is named."""
    (a,) = fetched(catalogue, "a")
    for seconds in range(10, 50, 10):
        at = NOW + timedelta(seconds=seconds)
        catalogue.store.claims.make_packages_due([a], INDEX, DueReason.HINT, at, MINUTE)
        assert catalogue.state("a", Source.INDEX).due_at == NOW + timedelta(seconds=10) + MINUTE
    assert catalogue.store.claims.claim(PYPI, INDEX, 10, NOW + MINUTE, HOUR) is None


def test_a_holders_record_keeps_a_later_demand(catalogue: Catalogue) -> None:
    """The worker's request was sent before the package was named, so it is due again after the record."""
    (a,) = fetched(catalogue, "a")
    claim = catalogue.store.claims.claim_packages([a], INDEX, NOW + HOUR, HOUR)
    assert claim is not None
    catalogue.store.claims.make_packages_due([a], INDEX, DueReason.FEED, NOW + HOUR + MINUTE)
    catalogue.answer(a, Source.INDEX, observed_at=NOW + HOUR, lease=claim.lease, due_at=NOW + DAY)
    state = catalogue.state("a", Source.INDEX)
    assert (state.due_at, state.due_reason, state.lease) == (NOW + HOUR + MINUTE, DueReason.FEED, None)
    catalogue.answer(a, Source.INDEX, observed_at=NOW + HOUR + 2 * MINUTE, due_at=NOW + DAY)
    assert catalogue.state("a", Source.INDEX).due_at == NOW + DAY


def test_a_due_package_keeps_its_place_and_is_not_confirmed(catalogue: Catalogue) -> None:
    """It waits in the queue when it is named, so a list without changes must not settle it, nor must a deferral."""
    a, b = fetched(catalogue, "a", "b")
    make_due = catalogue.store.claims.make_packages_due
    assert make_due([a, b], INDEX, DueReason.OUT_OF_TURN, NOW + HOUR) == 2
    assert make_due([a], INDEX, DueReason.FEED, NOW + 2 * HOUR) == 1
    state = catalogue.state("a", Source.INDEX)
    assert (state.due_at, state.due_reason) == (NOW + HOUR, DueReason.FEED)
    claim = catalogue.store.claims.claim_packages([a], INDEX, NOW + 2 * HOUR, HOUR)
    assert claim is not None
    catalogue.store.claims.record([Deferral(a, Source.INDEX, claim.lease, NOW + 2 * HOUR, NOW + 3 * HOUR)])
    assert catalogue.store.index_serials.confirm_all(NOW + 4 * HOUR, MONTH) == 1
    assert catalogue.store.index_serials.confirm([("a", 7), ("b", 7)], NOW + 4 * HOUR, MONTH) == (1, 0)
    state = catalogue.state("a", Source.INDEX)
    assert (state.due_at, state.due_reason) == (NOW + 3 * HOUR, DueReason.FEED)


def test_a_package_named_during_its_request_is_requested_again(catalogue: Catalogue) -> None:
    """It was due before, so its due time alone does not tell that the event came after the request."""
    (a,) = fetched(catalogue, "a")
    catalogue.store.claims.make_packages_due([a], INDEX, DueReason.FEED, NOW + HOUR)
    claim = catalogue.store.claims.claim_packages([a], INDEX, NOW + HOUR, HOUR)
    assert claim is not None
    catalogue.store.claims.make_packages_due([a], INDEX, DueReason.FEED, NOW + HOUR + MINUTE)
    catalogue.answer(a, Source.INDEX, observed_at=NOW + HOUR, lease=claim.lease, due_at=NOW + DAY)
    state = catalogue.state("a", Source.INDEX)
    assert (state.due_at, state.due_reason, state.lease) == (NOW + HOUR + MINUTE, DueReason.FEED, None)


def test_a_request_sent_after_the_release_is_not_repeated(catalogue: Catalogue) -> None:
    """The feed names a package during its request: only one sent before the release may have missed it."""
    a, b = fetched(catalogue, "a", "b")
    claim = catalogue.store.claims.claim_packages([a, b], INDEX, NOW + HOUR, HOUR)
    assert claim is not None
    polled = NOW + HOUR + 2 * MINUTE
    catalogue.store.claims.make_released_due(followed(catalogue), NOW + HOUR + MINUTE, polled)
    for package_id, sent in ((a, NOW + HOUR), (b, NOW + HOUR + MINUTE)):
        catalogue.answer(package_id, Source.INDEX, observed_at=sent, lease=claim.lease, due_at=NOW + DAY)
    states = [catalogue.state(slug, Source.INDEX) for slug in ("a", "b")]
    assert [(one.due_at, one.lease) for one in states] == [(NOW + HOUR + MINUTE, None), (NOW + DAY, None)]


def test_a_response_recorded_while_the_feed_is_compared_counts(catalogue: Catalogue) -> None:
    """The poll decided by the state before it: only a request sent before the release is repeated."""
    a, b = fetched(catalogue, "a", "b")
    known, released = followed(catalogue), NOW + HOUR
    for package_id, sent in ((a, NOW + MINUTE), (b, released)):
        catalogue.answer(package_id, Source.INDEX, observed_at=sent, due_at=NOW + DAY)
    assert catalogue.store.claims.make_released_due(known, released, released + MINUTE) == 1
    assert [catalogue.state(slug, Source.INDEX).due_at for slug in ("a", "b")] == [released + MINUTE, NOW + DAY]
    assert catalogue.store.claims.make_released_due(followed(catalogue), released, released + MINUTE) == 1


def test_an_unchanged_list_confirms_all_but_named_ones(catalogue: Catalogue) -> None:
    """A project that the feed names stays due; one fetched before the list became gapless is not confirmed."""
    a, b, c = fetched(catalogue, "a", "b", "c")
    catalogue.answer(c, Source.INDEX, observed_at=NOW + 2 * HOUR, revision="7")
    catalogue.store.claims.make_packages_due([b], INDEX, DueReason.FEED, NOW + HOUR)
    assert catalogue.store.index_serials.confirm_all(NOW + 3 * HOUR, MONTH) == 2
    assert catalogue.state("b", Source.INDEX).due_at == NOW + HOUR
    assert catalogue.state("a", Source.INDEX).due_reason is DueReason.RECHECK
    catalogue.answer(a, Source.INDEX, observed_at=NOW + 3 * HOUR, revision="7")
    assert catalogue.store.index_serials.confirm_all(NOW + 4 * HOUR, MONTH, NOW + 3 * HOUR) == 2


def hint(path: str, repository_id: str | None = None, host: str = "github.com") -> Hint:
    return Hint(host, (path,), repository_id, (Source.REPOSITORY,))


def test_hints_find_packages_by_path_and_by_id(catalogue: Catalogue) -> None:
    """A path in any spelling; an id for a repository that was renamed; several packages of one repository."""
    addresses = {"a": "Octo/App", "b": "octo/APP", "c": "octo/old"}
    a, b, c = (catalogue.add(slug, repo_url=f"https://github.com/{path}")[0] for slug, path in addresses.items())
    catalogue.answer(c, Source.REPOSITORY, stats(repository_id="77", full_name="octo/new"))
    known = catalogue.store.packages.of_repositories
    by_path, renamed, former = hint("octo/app"), hint("octo/new", "77"), hint("octo/new", "78")
    elsewhere, unknown = hint("octo/app", host="git.example"), hint("octo/none", "5")
    found = known([by_path, renamed, former, elsewhere, unknown, hint("octo/new", "77", "git.example")])
    assert {one: sorted(ids) for one, ids in found.items()} == {by_path: [a, b], renamed: [c]}
    assert known([Hint("github.com", ("octo/newer", "octo/old"), "1", ())]) == {
        Hint("github.com", ("octo/newer", "octo/old"), "1", ()): [c]
    }
    assert known([]) == {}
