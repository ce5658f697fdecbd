"""A site's packages in the store, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from fetcher.domain.model import CommitDays, Contribution, Contributors, DueReason, ProjectInfo, Source
from fetcher.domain.sites import SITE, JournalEntry, LinkedPackage, SitePass
from tests.harness.clock import DAY, HOUR, MINUTE
from tests.harness.stores import NOW, Catalogue, failed, release, stats, versions

INFO = ProjectInfo("A thing", ("Framework :: Django",), "MIT", None, licence_expression="MIT", licence_text="old")


def test_the_values_of_each_source(catalogue: Catalogue) -> None:
    """Values are those of the stored responses, with the latest release and the time of each source's response."""
    first, second = catalogue.add("a", "b", project=True)
    catalogue.answer(first, Source.REPOSITORY, stats(archived=True))
    catalogue.answer(first, Source.CONTRIBUTORS, Contributors((Contribution("ada", 2),)))
    days = CommitDays(NOW.date(), (1, 2), 345)
    catalogue.answer(first, Source.COMMITS, days)
    catalogue.answer(first, Source.INDEX, versions("1.0", "2.0", info=INFO))

    values, bare = catalogue.store.sites.values([second, first])

    assert (values.package_id, values.answered) == (first, dict.fromkeys(Source, NOW))
    assert (values.stars, values.forks, values.archived, values.last_committed) == (10, 2, True, NOW - DAY)
    assert (values.logins, values.commit_days, values.commit_count) == (("ada",), days, 345)
    assert values.latest == release("2.0")
    assert (values.classifiers, values.licence_expression, values.licence_text) == (INFO.classifiers, "MIT", "old")
    assert (values.last_fetched, values.unserved, values.retired) == (NOW, None, False)
    assert (bare.answered, bare.stars, bare.latest, bare.commit_days) == ({}, None, None, None)


def test_an_address_without_an_upstream_is_unserved(catalogue: Catalogue) -> None:
    """A package whose repository no upstream serves has a reason; one without a repository has none."""
    ids = catalogue.add("a", repo_url="https://elsewhere.example/a/b", pypi_url="a")
    ids += catalogue.add("b", repo_url=None, pypi_url="b")
    assert [one.unserved for one in catalogue.store.sites.values(ids)] == ["not a supported host", None]


def test_the_stamp_changes_with_each_response_failure_and_retirement(catalogue: Catalogue) -> None:
    """Whatever can change a site's row changes the stamp, and nothing else does."""
    (package_id,) = catalogue.add("a")
    sites, seen = catalogue.store.sites, []
    seen.append(sites.stamps()[package_id])
    catalogue.claim(Source.REPOSITORY)
    assert sites.stamps()[package_id] == seen[0]
    catalogue.answer(package_id, Source.COMMITS)
    seen.append(sites.stamps()[package_id])
    catalogue.store.claims.record([failed(package_id, Source.CONTRIBUTORS)])
    seen.append(sites.stamps()[package_id])
    catalogue.store.packages.retire([package_id], NOW)
    seen.append(sites.stamps()[package_id])
    assert len(set(seen)) == 4


def test_the_stamp_changes_with_a_slow_response(catalogue: Catalogue) -> None:
    """A response to an earlier request, recorded after that of another source, changes the stamp as well."""
    (package_id,) = catalogue.add("a", project=True)
    catalogue.answer(package_id, Source.REPOSITORY, observed_at=NOW + MINUTE)
    before = catalogue.store.sites.stamps()[package_id]
    catalogue.answer(package_id, Source.COMMITS, observed_at=NOW)
    assert catalogue.store.sites.stamps()[package_id] != before


def test_the_first_overwritten_value_is_kept(catalogue: Catalogue) -> None:
    """A later write changes the written value and never the first one; links keep the overwritten values."""
    (package_id,) = catalogue.add("a")
    sites = catalogue.store.sites
    sites.link([LinkedPackage(package_id), LinkedPackage(4711)])
    sites.journal(
        [JournalEntry(package_id, {"repo_forks": 1, "participants": ["x"]}, {"repo_forks": 2, "participants": []})]
    )
    sites.journal([JournalEntry(package_id, {"repo_forks": 2, "score": None}, {"repo_forks": 3, "score": 5})])
    sites.link([LinkedPackage(package_id, skipped="why")])

    (entry,) = sites.journalled()

    assert entry.before == {"repo_forks": 1, "participants": ["x"], "score": None}
    assert entry.written == {"repo_forks": 3, "participants": [], "score": 5}
    assert list(sites.linked()) == [package_id]
    assert sites.skipped() == [("a", "why")]
    sites.forget_journal()
    assert sites.journalled() == []


def test_a_deprecated_package_keeps_other_reasons_to_be_due(catalogue: Catalogue) -> None:
    """Only sources due at their slot are postponed to the slow re-check, and leased ones are left alone."""
    slot, moved, leased = catalogue.add("slot", "moved", "leased")
    for package_id, reason in ((slot, DueReason.SLOT), (moved, DueReason.MOVED), (leased, DueReason.SLOT)):
        catalogue.answer(package_id, Source.REPOSITORY, due_at=NOW + HOUR, due_reason=reason)
    catalogue.store.claims.claim_packages([leased], [Source.REPOSITORY], NOW, HOUR)
    recheck = timedelta(days=30)

    assert catalogue.store.sites.postpone([slot, moved, leased], recheck) == 1

    states = [catalogue.state(slug, Source.REPOSITORY) for slug in ("slot", "moved", "leased")]
    assert [one.due_at for one in states] == [NOW + recheck, NOW + HOUR, NOW + HOUR]
    assert states[0].due_reason is DueReason.RECHECK
    assert catalogue.store.sites.postpone([slot, moved, leased], recheck) == 0


def test_the_last_pass_is_kept_with_its_reasons(catalogue: Catalogue) -> None:
    """The counters come back as they were stored, and each pass replaces the one before."""
    sites = catalogue.store.sites
    assert sites.last_pass(SITE) is None
    first = SitePass(NOW, NOW + HOUR, "F4", packages=3, reasons={"why": 2}, fault="down", failing_since=NOW - DAY)
    sites.save_pass(SITE, first)
    assert sites.last_pass(SITE) == first
    sites.save_pass(SITE, replace(first, fault=None, failing_since=None, written=1))
    assert sites.last_pass(SITE) == replace(first, fault=None, failing_since=None, written=1)


def test_removing_a_package_removes_its_link(catalogue: Catalogue) -> None:
    """A package that an editor removes leaves nothing behind."""
    ids = catalogue.add("a")
    catalogue.store.sites.link([LinkedPackage(one) for one in ids])
    catalogue.store.packages.remove(ids, NOW)
    assert catalogue.store.sites.linked() == {}
