"""Hosts of repositories on both databases: added by imports, stated by editors, detected, and parsed again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from fetcher.domain.forges import ForgeKind, KnownBy, StoredForge, detected, not_detected
from fetcher.domain.model import REPOSITORY_SOURCES, CatalogueEntry, RepoRef, Source, Unsupported
from fetcher.store import SqlStore
from fetcher.store.engine import WRITING
from fetcher.store.forges import ForgeRules
from tests.harness.processes import wait_until
from tests.harness.stores import NOW, answered, read_project, stats, store_on, waits_for_a_lock

HOUR = timedelta(hours=1)
GITLAB, FORGEJO, GIT = ForgeKind.GITLAB, ForgeKind.FORGEJO, ForgeKind.GIT


class Directory:
    """A store whose parser serves a set of hosts, which a test changes."""

    def __init__(self, engine: Engine) -> None:
        self.served = {"a.org", "github.com"}
        self.suffix = ""
        self.changes = 0
        self.upstreams: dict[str, str] = {}
        rules = ForgeRules(self._stated, lambda host: host != "github.com", self._changed)
        self.store = SqlStore(
            engine, read_repo=self._repo, read_project=read_project, serving=self._serving, rules=rules
        )

    def add(self, slug: str, address: str | None, word: str | None = None) -> None:
        extra: dict[str, Any] = {} if word is None else {"repo_host": word}
        self.store.packages.import_entries([CatalogueEntry(slug, slug, repo_url=address, extra=extra)], NOW)

    def repo(self, slug: str) -> RepoRef | Unsupported | None:
        package = self.store.packages.get(slug)
        assert package is not None
        return package.repo

    def _repo(self, text: str | None) -> RepoRef | Unsupported | None:
        if text is None:
            return None
        host, _, path = text.removeprefix("https://").partition("/")
        served = host in self.served
        return RepoRef(host, path.removesuffix(self.suffix)) if served else Unsupported(text, "not served")

    def _serving(self, source: Source, host: str | None) -> str | None:
        return "pypi" if source is Source.INDEX else self.upstreams.get(host or "", host)

    def _stated(self, entries: Any) -> dict[str, ForgeKind]:
        words = {"gitlab": GITLAB, "forgejo": FORGEJO}
        return {
            one.repo_url.removeprefix("https://").partition("/")[0]: words[one.extra["repo_host"]]
            for one in entries
            if "repo_host" in one.extra
        }

    def _changed(self) -> None:
        self.changes += 1
        self.suffix = ".git"


@pytest.fixture
def directory(engine: Engine) -> Directory:
    return Directory(engine)


def test_an_import_adds_hosts_once(directory: Directory) -> None:
    """Hosts of served repositories, except those that belong to another upstream."""
    directory.add("a", "https://a.org/o/r")
    directory.add("b", "https://a.org/o/s")
    directory.add("c", "https://github.com/o/r")
    directory.add("d", "https://elsewhere.org/o/r")
    directory.add("e", None)
    assert directory.store.forges.all() == (StoredForge("a.org"),)


def test_an_editors_word_is_stored_before_the_address_is_parsed(directory: Directory) -> None:
    """The address of the same entry is parsed by the grammar of the stated kind."""
    directory.add("a", "https://a.org/o/r.git", "gitlab")
    (forge,) = directory.store.forges.all()
    assert (forge.host, forge.kind, forge.known_by, forge.known_at) == ("a.org", GITLAB, KnownBy.EDITOR, NOW)
    assert directory.repo("a") == RepoRef("a.org", "o/r")


def test_a_word_that_is_stored_writes_nothing(directory: Directory, engine: Engine) -> None:
    """Importing the same document again only reads; a later word replaces the first."""
    directory.add("a", "https://a.org/o/r", "gitlab")
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    directory.add("a", "https://a.org/o/r", "gitlab")
    assert not [one for one in statements if one.startswith(("INSERT", "UPDATE", "DELETE"))]
    assert directory.changes == 1
    directory.add("a", "https://a.org/o/r", "forgejo")
    assert (directory.store.forges.all()[0].kind, directory.changes) == (FORGEJO, 2)


def test_a_host_is_detected_by_one_process(directory: Directory) -> None:
    """A claimed host is not claimed again before its time, and four processes claim it once."""
    directory.add("a", "https://a.org/o/r")
    forges = directory.store.forges
    with ThreadPoolExecutor(4) as pool:
        claimed = list(pool.map(lambda _: forges.claim(["a.org", "b.org"], NOW, NOW + HOUR), range(4)))
    assert [forge.host for one in claimed for forge in one] == ["a.org"]
    assert forges.claim(["a.org"], NOW + HOUR / 2, NOW + 2 * HOUR) == []
    assert [forge.host for forge in forges.claim(["a.org"], NOW + HOUR, NOW + 2 * HOUR)] == ["a.org"]


def test_the_result_of_a_detection(directory: Directory) -> None:
    """Good and failed ones are stored with their time; a good one is due again later."""
    directory.add("a", "https://a.org/o/r")
    forges = directory.store.forges
    (forge,) = forges.claim(["a.org"], NOW, NOW + HOUR)
    forges.save(not_detected(forge, "down \x00", NOW))
    (failed,) = forges.all()
    assert (failed.kind, failed.failures, failed.due_at) == (None, 1, NOW + HOUR)
    forges.save(detected(failed, GITLAB, "header x-gitlab-meta", NOW + HOUR))
    (found,) = forges.all()
    assert (found.kind, found.known_by, found.known_at, found.failures) == (
        GITLAB,
        KnownBy.DETECTED,
        NOW + HOUR,
        0,
    )
    assert forges.claim(["a.org"], NOW + 2 * HOUR, NOW + 3 * HOUR) == []


def test_a_word_stated_during_a_detection_stays(directory: Directory) -> None:
    directory.add("a", "https://a.org/o/r")
    forges = directory.store.forges
    (forge,) = forges.claim(["a.org"], NOW, NOW + HOUR)
    forges.state({"a.org": FORGEJO}, NOW)
    forges.save(detected(forge, GITLAB, "a sign", NOW))
    (found,) = forges.all()
    assert (found.kind, found.known_by, found.message) == (FORGEJO, KnownBy.EDITOR, "a sign")


def test_a_word_withdrawn_during_a_detection_does_not_return(directory: Directory) -> None:
    """A detection that began with the word stores its sign, not the word; a second withdrawal changes nothing."""
    directory.add("a", "https://a.org/o/r")
    forges = directory.store.forges
    forges.state({"a.org": FORGEJO}, NOW)
    forges.save(detected(forges.all()[0], GITLAB, "a sign", NOW))
    (stated,) = forges.all()
    assert forges.state({"a.org": None}, NOW + HOUR) == ["a.org"]
    assert forges.all() == (StoredForge("a.org"),)
    assert forges.state({"a.org": None, "b.org": None}, NOW + HOUR) == []
    forges.save(detected(stated, GITLAB, "a sign", NOW + HOUR))
    (found,) = forges.all()
    assert (found.kind, found.known_by) == (None, None)


def test_a_word_that_is_being_stored_stays(directory: Directory, engine: Engine) -> None:
    """An editor's word that is not committed yet when the result of a detection is stored wins."""
    directory.add("a", "https://a.org/o/r")
    forges = directory.store.forges
    (forge,) = forges.claim(["a.org"], NOW, NOW + HOUR)
    word = text("UPDATE forges SET kind = 'forgejo', known_by = 'editor' WHERE host = 'a.org'")
    with ThreadPoolExecutor(1) as pool, engine.execution_options(**{WRITING: True}).connect() as editor:
        editor.execute(word)
        saved = pool.submit(forges.save, detected(forge, GITLAB, "a sign", NOW))
        if engine.dialect.name == "postgresql":
            wait_until(lambda: waits_for_a_lock(engine), "the detection waits for the editor's transaction")
        editor.commit()
        saved.result()
    (found,) = forges.all()
    assert (found.kind, found.known_by, found.message) == (FORGEJO, KnownBy.EDITOR, "a sign")


def test_unsupported_addresses_become_served(directory: Directory) -> None:
    """Editors' fields and imported values stay; the sources are due, and a second time nothing changes."""
    directory.add("a", "https://a.org/o/r")
    directory.add("b", "https://b.org/o/r")
    before = directory.store.packages.get("b")
    assert before is not None
    assert isinstance(before.repo, Unsupported)
    directory.served.add("b.org")
    assert directory.store.packages.renew_addresses([], NOW) == 1
    after = directory.store.packages.get("b")
    assert after is not None
    assert after.repo == RepoRef("b.org", "o/r")
    assert after.entry == before.entry
    assert after.states[Source.REPOSITORY].due_at is not None
    assert [forge.host for forge in directory.store.forges.all()] == ["a.org", "b.org"]
    assert directory.store.packages.renew_addresses([], NOW) == 0


def test_addresses_of_a_host_are_parsed_again(directory: Directory) -> None:
    """Only packages of the host are touched, and those whose path stays keep their states."""
    directory.served.add("b.org")
    directory.add("a", "https://a.org/o/r.git")
    directory.add("b", "https://b.org/o/r.git")
    directory.add("c", "https://a.org/o/plain")
    c = directory.store.packages.ids(["c"])["c"]
    directory.store.claims.record([answered(c, Source.REPOSITORY, replace(stats(), full_name="o/plain"))])
    before = directory.store.packages.get("c")
    directory.suffix = ".git"
    assert directory.store.packages.renew_addresses(["a.org"], NOW + HOUR) == 1
    assert (directory.repo("a"), directory.repo("b")) == (RepoRef("a.org", "o/r"), RepoRef("b.org", "o/r.git"))
    assert directory.store.packages.get("c") == before


def test_a_host_that_another_upstream_serves_now(directory: Directory) -> None:
    """Its repositories are reset with the new upstream, although their addresses stay. Projects keep their states."""
    packages = directory.store.packages
    directory.served.add("b.org")
    entries = [CatalogueEntry(host, host, repo_url=f"https://{host}/o/r", pypi_url="p") for host in ("a.org", "b.org")]
    packages.import_entries(entries, NOW)
    numbers = packages.ids(["a.org", "b.org"])
    claim = directory.store.claims.claim_packages(list(numbers.values()), tuple(Source), NOW, HOUR)
    assert claim is not None
    directory.store.claims.record(
        [answered(number, Source.REPOSITORY, stats(), lease=claim.lease) for number in numbers.values()]
    )
    before = {slug: packages.get(slug) for slug in numbers}
    assert packages.moved_hosts() == []
    assert packages.renew_addresses(["a.org", "b.org"], NOW + HOUR) == 0

    directory.upstreams["a.org"] = "another"
    assert packages.moved_hosts() == ["a.org"]
    assert packages.renew_addresses(["a.org", "b.org"], NOW + HOUR) == 1
    assert packages.moved_hosts() == []
    assert packages.get("b.org") == before["b.org"]
    old, new = before["a.org"], packages.get("a.org")
    assert old is not None
    assert new is not None
    assert new.repo == old.repo
    repository = new.states.pop(Source.REPOSITORY)
    assert (repository.upstream, repository.answered_at, repository.due_at) == ("another", None, NOW + HOUR)
    assert {state.upstream for source, state in new.states.items() if source in REPOSITORY_SOURCES} == {"another"}
    assert new.states[Source.INDEX] == old.states[Source.INDEX]
    assert new.observed == old.observed


def test_a_retired_package_of_a_host_that_another_upstream_serves(directory: Directory) -> None:
    """It gets no source, and is revived with the new upstream."""
    packages = directory.store.packages
    directory.add("a", "https://a.org/o/r")
    directory.add("b", "https://a.org/o/s")
    ids = packages.ids(["a"])
    packages.retire(list(ids.values()), NOW)
    directory.upstreams["a.org"] = "another"
    assert packages.moved_hosts() == ["a.org"]
    assert packages.renew_addresses(["a.org"], NOW) == 1
    packages.revive(list(ids.values()), NOW)
    package = packages.get("a")
    assert package is not None
    assert {state.upstream for state in package.states.values()} == {"another"}


def test_a_retired_package_stays_retired(directory: Directory) -> None:
    """A renewed address gives a retired package no source."""
    directory.add("b", "https://b.org/o/r")
    ids = list(directory.store.packages.ids(["b"]).values())
    directory.store.packages.retire(ids, NOW)
    directory.served.add("b.org")
    assert directory.store.packages.renew_addresses([], NOW) == 1
    package = directory.store.packages.get("b")
    assert package is not None
    assert package.states == {}
    directory.store.packages.revive(ids, NOW)
    assert directory.store.claims.due_ids(None, None) == ids


def test_more_packages_than_a_transaction_takes(directory: Directory) -> None:
    entries = [CatalogueEntry(f"p{n}", "", repo_url=f"https://b.org/o/r{n}") for n in range(2_100)]
    directory.store.packages.import_entries(entries, NOW)
    directory.served.add("b.org")
    assert directory.store.packages.renew_addresses([], NOW) == 2_100


def import_interrupted(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Import a second package with a word for the host of the first, and interrupt the process before it parses it."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    directory.add("a", "https://a.org/o/r.git")
    with monkeypatch.context() as patched:
        patched.setattr("fetcher.store.importing.importer.to_renew", interrupt)
        with pytest.raises(KeyboardInterrupt):
            directory.add("b", "https://a.org/o/s.git", "forgejo")
    assert directory.store.forges.all()[0].kind is FORGEJO
    assert directory.repo("a") == RepoRef("a.org", "o/r.git")


def test_an_interrupted_import_is_completed_by_the_next(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    """The same import again parses the older package's address, although the word is stored; a third only reads."""
    import_interrupted(directory, monkeypatch)
    directory.add("b", "https://a.org/o/s.git", "forgejo")
    assert (directory.repo("a"), directory.repo("b")) == (RepoRef("a.org", "o/r"), RepoRef("a.org", "o/s"))
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    directory.add("b", "https://a.org/o/s.git", "forgejo")
    assert not [one for one in statements if one.startswith(("INSERT", "UPDATE", "DELETE"))]


def test_addresses_that_an_interrupted_process_left_are_claimed(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process parses them after an hour, and once; a third waits for another hour."""
    import_interrupted(directory, monkeypatch)
    forges = directory.store.forges
    assert forges.claim_unparsed(NOW + HOUR / 2, NOW + 2 * HOUR) == []
    assert forges.claim_unparsed(NOW + HOUR, NOW + 2 * HOUR) == ["a.org"]
    assert forges.claim_unparsed(NOW + HOUR, NOW + 2 * HOUR) == []
    assert directory.store.packages.renew_addresses(["a.org"], NOW + HOUR) == 1
    assert directory.repo("a") == RepoRef("a.org", "o/r")
    assert forges.claim_unparsed(NOW + 3 * HOUR, NOW + 4 * HOUR) == []


def test_a_detected_kind_marks_the_addresses(directory: Directory) -> None:
    """The mark is stored with the kind. A kind that stays, and an editor's word that wins, add none."""
    directory.add("a", "https://a.org/o/r")
    forges = directory.store.forges
    (forge,) = forges.all()
    forges.save(not_detected(forge, "down", NOW))
    assert forges.unparsed(["a.org"]) == {}
    forges.save(detected(forge, GITLAB, "a sign", NOW))
    marks = forges.unparsed(["a.org", "b.org"])
    assert list(marks) == ["a.org"]
    forges.save(detected(forges.all()[0], GITLAB, "a sign", NOW + HOUR))
    assert forges.unparsed(["a.org"]) == marks
    forges.state({"a.org": FORGEJO}, NOW + HOUR)
    forges.parsed(marks)
    stated = forges.unparsed(["a.org"])
    assert list(stated) == ["a.org"]
    forges.save(detected(forge, GITLAB, "a sign", NOW + 2 * HOUR))
    assert forges.unparsed(["a.org"]) == stated


def test_without_rules_nothing_is_listed(engine: Engine) -> None:
    """A store that knows no forge adds no host, as in the tests of other subjects."""
    store = store_on(engine)
    store.packages.import_entries([CatalogueEntry("a", "", repo_url="https://github.com/o/r")], NOW)
    assert store.forges.all() == ()
